"""Check: does a subject have a relation on an object? OpenFGA's semantics over rows in memory. No I/O, no clock.

Each relation of the model becomes one function `step(query, object, depth)`. A query remembers
what it has found out, for all the questions of one subject. A no found inside a cycle is
remembered only where the cycle closes, because elsewhere the path decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.membership import is_member, search
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.narrowing import narrowing_relations, tracked_relations
from mcp_gateway.authorization.engine.outcome import CYCLE, MAX_DEPTH, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import NOWHERE, Program, Query, Step
from mcp_gateway.authorization.engine.tuples import Key, Row
from mcp_gateway.authorization.language.analysis import only_written
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    RelationDefinition,
    Rewrite,
    Union,
    parts_of,
)

_ON_PATH = 3
"""Remembered as `_ON_PATH + position` while a relation is being looked at."""

_Part: TypeAlias = Callable[[Query, str, Key, int], int]


def compile_program(model: Model) -> Program:
    # The functions reach each other through this very mapping.
    steps: dict[str, Step] = {}
    members = only_written(model.relations)
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            key = f"{object_type}#{name}"
            if key in members:
                steps[key] = _membership(name, model.reach[key], model.reach)
            elif isinstance(definition.rewrite, Direct):
                steps[key] = _assigned(name, model.reach[key], steps)
            else:
                steps[key] = _relation(
                    name, model.reach[key], _part(definition.rewrite, object_type, definitions, steps)
                )
    narrowing = narrowing_relations(model)
    return Program(
        steps=steps,
        kinds=frozenset(steps).union(model.relations),
        narrowing=narrowing,
        tracked=tracked_relations(model, narrowing.values()),
    )


def _relation(name: str, reach: frozenset[str], part: _Part) -> Step:
    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        memo = query.memo
        known = memo.get(key)
        if known is not None:
            if known < _ON_PATH:
                return known
            if known < query.lowest:
                query.lowest = known
            return CYCLE
        if key == query.self_key:
            return YES
        if query.kind not in reach:
            return NO
        if query.left <= 0 or depth == MAX_DEPTH:
            raise TooComplex()
        query.left -= 1
        mark = _ON_PATH + query.position
        outer, query.lowest = query.lowest, NOWHERE
        memo[key] = mark
        query.position += 1
        try:
            answer = part(query, object_, key, depth)
        except Undecidable:
            del memo[key]
            raise
        finally:
            query.position -= 1
            lowest = query.lowest
            closed = lowest >= mark
            if closed or outer < lowest:
                query.lowest = outer
        if closed:
            memo[key] = answer
        else:
            del memo[key]
        return answer

    return step


def _assigned(name: str, reach: frozenset[str], steps: Mapping[str, Step]) -> Step:
    """A relation that is only written, leading to others that are not."""
    return _short_cut(name, _relation(name, reach, _direct(steps)))


def _membership(name: str, reach: frozenset[str], every_reach: Mapping[str, frozenset[str]]) -> Step:
    """A relation that is only written, as far as it leads."""

    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        known = query.memo.get(key)
        if known is None:
            known = search(query, key, depth, every_reach) if query.kind in reach else NO
            query.memo[key] = known
        return known

    return _short_cut(name, step)


def _short_cut(name: str, otherwise: Step) -> Step:
    """Most questions end here, with a look at one row."""

    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        if key == query.self_key:
            return YES
        row = query.overlay.get(key) or query.rows.get(key)
        if row is None:
            return NO
        direct = row.direct
        if (query.subject in direct and direct[query.subject] is None) or (
            query.wildcard in direct and direct[query.wildcard] is None
        ):
            return YES
        return otherwise(query, object_, depth)

    return step


def _part(
    rewrite: Rewrite, object_type: str, siblings: Mapping[str, RelationDefinition], steps: Mapping[str, Step]
) -> _Part:
    if isinstance(rewrite, Direct):
        return _direct(steps)
    if isinstance(rewrite, Computed):
        return _computed(f"{object_type}#{rewrite.relation}", steps)
    if isinstance(rewrite, From):
        return _from(rewrite, {one.type for one in siblings[rewrite.tupleset].restrictions}, steps)
    parts = tuple(_part(part, object_type, siblings, steps) for part in parts_of(rewrite))
    if isinstance(rewrite, Union):
        return _union(parts)
    return _exclusion(*parts) if isinstance(rewrite, Exclusion) else _intersection(parts)


def _direct(steps: Mapping[str, Step]) -> _Part:
    def part(query: Query, _object: str, key: Key, depth: int) -> int:
        row = query.overlay.get(key) or query.rows.get(key)
        if row is None:
            return NO
        failure: Undecidable | None = None
        try:
            if is_member(query, row):
                return YES
        except Undecidable as exc:
            failure = exc
        return _hop(query, row, steps, depth, failure) if row.usersets else _none(NO, failure)

    return part


def _hop(query: Query, row: Row, steps: Mapping[str, Step], depth: int, failure: Undecidable | None) -> int:
    answer = NO
    for key, kind, rule in query.usersets(row):
        query.left -= 1
        try:
            if rule is not None and not rule.holds(query.at):
                continue
            found = steps[kind](query, key[0], depth + 1)
        except Undecidable as exc:
            failure = failure or exc
            continue
        if found == YES:
            return YES
        answer = found or answer
    return _none(answer, failure)


def _computed(key: str, steps: Mapping[str, Step]) -> _Part:
    def part(query: Query, object_: str, _key: Key, depth: int) -> int:
        return steps[key](query, object_, depth)

    return part


def _from(rewrite: From, types: set[str], steps: Mapping[str, Step]) -> _Part:
    tupleset, suffix = rewrite.tupleset, f"#{rewrite.relation}"
    # Mostly a tupleset leads to one type; then there is nothing to read out of the parent's id.
    only = min(types) + suffix if len(types) == 1 else ""

    def part(query: Query, object_: str, _key: Key, depth: int) -> int:
        key = (object_, tupleset)
        row = query.overlay.get(key) or query.rows.get(key)
        if row is None:
            return NO
        answer, failure = NO, None
        query.left -= len(row.direct)
        for parent, rule in row.direct.items():
            step = steps.get(only or parent.partition(":")[0] + suffix)
            try:
                if step is None or (rule is not None and not rule.holds(query.at)):
                    continue
                found = step(query, parent, depth + 1)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        return _none(answer, failure)

    return part


def _union(parts: tuple[_Part, ...]) -> _Part:
    def part(query: Query, object_: str, key: Key, depth: int) -> int:
        answer, failure = NO, None
        for one in parts:
            try:
                found = one(query, object_, key, depth)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        return _none(answer, failure)

    return part


def _intersection(parts: tuple[_Part, ...]) -> _Part:
    def part(query: Query, object_: str, key: Key, depth: int) -> int:
        failure: Undecidable | None = None
        for one in parts:
            try:
                if one(query, object_, key, depth) != YES:
                    return NO
            except Undecidable as exc:
                failure = failure or exc
        return _none(YES, failure)

    return part


def _exclusion(base: _Part, but_not: _Part) -> _Part:
    def part(query: Query, object_: str, key: Key, depth: int) -> int:
        failure: Undecidable | None = None
        try:
            if base(query, object_, key, depth) != YES:
                return NO
        except Undecidable as exc:
            failure = exc
        try:
            if but_not(query, object_, key, depth) != NO:
                return NO
        except Undecidable as exc:
            failure = failure or exc
        return _none(YES, failure)

    return part


def _none(answer: int, failure: Undecidable | None) -> int:
    """`answer`, unless something on the way stayed open."""
    if failure is not None:
        raise failure
    return answer
