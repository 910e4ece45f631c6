"""What is written for a relation itself: the subjects in its row, and the usersets there that lead on.

A `hop` asks the usersets. Which one a relation has follows from what may be written for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.membership import is_member, search
from mcp_gateway.authorization.engine.outcome import MAX_DEPTH, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import Query, Shape, Step, Visit
from mcp_gateway.authorization.engine.rows import Row

Hop: TypeAlias = Callable[[Query, Visit, Row, int, Undecidable | None], int]
"""(query, visit, its row, depth, what could not be decided of the row's own subjects) -> an outcome."""


def flag(row: int) -> Step:
    """Written for everybody or not at all; `row` is its place."""

    def step(_query: Query, visit: Visit, _depth: int) -> int:
        return NO if visit[row] is None else YES

    return step


def flagged(row: int, otherwise: Step) -> Step:
    """An intersection with a flag."""

    def part(query: Query, visit: Visit, depth: int) -> int:
        return NO if visit[row] is None else otherwise(query, visit, depth)

    return part


def direct(place: int, hop: Hop) -> Step:
    """Most questions end here, with a look at one row."""

    def step(query: Query, visit: Visit, depth: int) -> int:
        row = visit[place]
        if row is None:
            return NO
        subjects, failure = row.direct, None
        if subjects and (query.subject in subjects or query.wildcard in subjects):
            try:
                if is_member(query, row):
                    return YES
            except Undecidable as exc:
                failure = exc
        if row.usersets:
            return hop(query, visit, row, depth, failure)
        if failure is not None:
            raise failure
        return NO

    return step


def asking(step: Step) -> Hop:
    """Start with the row anew: `step` keeps track of rings."""

    def hop(query: Query, visit: Visit, _row: Row, depth: int, _failure: Undecidable | None) -> int:
        return step(query, visit, depth)

    return hop


def remembered(answer: int, otherwise: Hop) -> Hop:
    def hop(query: Query, visit: Visit, row: Row, depth: int, failure: Undecidable | None) -> int:
        known = visit[answer]
        if known is None:
            known = visit[answer] = otherwise(query, visit, row, depth, failure)
        return known

    return hop


def searched(kind: str, reach: Mapping[str, frozenset[str]], rings: frozenset[str]) -> Hop:
    """A relation that leads only to what is only written."""
    name = kind.partition("#")[2]

    def hop(query: Query, visit: Visit, _row: Row, depth: int, _failure: Undecidable | None) -> int:
        return search(query, (visit[0], name), kind, depth, reach, rings)

    return hop


def of_members(otherwise: Hop) -> Hop:
    """All usersets are memberships of which the way back tells who is not in them, and mostly who is."""

    def hop(query: Query, visit: Visit, row: Row, depth: int, failure: Undecidable | None) -> int:
        closure = query.closed or query.closure()
        if closure is None or failure is not None or not query.plain:
            return otherwise(query, visit, row, depth, failure)
        usersets, possible, answer = row.usersets, closure.possible, NO
        for name in usersets if len(usersets) <= len(possible) else possible:
            if name in possible and name in usersets:
                if usersets[name].condition is None and closure.sure(name, MAX_DEPTH - depth - 1):
                    return YES
                answer = None
        return otherwise(query, visit, row, depth, failure) if answer is None else NO

    return hop


def tried(shapes: Mapping[str, Shape], steps: Mapping[str, Step]) -> Hop:
    """One after another, those that can count at all."""
    kinds = {f"{object_type}#{relation}": shape for object_type, shape in shapes.items() for relation in shape.answers}

    def hop(query: Query, _visit: Visit, row: Row, depth: int, failure: Undecidable | None) -> int:
        answer, plain, visits = NO, query.plain, query.visits
        for (object_, _), kind, rule, name in query.usersets(row):
            if query.left <= 0:
                raise TooComplex()
            query.left -= 1
            try:
                if rule is not None and not rule.holds(query.at):
                    continue
                found = query.known(name, depth + 1) if kind in plain else None
                if found is None:
                    visit = visits.get(object_) or query.visit(kinds[kind], object_)
                    found = steps[kind](query, visit, depth + 1)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        if failure is not None:
            raise failure
        return answer

    return hop
