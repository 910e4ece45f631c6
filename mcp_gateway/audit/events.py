"""What each kind of event says in words: who did what to whom. Pure.

`{actor}` is who did it, every other name a member of the event; what a sentence does not name is told behind it.
An event that failed after it was recorded is the same kind with `.failed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

FAILED = ".failed"

_FAILED_SENTENCE = "it failed and nothing was changed: "

SENTENCES: Mapping[str, str] = {
    "access.added": "{actor} gave {subject} the relation {relation} on {object}",
    "access.removed": "{actor} took from {subject} the relation {relation} on {object}",
    "agent.added": "{actor} registered the agent {agent}",
    "agent.disabled": "{actor} disabled {agent}: {reason}",
    "agent.enabled": "{actor} enabled {agent} again",
    "agent.registered": "{actor} registered itself as {name}",
    "audit.checkpoint_failed": "no checkpoint could be made of the audit: {error}",
    "audit.damaged": "the audit of {writer} is not what was written: {problem}",
    "audit.erased": "{actor} destroyed the key to the recorded values of {user}: {reason}",
    "audit.key_made": "a key that signs checkpoints was made: {key}",
    "audit.key_rotated": "{actor} made a new key to sign checkpoints: {key}",
    "audit.pruned": "{actor} removed the records 1 to {seq} of {writer} under retention",
    "audit.second_place_back": "the second place {place} of the checkpoints takes them again",
    "audit.second_place_failed": "the second place {place} of the checkpoints does not take them: {error}",
    "call.ended": "a call of {user} through {agent} was ended, because its right was taken back: {reasons}",
    "consent.approved": "{actor} consented that {agent} may act for them at {resource}",
    "consent.denied": "{actor} refused to let {agent} act for them at {resource}",
    "consent.granted": "{actor} granted {agent} what was ticked: {on}",
    "delegation.added": "{actor} let {agent} act for {user}",
    "delegation.ended": "{actor} ended that {agent} acts for {user}",
    "gateway.disabled": "{actor} stopped the whole gateway: {reason}",
    "gateway.enabled": "{actor} let the gateway work again",
    "grant.added": "{actor} granted {agent} {on} for {audience}: {reason}",
    "grant.extended": "{actor} extended the grant of {agent} to {on} for {audience}",
    "grant.revoked": "{actor} revoked the grant of {agent} to {on} for {audience}",
    "login.ended": "{actor} signed out",
    "login.failed": "somebody failed to sign in as {actor}",
    "login.succeeded": "{actor} signed in",
    "login.throttled": "too many failed to sign in as {actor}, so guesses are refused unread for a while",
    "prompt.disabled": "{actor} disabled {prompt}: {reason}",
    "prompt.enabled": "{actor} enabled {prompt} again",
    "relationships.imported": "{actor} imported {count} relationships from {file}",
    "relationships.moved": "{actor} moved the relationships to {to}",
    "relationships.published": "{actor} published the relationship model",
    "relationships.store_made": "{actor} made the store {store} at {url}",
    "reload": "{actor} had the declared files read again",
    "resource.disabled": "{actor} disabled {resource}: {reason}",
    "resource.enabled": "{actor} enabled {resource} again",
    "server.added": "{actor} declared the server {server}",
    "server.approved": "{actor} approved what {server} offers: {tools}",
    "server.changed": "{actor} changed the declaration of the server {server}",
    "server.disabled": "{actor} disabled {server}: {reason}",
    "server.enabled": "{actor} enabled {server} again",
    "server.refreshed": "{actor} had the server {server} asked what it offers",
    "server.removed": "{actor} removed the server {server}",
    "setup": "{actor} set the gateway up with the administrator {user}",
    "sink.behind": "the audit sink {sink} is {seconds} s behind",
    "sink.caught_up": "the audit sink {sink} has everything again",
    "sink.gap": "the audit sink {sink} found records of {writer} missing: after {after} comes {before}",
    "sink.rejected": "the audit sink {sink} rejected {count} records: {said}",
    "token.issued": "{actor} got a token for {agent} at {resource}",
    "token.made": "{actor} made a token by hand for {user} through {agent}",
    "token.refreshed": "{actor} got a new token for {agent} at {resource}",
    "token.replayed": "a used code or refresh token of {actor} came again through {agent}; the sign-in is over",
    "token.revoked": "{actor} gave its token back; the sign-in is over",
    "tool.disabled": "{actor} disabled {tool}: {reason}",
    "tool.enabled": "{actor} enabled {tool} again",
    "user.added": "{actor} added the user {user}",
    "user.disabled": "{actor} disabled {user}: {reason}",
    "user.enabled": "{actor} enabled {user} again",
    "user.password_set": "{actor} set a new password for {user}",
    "user.removed": "{actor} removed the user {user} and everything that names them",
}


def sentence_of(kind: str) -> str | None:
    """The sentence with its places still empty; None for a kind nobody wrote one for."""
    found = SENTENCES.get(kind)
    if found is None and kind.endswith(FAILED):
        base = SENTENCES.get(kind.removesuffix(FAILED))
        return None if base is None else _FAILED_SENTENCE + base
    return found


def places(sentence: str) -> frozenset[str]:
    """What of the event the sentence names."""
    return frozenset(name for _, name, _, _ in Formatter().parse(sentence) if name)
