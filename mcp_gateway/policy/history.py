"""The relationships as they stood at each revision, rebuilt from the changelog under any model.

Read forward only. With the candidate's risks laid over it, it is what would have stood there had the
registry said so then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mcp_gateway.authorization import Answers, EmbeddedRelationships, InContext, Memberships, Model
from mcp_gateway.model.decision import Check
from mcp_gateway.model.tool import Risk
from mcp_gateway.policy.candidate import EVERYONE, RISK_FACTS, Candidate
from mcp_gateway.policy.past import Past
from mcp_gateway.storage import Change
from mcp_gateway.storage.relationships import RelationshipTuple, tuple_of

_FACTS = frozenset(RISK_FACTS.values())


class History:
    """One model over one changelog; `at` never goes back."""

    def __init__(self, model: Model, changes: Sequence[Change], *, risks: Candidate | None = None) -> None:
        """`changes` in order, from the first on; with `risks` the facts about risk are the candidate's."""
        self._relationships = EmbeddedRelationships(model)
        self._relationships.replace((), revision=0)
        self._changes = changes
        self._risks = risks
        self._next = 0
        self._kept: dict[tuple[str, str, Memberships, tuple[Check, ...]], Answers] = {}
        self._kept_at = 0

    async def at(self, revision: int) -> EmbeddedRelationships:
        """As of `revision`, which must not be below an earlier one."""
        news: list[Change] = []
        while self._next < len(self._changes) and self._changes[self._next].revision <= revision:
            news += self._told(self._changes[self._next])
            self._next += 1
        if news:
            await self._relationships.follow(news)
        return self._relationships

    async def answer(self, past: Past, checks: tuple[Check, ...]) -> Answers:
        """What the relationships of the record's revision say; the same question is asked once per revision."""
        relationships = await self.at(past.revision)
        if relationships.revision != self._kept_at:
            self._kept, self._kept_at = {}, relationships.revision
        key = (past.user, past.agent, past.memberships, checks)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        in_context = InContext(past.user, past.agent, past.memberships)
        answers = await relationships.answer(checks, in_context=in_context, now=past.at)
        if answers.valid_until is None:
            self._kept[key] = answers
        return answers

    def _told(self, change: Change) -> Iterator[Change]:
        if change.kind not in {"tuple.written", "tuple.deleted"}:
            return
        if self._risks is None:
            yield change
            return
        row = tuple_of(change.payload)
        for told in with_risks([row], self._risks):
            payload = {"object": told.object, "relation": told.relation, "subject": told.subject}
            yield change if told == row else replace(change, payload={**payload, "condition": None})


def with_risks(rows: Iterable[RelationshipTuple], candidate: Candidate) -> Iterator[RelationshipTuple]:
    """`rows` with the facts about risk as the candidate's registry has them, for the servers it declares."""
    for row in rows:
        risk = _risk(row.object, candidate)
        if risk is None:
            yield row
        elif row.relation == "server":
            # Written with a tool and deleted with it, so the fact about its risk comes and goes along.
            yield row
            if risk in RISK_FACTS:
                yield RelationshipTuple(row.object, RISK_FACTS[risk], EVERYONE)
        elif row.relation not in _FACTS:
            yield row


def _risk(object_: str, candidate: Candidate) -> Risk | None:
    """What the candidate says of what a server offers; None for anything else, and for servers it does not declare."""
    meant = candidate.meant(object_)
    return None if meant is None else candidate.risk(*meant)
