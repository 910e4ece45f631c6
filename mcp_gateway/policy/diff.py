"""Recorded decisions under changed policy: every flip named, nothing guessed. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mcp_gateway.audit import Record
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.tool import Tool
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.history import History
from mcp_gateway.policy.named import named
from mcp_gateway.policy.past import COMPLETION, Past, past_of
from mcp_gateway.policy.rejudge import Rejudged, rejudge, to_ask
from mcp_gateway.storage import Change

_DID = {
    "tools/call": "calls",
    "prompts/get": "gets",
    "resources/read": "reads",
    "resources/subscribe": "subscribes to",
    COMPLETION: "asks for completions of",
}
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
        who = f"{past.user} through {past.agent} {_DID.get(past.verb, past.verb)} {past.tool}"
        return f"{self.before} -> {now.effect}: {who}: {', '.join(past.codes)} -> {why} [{past.request}]"

    def as_dict(self) -> dict[str, Any]:
        past, now = self.past, self.now
        return {
            "request": past.request,
            "at": past.at,
            "user": past.user,
            "agent": past.agent,
            "verb": past.verb,
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
    records: Iterable[Record], changes: Sequence[Change], *, now: Candidate, then: Candidate, complete: bool = True
) -> Difference:
    """`then` is the policy in force, `now` the one it is compared with; `changes` is the whole changelog.

    Without `complete`, relationships may also have been written elsewhere: only what the model in force
    answers as recorded is judged.
    """
    found = Difference()
    pasts: list[Past] = []
    for record in records:
        found.records += 1
        past = past_of(record)
        if past is not None:
            pasts.append(past)
    found.decisions = len(pasts)
    judge = _Judge(changes, now=now, then=then, complete=complete)
    for past in sorted(pasts, key=lambda one: (one.revision, one.at)):
        _count(found, past, await judge.judged(past))
    found.flips.sort(key=lambda flip: flip.past.at)
    found.undecidable.sort(key=lambda flip: flip.past.at)
    return found


class _Judge:
    """Two policies over one changelog; asked about decisions in the order of their revisions."""

    def __init__(self, changes: Sequence[Change], *, now: Candidate, then: Candidate, complete: bool) -> None:
        self._complete = complete
        self._before = History(then.model, changes)
        self._after = History(now.model, changes, risks=now)
        self._now = _Tools(now)
        self._then = _Tools(then)
        self._book = now.book

    async def judged(self, past: Past) -> Rejudged:
        judged = await self._rejudged(past)
        if judged.effect == "undecidable" or await self._stands_as_recorded(past):
            return judged
        return Rejudged("undecidable", (), (_ELSEWHERE,))

    async def _rejudged(self, past: Past) -> Rejudged:
        tool, known = self._now.of(past), self._then.of(past)
        if tool is None:
            return Rejudged("deny", ("tool.unknown",))
        relationships = await self._after.at(past.revision)
        if relationships.refusal is not None:
            return Rejudged("deny", (relationships.refusal,))
        resources = named(past, tool, known)
        bound, legs = self._book.of(tool), relationships.legs
        answers = await self._after.answer(past, to_ask(past, tool, resources, bound, legs))
        return rejudge(past, tool, resources, bound, answers=answers, legs=legs)

    async def _stands_as_recorded(self, past: Past) -> bool:
        """Whether the model in force gives the recorded answers; when another one gave them, that cannot be seen."""
        relationships = await self._before.at(past.revision)
        if past.model_id != relationships.model_id:
            return self._complete
        answers = await self._before.answer(past, tuple(past.answers))
        return all(answers.answers.get(check) is answer for check, answer in past.answers.items())


class _Tools:
    """The tools of records under one policy, each made once."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._known: dict[tuple[str, str, bool], Tool | None] = {}

    def of(self, past: Past) -> Tool | None:
        key = (past.tool, past.digest, past.verb == COMPLETION)
        if key not in self._known:
            self._known[key] = self._made(past)
        return self._known[key]

    def _made(self, past: Past) -> Tool | None:
        meant = self._candidate.meant(past.tool)
        tool = None if meant is None else self._candidate.approved(*meant, digest=past.digest)
        if tool is None:
            return None
        # A long name cannot be read back from its id; and what is still being typed names no resource.
        tool = replace(tool, id=ToolId(past.tool))
        return replace(tool, resources=(), mapping="") if past.verb == COMPLETION else tool


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
