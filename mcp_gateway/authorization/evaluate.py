"""Check: does a subject have a relation on an object? OpenFGA's semantics over rows in memory. No I/O, no clock.

Each relation of the model becomes one function `step(query, object, depth)`. A query remembers
what it has found out, for all the questions of one subject. Three answers: NO, YES, and CYCLE, a
no that leaned on itself: inside `but not` it denies on either side. A no found inside a cycle is
remembered only where the cycle closes, because elsewhere the path decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.model import Model, subject_kind
from mcp_gateway.authorization.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    Rewrite,
    Union,
    parts_of,
)
from mcp_gateway.authorization.tuples import Key, Row

NO, YES, CYCLE = 0, 1, 2
_ON_PATH = 3
"""Remembered as `_ON_PATH + position` while a relation is being looked at."""

_MAX_DEPTH = 25
"""Hops from object to object, as OpenFGA's default."""

_MAX_STEPS = 100_000
"""Relations looked at for one question, about a tenth of a second: tangled groups could ask for far more."""

_NOWHERE = 1 << 60

Step: TypeAlias = Callable[["Query", str, int], int]
_Part: TypeAlias = Callable[["Query", str, Key, int], int]


class Program(NamedTuple):
    """A model ready to run."""

    steps: Mapping[str, Step]
    """`type#relation` -> its function."""
    kinds: frozenset[str]
    """Every kind of subject the model knows."""


class Query:
    """All questions of one subject at one moment. Not shared between subjects or revisions."""

    __slots__ = (
        "_steps",
        "at",
        "kind",
        "left",
        "lowest",
        "memo",
        "overlay",
        "position",
        "rows",
        "self_key",
        "subject",
        "wildcard",
    )

    def __init__(
        self,
        program: Program,
        rows: Mapping[Key, Row],
        subject: str,
        at: Circumstances,
        overlay: Mapping[Key, Row],
    ) -> None:
        kind = subject_kind(subject)
        if kind is None or kind.removesuffix(":*") not in program.kinds:
            raise Undecidable(f"`{subject}` is no subject of this model")
        object_, hash_, relation = subject.partition("#")
        self._steps = program.steps
        self.rows = rows
        self.overlay = overlay
        self.subject = subject
        self.kind = kind.removesuffix(":*")
        self.wildcard = "" if hash_ else f"{kind}:*"
        self.self_key = (object_, relation) if hash_ else None
        self.at = at
        self.memo: dict[Key, int] = {}
        self.position = 0
        self.lowest = _NOWHERE
        self.left = _MAX_STEPS

    def holds(self, relation: str, object_: str) -> bool:
        """Undecidable when it cannot be said."""
        step = self._steps.get(f"{object_.partition(':')[0]}#{relation}")
        if step is None:
            raise Undecidable(f"the model has no relation `{relation}` for `{object_}`")
        self.left = _MAX_STEPS
        return step(self, object_, 0) == YES


def compile_program(model: Model) -> Program:
    # The functions reach each other through this very mapping.
    steps: dict[str, Step] = {}
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            key = f"{object_type}#{name}"
            steps[key] = _relation(name, model.reach[key], _part(definition.rewrite, object_type, steps))
    return Program(steps, frozenset(steps).union(model.relations))


def _relation(name: str, reach: frozenset[str], part: _Part) -> Step:
    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        memo = query.memo
        known = memo.get(key)
        if known is not None:
            if known < _ON_PATH:
                return known
            query.lowest = min(query.lowest, known)
            return CYCLE
        if key == query.self_key:
            return YES
        if query.kind not in reach:
            return NO
        if query.left == 0 or depth == _MAX_DEPTH:
            raise Undecidable("the question is too complex")
        query.left -= 1
        mark = _ON_PATH + query.position
        outer, query.lowest = query.lowest, _NOWHERE
        memo[key] = mark
        query.position += 1
        try:
            answer = part(query, object_, key, depth)
        except Undecidable:
            del memo[key]
            raise
        finally:
            query.position -= 1
            closed = query.lowest >= mark
            query.lowest = outer if closed else min(outer, query.lowest)
        if closed:
            memo[key] = answer
        else:
            del memo[key]
        return answer

    return step


def _part(rewrite: Rewrite, object_type: str, steps: Mapping[str, Step]) -> _Part:
    if isinstance(rewrite, Direct):
        return _direct(steps)
    if isinstance(rewrite, Computed):
        return _computed(f"{object_type}#{rewrite.relation}", steps)
    if isinstance(rewrite, From):
        return _from(rewrite, steps)
    parts = tuple(_part(part, object_type, steps) for part in parts_of(rewrite))
    if isinstance(rewrite, Union):
        return _union(parts)
    return _exclusion(*parts) if isinstance(rewrite, Exclusion) else _intersection(parts)


def _direct(steps: Mapping[str, Step]) -> _Part:
    def part(query: Query, object_: str, key: Key, depth: int) -> int:
        row = query.overlay.get(key) or query.rows.get(key)
        if row is None:
            return NO
        failure: Undecidable | None = None
        direct = row.direct
        for subject in (query.subject, query.wildcard):
            if subject in direct:
                rule = direct[subject]
                try:
                    if rule is None or rule.holds(query.at):
                        return YES
                except Undecidable as exc:
                    failure = exc
        return _hop(query, row, steps, depth, failure) if row.usersets else _none(NO, failure)

    return part


def _hop(query: Query, row: Row, steps: Mapping[str, Step], depth: int, failure: Undecidable | None) -> int:
    answer = NO
    for object_, kind, rule in row.usersets.values():
        try:
            if rule is not None and not rule.holds(query.at):
                continue
            found = steps[kind](query, object_, depth + 1)
        except Undecidable as exc:
            failure = failure or exc
            continue
        if found == YES:
            return YES
        answer = max(answer, found)
    return _none(answer, failure)


def _computed(key: str, steps: Mapping[str, Step]) -> _Part:
    def part(query: Query, object_: str, _key: Key, depth: int) -> int:
        return steps[key](query, object_, depth)

    return part


def _from(rewrite: From, steps: Mapping[str, Step]) -> _Part:
    tupleset, suffix = rewrite.tupleset, f"#{rewrite.relation}"

    def part(query: Query, object_: str, _key: Key, depth: int) -> int:
        key = (object_, tupleset)
        row = query.overlay.get(key) or query.rows.get(key)
        if row is None:
            return NO
        answer, failure = NO, None
        for parent, rule in row.direct.items():
            step = steps.get(parent.partition(":")[0] + suffix)
            try:
                if step is None or (rule is not None and not rule.holds(query.at)):
                    continue
                found = step(query, parent, depth + 1)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = max(answer, found)
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
            answer = max(answer, found)
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
