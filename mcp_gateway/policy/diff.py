"""Recorded decisions under changed policy: every flip named, nothing guessed. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_gateway.audit import Record
from mcp_gateway.authorization import EmbeddedRelationships, InContext
from mcp_gateway.model.tool import Tool
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.history import History
from mcp_gateway.policy.named import named
from mcp_gateway.policy.past import Past, past_of
from mcp_gateway.policy.rejudge import Rejudged, rejudge, to_ask
from mcp_gateway.storage import Change

_ELSEWHERE = "the relationships of then cannot be rebuilt from this store"


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that would not be what it was, or that cannot be told."""

    past: Past
    now: Rejudged

    @property
    def before(self) -> str:
        return "allow" if self.past.allowed else "deny"

    def __str__(self) -> str:
        past, now = self.past, self.now
        why = "; ".join(now.unknown) or ", ".join(now.codes)
        who = f"{past.user} through {past.agent} calls {past.tool}"
        return f"{self.before} -> {now.effect}: {who}: {', '.join(past.codes)} -> {why} [{past.request}]"

    def as_dict(self) -> dict[str, Any]:
        past, now = self.past, self.now
        return {
            "request": past.request,
            "at": past.at,
            "user": past.user,
            "agent": past.agent,
            "tool": past.tool,
            "revision": past.revision,
            "before": self.before,
            "after": now.effect,
            "reasons_before": list(past.codes),
            "reasons_after": list(now.codes),
            "unknown": list(now.unknown),
        }


@dataclass(slots=True)
class Difference:
    records: int = 0
    """Looked at; all but the decisions are no matter of policy."""
    decisions: int = 0
    unchanged: int = 0
    other_reasons: int = 0
    """Denied as before, for other reasons."""
    flips: list[Flip] = field(default_factory=list[Flip])
    undecidable: list[Flip] = field(default_factory=list[Flip])

    def totals(self) -> dict[str, int]:
        ways = Counter(f"{flip.before}_to_{flip.now.effect}" for flip in self.flips)
        return {
            "records": self.records,
            "decisions": self.decisions,
            "unchanged": self.unchanged,
            "other_reasons": self.other_reasons,
            "allow_to_deny": ways["allow_to_deny"],
            "deny_to_allow": ways["deny_to_allow"],
            "undecidable": len(self.undecidable),
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "totals": self.totals(),
            "flips": [flip.as_dict() for flip in self.flips],
            "undecidable": [flip.as_dict() for flip in self.undecidable],
        }


async def compare(
    records: Iterable[Record], changes: Sequence[Change], *, now: Candidate, then: Candidate
) -> Difference:
    """`then` is the policy in force, `now` the one it is compared with; `changes` is the whole changelog."""
    found = Difference()
    pasts: list[Past] = []
    for record in records:
        found.records += 1
        past = past_of(record)
        if past is not None:
            pasts.append(past)
    found.decisions = len(pasts)
    before = History(then.model, changes)
    after = History(now.model, changes, risks=now)
    for past in sorted(pasts, key=lambda one: (one.revision, one.at)):
        stood = await before.at(past.revision)
        judged = await _judged(past, await after.at(past.revision), now=now, then=then)
        if judged.effect != "undecidable" and not await _stands_as_recorded(past, stood):
            judged = Rejudged("undecidable", (), (_ELSEWHERE,))
        _count(found, past, judged)
    found.flips.sort(key=lambda flip: flip.past.at)
    found.undecidable.sort(key=lambda flip: flip.past.at)
    return found


async def _judged(past: Past, relationships: EmbeddedRelationships, *, now: Candidate, then: Candidate) -> Rejudged:
    tool = _tool(past, now)
    if tool is None:
        return Rejudged("deny", ("tool.unknown",))
    known = _tool(past, then)
    resources = named(past, tool.resources, known.resources if known else ())
    bound, legs = now.book.of(tool), relationships.legs
    if relationships.refusal is not None:
        return Rejudged("deny", (relationships.refusal,))
    in_context = InContext(past.user, past.agent, past.memberships)
    answers = await relationships.answer(to_ask(past, tool, resources, bound, legs), in_context=in_context, now=past.at)
    return rejudge(past, tool, resources, bound, answers=answers, legs=legs)


async def _stands_as_recorded(past: Past, relationships: EmbeddedRelationships) -> bool:
    """Whether the model in force gives the recorded answers; nothing can be said when another one gave them."""
    if past.model_id != relationships.model_id:
        return True
    in_context = InContext(past.user, past.agent, past.memberships)
    answers = await relationships.answer(tuple(past.answers), in_context=in_context, now=past.at)
    return all(answers.answers.get(check) is answer for check, answer in past.answers.items())


def _tool(past: Past, candidate: Candidate) -> Tool | None:
    name = candidate.plain_name(past.server, past.name)
    return candidate.approved(past.server, name, digest=past.digest)


def _count(found: Difference, past: Past, judged: Rejudged) -> None:
    flip = Flip(past, judged)
    if judged.effect == "undecidable":
        found.undecidable.append(flip)
    elif (judged.effect == "allow") is not past.allowed:
        found.flips.append(flip)
    else:
        found.unchanged += 1
        if not past.allowed and set(judged.codes) != set(past.codes):
            found.other_reasons += 1
