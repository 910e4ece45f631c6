"""What one audit record holds and how it is chained to the one before. Pure; no clock, no file.

    line   = {"hash": H, "kind": …, …, "at": …, "writer": …, "seq": n, "prev": H of the record before}
    H      = SHA-256(prev || the line's bytes without the hash)

The bytes in the file are the canonical form, so verifying never re-serialises. Kinds: `intent` and
`outcome` (a call that left), `decision` (one that did not), `list`, `refused` (no principal yet, or not even read), and
the events `login`, `consent`, `token`, `access.added`, … An argument's value is never in a record,
but for the resource ids that the questions name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Set
from functools import lru_cache
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

import orjson

from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool

Record: TypeAlias = Mapping[str, Any]
"""One record as it is read back; unknown members are for newer readers."""

Fields: TypeAlias = dict[str, Any]
"""What a record says, before it has a place in a chain."""

GENESIS = "0" * 64
"""`prev` of a writer's first record."""

_MAX_TEXT = 500
_MAX_ITEMS = 100
_TOO_LARGE = 2**63
_HASH_START = b'{"hash":"'
_HASH_END = len(_HASH_START) + 64

_OF_THE_GATEWAY = (
    "tool:",
    "prompt:",
    "resource:",
    "server:",
    "gateway:",
    "agent:",
    "user:",
    "group:",
    "role:",
    "tenant:",
)
"""Types of objects that are not what arguments name."""
_REFUSING = frozenset({"login.failed", "login.throttled", "consent.denied", "token.replayed"})

_KEPT_DECISIONS = 4_096
_written: dict[int, tuple[Decision, Fields]] = {}
"""By identity; the decision is held, so its id is not given to another."""


def seal(fields: Fields, *, seq: int, prev: str, writer: str, at: float) -> tuple[bytes, str]:
    """The line for `fields`, completed in place, as the `seq`-th record of `writer`; and its hash."""
    # In place and joined once: this runs twice per call.
    fields["at"], fields["writer"], fields["seq"], fields["prev"] = at, writer, seq, prev
    try:
        body = orjson.dumps(fields)
    except TypeError:
        # Something that is not JSON got in; a record with a shortened value is better than none.
        body = orjson.dumps(plain(fields))
    digest = chain_hash(prev, body)
    return b"".join((_HASH_START, digest.encode(), b'",', body[1:], b"\n")), digest


def chain_hash(prev: str, body: bytes) -> str:
    return hashlib.sha256(prev.encode() + body).hexdigest()


def unseal(line: bytes) -> tuple[str, bytes]:
    """A line's stored hash and the bytes it was made of; raises ValueError when `line` is not a sealed record."""
    if not line.startswith(_HASH_START) or line[_HASH_END : _HASH_END + 2] != b'",':
        raise ValueError("not a sealed record")
    return line[len(_HASH_START) : _HASH_END].decode("ascii"), b"{" + line[_HASH_END + 2 :].rstrip(b"\n")


def parse(line: bytes) -> Record:
    """The record in `line`; raises ValueError when there is none."""
    value: Any = orjson.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not a record")
    record = cast("Record", value)
    if not isinstance(record.get("seq"), int) or not isinstance(record.get("at"), (int, float)) or "kind" not in record:
        raise ValueError("not a record")
    return record


def asked(kind: str, request: Request, verb: str, principal: Principal) -> Fields:
    """Who asked for what, by which token, as part of which trace."""
    fields: Fields = {
        "kind": kind,
        "request": request.id,
        "verb": verb,
        "user": principal.user,
        "agent": principal.agent,
        "client": client_of(principal.agent),
        "audience": principal.audience,
        "token": principal.token_id,
        "scope": _scope(principal.scopes),
        "endpoint": request.endpoint,
        "protocol": request.protocol_version,
        "session": request.client_session,
    }
    if principal.memberships:
        fields["memberships"] = [list(one) for one in principal.memberships]
        if tenant := _tenant(principal.memberships):
            fields["tenant"] = tenant
    if request.trace is not None:
        fields["trace"] = request.trace.id
    return fields


@lru_cache(maxsize=4096)
def client_of(agent: str) -> str:
    """The OAuth client's own id, as its authorization server knows it; of a very long one its digest."""
    return unquote(agent.partition("/")[2])


@lru_cache(maxsize=256)
def _tenant(memberships: tuple[tuple[str, str], ...]) -> str:
    """What the token says; an issuer puts a user into one."""
    return " ".join(object_ for _, object_ in memberships if object_.startswith("tenant:"))


@lru_cache(maxsize=256)
def _scope(scopes: frozenset[str]) -> str:
    # Tokens carry the same few sets again and again.
    return " ".join(sorted(scopes))


def about_tool(tool: Tool) -> Fields:
    if tool.mapping:
        return {"tool": tool.id, "digest": tool.digest, "risk": tool.risk, "mapping": tool.mapping}
    return {"tool": tool.id, "digest": tool.digest, "risk": tool.risk}


def about_decision(decision: Decision) -> Fields:
    """The whole decision: every question with its answer, what it was answered from, and what the rules said."""
    # One decision answers the same call again and again, until a revision. What is returned is not to be changed.
    kept = _written.get(id(decision))
    if kept is not None and kept[0] is decision:
        return kept[1]
    if len(_written) >= _KEPT_DECISIONS:
        _written.clear()
    fields = _about_decision(decision)
    _written[id(decision)] = decision, fields
    return fields


def _about_decision(decision: Decision) -> Fields:
    fields: Fields = {
        "effect": "allow" if decision.allowed else "deny",
        "reasons": [{"code": reason.code, "evidence": reason.evidence} for reason in decision.reasons],
        "questions": [[check.subject, check.relation, check.object, yes] for check, yes in decision.answers.items()],
        "resources": _resources(decision),
        "obligations": [obligation.name for obligation in decision.obligations],
        "model": decision.model_id,
        "revision": decision.revision,
    }
    if decision.rules:
        fields["rules"] = [
            {
                "id": finding.id,
                "digest": finding.digest,
                "result": finding.result,
                "attributes": plain(finding.attributes),
            }
            for finding in decision.rules
        ]
    if decision.observed:
        fields["observed"] = [{"code": reason.code, "evidence": reason.evidence} for reason in decision.observed]
    if decision.classification is not None:
        fields["classification"] = decision.classification
    return fields


def _resources(decision: Decision) -> list[str]:
    """Ids of what the arguments named, as far as relationships were asked of it."""
    found = dict.fromkeys(check.object for check in decision.answers if not check.object.startswith(_OF_THE_GATEWAY))
    return list(found)


def about_arguments(arguments: Mapping[str, Any]) -> Fields:
    """Arguments by digest of their canonical JSON, so that a record proves but does not tell them."""
    try:
        canonical = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # A number or a text beyond what orjson writes; the door refuses those, the audit must not depend on it.
        canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":")).encode()
    return {"arguments": hashlib.sha256(canonical).hexdigest(), "arguments_bytes": len(canonical)}


def outcome(request: Request, verb: str, principal: Principal, tool: Tool, *, intent: int) -> Fields:
    """Points back at the intent, which holds the decision; repeats what records are searched by."""
    fields: Fields = {
        "kind": "outcome",
        "intent": intent,
        "request": request.id,
        "verb": verb,
        "user": principal.user,
        "agent": principal.agent,
        "client": client_of(principal.agent),
        "endpoint": request.endpoint,
        "tool": tool.id,
        "digest": tool.digest,
        "risk": tool.risk,
        "effect": "allow",
    }
    if request.trace is not None:
        fields["trace"] = request.trace.id
    return fields


def event(kind: str, actor: str, named: Mapping[str, object]) -> Fields:
    """What was not a request. Whoever and whatever it names stands where requests have it, so that one search finds both."""
    told = dict(named)
    fields: Fields = {"kind": kind, "actor": actor, "outcome": _event_outcome(kind)}
    for name in ("user", "agent"):
        if isinstance(found := told.get(name), str):
            fields[name] = _bounded(found)
    if isinstance(agent := fields.get("agent"), str):
        fields["client"] = client_of(agent)
    if kind.startswith(("token.", "consent.")):
        fields.update(audience=plain(told.get("resource") or told.get("audience")), token=plain(told.get("token_id")))
    if "revision" in told:
        fields["revision"] = plain(told.pop("revision"))
    return {**fields, "named": plain(told)}


def _event_outcome(kind: str) -> str:
    if kind in _REFUSING:
        return "denied"
    return "error" if kind.endswith(".failed") else "ok"


def names_digest(names: Collection[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def plain(value: object) -> Any:
    """`value` as bounded JSON: long text is cut, anything that is not JSON becomes text."""
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < _TOO_LARGE):
        return value
    if isinstance(value, str):
        return _bounded(value)
    if isinstance(value, Mapping):
        members = list(cast("Mapping[object, object]", value).items())[:_MAX_ITEMS]
        return {_bounded(str(name)): plain(member) for name, member in members}
    if isinstance(value, Set):
        return sorted(str(plain(item)) for item in list(cast("Set[object]", value))[:_MAX_ITEMS])
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in list(cast("Collection[object]", value))[:_MAX_ITEMS]]
    return _bounded(str(value))


def _bounded(text: str) -> str:
    whole = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
    # A lone surrogate has no UTF-8; a record must never fail for what it quotes.
    return whole.encode("utf-8", "replace").decode("utf-8")
