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
from mcp_gateway.authorization.engine.narrowing import narrowings, tracked
from mcp_gateway.authorization.engine.outcome import CYCLE, MAX_DEPTH, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import NOWHERE, Program, Query, Step
from mcp_gateway.authorization.engine.references import circular, plain_memberships, references
from mcp_gateway.authorization.engine.rows import Key, Row
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
    graph = references(model)
    turning = circular(graph)
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            key = f"{object_type}#{name}"
            if key in members:
                steps[key] = _short_cut(name, key, _membership(key, model.reach))
            elif isinstance(definition.rewrite, Direct):
                part = _direct(key, steps)
                steps[key] = _short_cut(name, key, (_relation if key in turning else _straight)(key, model.reach, part))
            else:
                part = _part(definition.rewrite, key, definitions, steps)
                steps[key] = (_relation if key in turning else _straight)(key, model.reach, part)
    narrowing = narrowings(model)
    return Program(
        steps=steps,
        kinds=frozenset(steps).union(model.relations),
        narrowing=narrowing,
        tracked=tracked(model, narrowing.values()),
        plain=plain_memberships(model, graph),
    )


def _straight(kind: str, every_reach: Mapping[str, frozenset[str]], part: _Part) -> Step:
    """A relation that cannot lead to itself: no cycle goes through it, so what it finds is always remembered."""
    name, reach = kind.partition("#")[2], every_reach[kind]

    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        known = query.memo.get(key)
        if known is not None:
            return known
        if key == query.self_key:
            return YES
        if query.kind not in reach:
            return NO
        if query.left <= 0 or depth == MAX_DEPTH:
            raise TooComplex()
        query.left -= 1
        answer = query.memo[key] = part(query, object_, key, depth)
        return answer

    return step


def _relation(kind: str, every_reach: Mapping[str, frozenset[str]], part: _Part) -> Step:
    name, reach = kind.partition("#")[2], every_reach[kind]

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


def _membership(kind: str, every_reach: Mapping[str, frozenset[str]]) -> Step:
    """A relation that is only written, as far as it leads."""
    name, reach = kind.partition("#")[2], every_reach[kind]

    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        known = query.memo.get(key)
        if known is None:
            known = search(query, key, kind, depth, every_reach) if query.kind in reach else NO
            query.memo[key] = known
        return known

    return step


def _short_cut(name: str, kind: str, otherwise: Step) -> Step:
    """Most questions end here, with a look at one row."""

    def step(query: Query, object_: str, depth: int) -> int:
        row = query.overlay.get((object_, name)) if kind in query.overlaid else None
        if row is None:
            row = query.tables[kind].get(object_)
            if row is None:
                return YES if (object_, name) == query.self_key else NO
        direct = row.direct
        if query.subject in direct:
            if direct[query.subject] is None:
                return YES
        elif query.wildcard not in direct:
            if not row.usersets and query.self_key is None:
                return NO
        elif direct[query.wildcard] is None:
            return YES
        if (object_, name) == query.self_key:
            return YES
        return otherwise(query, object_, depth)

    return step


def _part(rewrite: Rewrite, kind: str, siblings: Mapping[str, RelationDefinition], steps: Mapping[str, Step]) -> _Part:
    object_type = kind.partition("#")[0]
    if isinstance(rewrite, Direct):
        return _direct(kind, steps)
    if isinstance(rewrite, Computed):
        return _computed(f"{object_type}#{rewrite.relation}", steps)
    if isinstance(rewrite, From):
        types = {one.type for one in siblings[rewrite.tupleset].restrictions}
        return _from(rewrite, f"{object_type}#{rewrite.tupleset}", types, steps)
    parts = tuple(_part(part, kind, siblings, steps) for part in parts_of(rewrite))
    if isinstance(rewrite, Union):
        return _union(parts)
    return _exclusion(*parts) if isinstance(rewrite, Exclusion) else _intersection(parts)


def _direct(kind: str, steps: Mapping[str, Step]) -> _Part:
    def part(query: Query, object_: str, key: Key, depth: int) -> int:
        row = query.overlay.get(key) if kind in query.overlaid else None
        if row is None:
            row = query.tables[kind].get(object_)
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


def _from(rewrite: From, kind: str, types: set[str], steps: Mapping[str, Step]) -> _Part:
    tupleset, suffix = rewrite.tupleset, f"#{rewrite.relation}"
    # Mostly a tupleset leads to one type; then there is nothing to read out of the parent's id.
    only = min(types) + suffix if len(types) == 1 else ""

    def part(query: Query, object_: str, _key: Key, depth: int) -> int:
        row = query.overlay.get((object_, tupleset)) if kind in query.overlaid else None
        if row is None:
            row = query.tables[kind].get(object_)
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
