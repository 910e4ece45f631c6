"""Shapes that make a relationship question expensive: many grants on one tool, many groups, rings and tangles."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from bench.asked import NOW, Cost, at_once, cost, typical
from mcp_gateway.authorization import EmbeddedRelationships, InContext
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import RelationshipTuple

USER, AGENT, TOOL, SERVER = "user:local/mira", "agent:local/docs", "tool:tickets/get", "server:tickets"
_ROUNDS, _TIMES = 5, 200


def shapes(model: Model) -> dict[str, Cost]:
    """Name -> what the whole rule costs."""
    return {name: _cost(model, rows) for name, rows in _shapes()}


def _shapes() -> Iterator[tuple[str, list[str]]]:
    for count in (500, 5_000):
        yield f"{count:,} grants on one tool, none mine", list(_grants(count, mine=False))
        yield f"{count:,} grants on one tool, one mine", list(_grants(count, mine=True))
    yield "5,000 grants of my agent, none for me", list(_grants(5_000, mine=False, agent=AGENT))
    yield "5,000 grants for everybody, none my agent's", list(_grants(5_000, mine=False, audience="user:*"))
    yield "tool open to 5,000 groups, none mine", list(_groups_of_tool(5_000, member=False))
    yield "tool open to 5,000 groups, one mine", list(_groups_of_tool(5_000, member=True))
    yield "user in 2,000 groups, tool open to another", list(_groups_of_user(2_000, open_to="other"))
    yield "user in 2,000 groups, tool open to one", list(_groups_of_user(2_000, open_to="g1999"))
    yield "groups nested 20 deep", list(_nested(20))
    yield "ring of 2,000 groups, user in none", list(_ring(2_000))
    yield "60 groups each in every other, user in none", list(_tangle(60))


def _base() -> Iterator[str]:
    yield f"user:* enabled {SERVER}"
    yield f"{SERVER} server {TOOL}"
    yield f"user:* enabled {TOOL}"
    yield f"{USER} delegator {AGENT}"


def _open(*, to: str) -> Iterator[str]:
    yield from _base()
    yield f"{AGENT}#acting_for direct_agent {TOOL}"
    yield f"{to} direct_caller {TOOL}"


def _grants(count: int, *, mine: bool, agent: str = "", audience: str = "") -> Iterator[str]:
    yield from _base()
    yield f"{USER} direct_caller {TOOL}"
    for number in range(count):
        whole = mine and number == count // 2
        yield f"{AGENT if whole else agent or f'agent:local/a{number % 50}'} agent grant:{number}"
        yield f"{USER if whole else audience or f'user:local/u{number}'} audience grant:{number}"
        yield f"user:* active grant:{number}"
        yield f"grant:{number}#effective direct_agent {TOOL}"


def _groups_of_tool(count: int, *, member: bool) -> Iterator[str]:
    yield from _open(to="group:g0#member")
    yield from (f"group:g{number}#member direct_caller {TOOL}" for number in range(1, count))
    yield from (f"user:local/u{number} member group:g{number}" for number in range(count))
    if member:
        yield f"{USER} member group:g{count // 2}"


def _groups_of_user(count: int, *, open_to: str) -> Iterator[str]:
    yield from _open(to=f"group:{open_to}#member")
    yield "group:deep#member member group:other"
    yield from (f"{USER} member group:g{number}" for number in range(count))


def _nested(depth: int) -> Iterator[str]:
    yield from _open(to="group:g0#member")
    yield from (f"group:g{number + 1}#member member group:g{number}" for number in range(depth))
    yield f"{USER} member group:g{depth}"


def _ring(count: int) -> Iterator[str]:
    yield from _open(to="group:g0#member")
    yield from (f"group:g{(number + 1) % count}#member member group:g{number}" for number in range(count))


def _tangle(count: int) -> Iterator[str]:
    yield from _open(to="group:g0#member")
    yield from (
        f"group:g{one}#member member group:g{two}" for one in range(count) for two in range(count) if one != two
    )


def _cost(model: Model, rows: Iterable[str]) -> Cost:
    relationships = EmbeddedRelationships(model)
    relationships.replace(map(_tuple, rows), revision=1)
    return typical([_round(relationships) for _ in range(_ROUNDS)])


def _round(relationships: EmbeddedRelationships) -> Cost:
    samples: list[int] = []
    for _ in range(_TIMES):
        relationships.index.back.closures.forget()
        begun = time.thread_time_ns()
        at_once(relationships.answer([Check(USER, "can_call", TOOL)], in_context=InContext(USER, AGENT), now=NOW))
        samples.append(time.thread_time_ns() - begun)
    return cost(samples)


def _tuple(text: str) -> RelationshipTuple:
    subject, relation, object_ = text.split(" ")
    return RelationshipTuple(object_, relation, subject)
