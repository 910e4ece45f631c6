"""The pieces a relation's function is made of: other relations, and / or / but not. What is written is in `written`.

Each is `step(query, visit, depth)` and keeps OpenFGA's rules: a true branch hides what is
undecided beside it, a false one hides it in an intersection, and elsewhere it is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.outcome import CYCLE, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import Query, Shape, Step, Visit
from mcp_gateway.authorization.engine.rows import Row


def from_parent(row: int, shape: Shape, step: Step) -> Step:
    """`relation from tupleset` where the tupleset, in place `row`, leads to one type that has the relation."""
    several = _several({shape.object_type: (shape, step)}.get)

    def part(query: Query, visit: Visit, depth: int) -> int:
        parents = visit[row]
        if parents is None:
            return NO
        only = parents.only
        if only:
            return step(query, query.visits.get(only) or query.visit(shape, only), depth + 1)
        return several(query, parents, depth)

    return part


def from_parents(row: int, relation: str, shapes: Mapping[str, Shape], steps: Mapping[str, Step]) -> Step:
    """The same where it leads to several types, not all of which need have the relation."""

    def leads(object_type: str) -> tuple[Shape, Step] | None:
        step = steps.get(f"{object_type}#{relation}")
        return None if step is None else (shapes[object_type], step)

    several = _several(leads)

    def part(query: Query, visit: Visit, depth: int) -> int:
        return NO if visit[row] is None else several(query, visit[row], depth)

    return part


def _several(leads: Callable[[str], tuple[Shape, Step] | None]) -> Callable[[Query, Row, int], int]:
    def several(query: Query, row: Row, depth: int) -> int:
        parents = row.direct
        query.left -= len(parents)
        if query.left <= 0:
            raise TooComplex()
        answer, failure = NO, None
        for parent, rule in parents.items():
            way = leads(parent.partition(":")[0])
            try:
                if way is None or (rule is not None and not rule.holds(query.at)):
                    continue
                shape, step = way
                found = step(query, query.visits.get(parent) or query.visit(shape, parent), depth + 1)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        if failure is not None:
            raise failure
        return answer

    return several


def union(parts: tuple[Step, ...]) -> Step:
    return _either(*parts) if len(parts) == 2 else _any(parts)


def _either(one: Step, other: Step) -> Step:
    """Most unions; without a loop."""

    def part(query: Query, visit: Visit, depth: int) -> int:
        answer, failure = NO, None
        try:
            answer = one(query, visit, depth)
            if answer == YES:
                return YES
        except Undecidable as exc:
            failure = exc
        try:
            found = other(query, visit, depth)
        except Undecidable as exc:
            raise failure or exc from None
        if found != YES and failure is not None:
            raise failure
        return found or answer

    return part


def _any(parts: tuple[Step, ...]) -> Step:
    def part(query: Query, visit: Visit, depth: int) -> int:
        answer, failure = NO, None
        for one in parts:
            try:
                found = one(query, visit, depth)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        if failure is not None:
            raise failure
        return answer

    return part


def intersection(parts: tuple[Step, ...]) -> Step:
    def part(query: Query, visit: Visit, depth: int) -> int:
        failure: Undecidable | None = None
        for one in parts:
            try:
                found = one(query, visit, depth)
                if found != YES:
                    return found
            except Undecidable as exc:
                failure = failure or exc
        if failure is not None:
            raise failure
        return YES

    return part


def leaning_intersection(parts: tuple[Step, ...]) -> Step:
    """Where a CYCLE would deny: it is one when any part is, however plain the no of another."""

    def part(query: Query, visit: Visit, depth: int) -> int:
        answer, failure = YES, None
        for one in parts:
            try:
                found = one(query, visit, depth)
                if found == CYCLE or answer == YES:
                    answer = found
            except Undecidable as exc:
                failure = failure or exc
        if failure is not None and answer == YES:
            raise failure
        return answer

    return part


def exclusion(base: Step, but_not: Step) -> Step:
    def part(query: Query, visit: Visit, depth: int) -> int:
        failure: Undecidable | None = None
        try:
            if base(query, visit, depth) != YES:
                return NO
        except Undecidable as exc:
            failure = exc
        try:
            if but_not(query, visit, depth) != NO:
                return NO
        except Undecidable as exc:
            failure = failure or exc
        if failure is not None:
            raise failure
        return YES

    return part


def leaning_exclusion(base: Step, but_not: Step) -> Step:
    """Where either side can lean on itself: then nobody knows, so nobody remains."""

    def part(query: Query, visit: Visit, depth: int) -> int:
        found, taken, failure = YES, NO, None
        try:
            found = base(query, visit, depth)
        except Undecidable as exc:
            failure = exc
        try:
            taken = but_not(query, visit, depth)
        except Undecidable as exc:
            failure = failure or exc
        if CYCLE in (found, taken):
            query.leaned = True
            return CYCLE
        if found == NO or taken == YES:
            return NO
        if failure is not None:
            raise failure
        return YES

    return part
