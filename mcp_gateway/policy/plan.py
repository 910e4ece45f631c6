"""What a changed policy would do to the lists: for whom what would come, go, or mean something else. Reads only.

Prompts, resources and templates are looked at with the tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcp_gateway.audit import Record
from mcp_gateway.authorization import Access, Authorization, EmbeddedRelationships, InContext, Memberships, Model
from mcp_gateway.catalog.catalog import tool_of
from mcp_gateway.model.decision import Check
from mcp_gateway.model.ids import AgentId, ToolId, UserId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.history import with_risks
from mcp_gateway.storage import Database
from mcp_gateway.storage.catalog import ToolRow
from mcp_gateway.storage.relationships import RelationshipTuple, all_tuples

_EVERY_SCOPE = frozenset({"mcp:read", "mcp:write"})
_MAX_PAIRS = 50_000
"""Users times agents looked at for stored delegations: about a second."""


@dataclass(frozen=True, slots=True, order=True)
class Seat:
    """A principal as lists see it."""

    user: str
    agent: str
    memberships: Memberships = ()


@dataclass(frozen=True, slots=True)
class Shift:
    """One thing that would be something else to one principal."""

    seat: Seat
    tool: ToolId
    before: Access
    after: Access
    missing: tuple[str, ...]
    """Why it would not be listed any more."""

    def __str__(self) -> str:
        why = f" ({', '.join(self.missing)})" if self.missing else ""
        return f"{self.seat.user} through {self.seat.agent}: {self.tool}: {self.before} -> {self.after}{why}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "user": self.seat.user,
            "agent": self.seat.agent,
            "tool": self.tool,
            "before": self.before,
            "after": self.after,
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    seats: int
    """Principals looked at."""
    cut: str
    """Why there may be more principals; empty when there are not."""
    tools: int
    """Known under either policy."""
    undiscovered: tuple[str, ...]
    """Servers the new registry declares and whose tools nobody knows yet."""
    shifts: tuple[Shift, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "principals": self.seats,
            "cut": self.cut,
            "tools": self.tools,
            "undiscovered": list(self.undiscovered),
            "gained": sum(_is_listed(one.after) and not _is_listed(one.before) for one in self.shifts),
            "lost": sum(_is_listed(one.before) and not _is_listed(one.after) for one in self.shifts),
            "changes": [one.as_dict() for one in self.shifts],
        }


class _As(EmbeddedRelationships):
    """The stored relationships as they would stand under a candidate."""

    def __init__(self, candidate: Candidate) -> None:
        super().__init__(candidate.model)
        self._candidate = candidate

    async def load(self, database: Database) -> None:
        revision, rows = await all_tuples(database)
        self.replace(with_risks(rows, self._candidate), revision=revision)


async def plan(
    database: Database, rows: Sequence[ToolRow], seats: Sequence[Seat], *, now: Candidate, then: Candidate, at: float
) -> Plan:
    """`then` is in force, `now` is looked at; `rows` are everything that was discovered."""
    shifts: list[Shift] = []
    before, after = await _decides(then, database), await _decides(now, database)
    tools_before, tools_after = _tools(rows, then), _tools(rows, now)
    for seat in seats:
        shifts += await _shifts(seat, before, after, tools_before, tools_after, at)
    undiscovered = now.upstreams.keys() - {row.server for row in rows}
    known = {tool.id for tool in (*tools_before, *tools_after)}
    return Plan(len(seats), "", len(known), tuple(sorted(undiscovered)), tuple(shifts))


async def seats_of(
    records: Iterable[Record], rows: Sequence[RelationshipTuple], model: Model, *, at: float, limit: int
) -> tuple[list[Seat], str]:
    """Who was seen calling or listing, and who lets which agent act; at most `limit`, and why there may be more."""
    found = dict.fromkeys(_seen(records))
    stored, cut = await _delegated(rows, model, at)
    found |= dict.fromkeys(seat for seat in stored if seat not in found)
    if len(found) > limit:
        cut = f"only {limit} of {len(found)} principals were looked at; --limit takes more"
    return sorted(found)[:limit], cut


def _seen(records: Iterable[Record]) -> Iterable[Seat]:
    for record in records:
        if record.get("kind") in {"intent", "decision", "list"} and "user" in record and "agent" in record:
            belongs = tuple((str(relation), str(object_)) for relation, object_ in record.get("memberships", ()))
            yield Seat(str(record["user"]), str(record["agent"]), belongs)


async def _delegated(rows: Sequence[RelationshipTuple], model: Model, at: float) -> tuple[list[Seat], str]:
    users = sorted({row.subject for row in rows if row.subject.startswith("user:") and row.subject != "user:*"})
    agents = sorted({row.object for row in rows if row.object.startswith("agent:")})
    relationships = EmbeddedRelationships(model)
    relationships.replace(rows, revision=1)
    found: list[Seat] = []
    pairs = [(user, agent) for agent in agents for user in users]
    for user, agent in pairs[:_MAX_PAIRS]:
        check = Check(user, "acting_for", agent)
        answers = await relationships.answer((check,), in_context=InContext(user, agent), now=at)
        if answers.answers.get(check):
            found.append(Seat(user, agent))
    cut = f"only {_MAX_PAIRS} of {len(pairs)} pairs of a user and an agent were looked at"
    return found, cut if len(pairs) > _MAX_PAIRS else ""


async def _decides(candidate: Candidate, database: Database) -> Authorization:
    made = Authorization(_As(candidate), book=candidate.book)
    await made.load(database)
    return made


def _tools(rows: Sequence[ToolRow], candidate: Candidate) -> list[Tool]:
    """What was discovered, as the candidate's registry would have it after the next look at the servers."""
    found: list[Tool] = []
    for row in rows:
        risk = candidate.risk(row.server, row.name, row.kind)
        if risk is not None:
            found.append(tool_of(replace(row, risk=risk), candidate.upstreams[row.server]))
    return found


async def _shifts(
    seat: Seat,
    before: Authorization,
    after: Authorization,
    tools_before: Sequence[Tool],
    tools_after: Sequence[Tool],
    at: float,
) -> list[Shift]:
    principal = Principal(UserId(seat.user), AgentId(seat.agent), _EVERY_SCOPE, "", "", 0, memberships=seat.memberships)
    was = await before.accessible(principal, tools_before, now=at)
    becomes = await after.accessible(principal, tools_after, now=at)
    tools = {tool.id: tool for tool in tools_after}
    found: list[Shift] = []
    for identifier in sorted(was.keys() | becomes.keys()):
        one, other = was.get(identifier, Access.HIDDEN), becomes.get(identifier, Access.HIDDEN)
        if one is other:
            continue
        tool = tools.get(identifier)
        missing = ("tool.unknown",) if tool is None else await after.missing(principal, tool, now=at)
        found.append(Shift(seat, identifier, one, other, missing))
    return found


def _is_listed(access: Access) -> bool:
    return access in (Access.CALLABLE, Access.DEPENDS)
