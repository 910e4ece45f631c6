"""Check: does a subject have a relation on an object? OpenFGA's semantics over rows in memory. No I/O, no clock.

Each relation of the model becomes one function `step(query, object, depth)`. A query remembers
what it has found out, for all the questions of one subject. A no found inside a cycle is
remembered only where the cycle closes, because elsewhere the path decides.

Most subjects are users. For them there is a second set of functions that leaves out what only a
subject like `group:eng#member` needs, and remembers only what may be asked again.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcp_gateway.authorization.engine import parts
from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.membership import search
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.narrowing import narrowings, tracked
from mcp_gateway.authorization.engine.outcome import CYCLE, MAX_DEPTH, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import NOWHERE, Program, Query, Step
from mcp_gateway.authorization.engine.recursion import plain_recursions
from mcp_gateway.authorization.engine.references import asked_once, circular, leaning, plain_memberships, references
from mcp_gateway.authorization.language.analysis import only_written
from mcp_gateway.authorization.language.syntax import Computed, Direct, Exclusion, From, Rewrite, Union, parts_of

_ON_PATH = 3
"""Remembered as `_ON_PATH + position` while a relation is being looked at."""


def compile_program(model: Model) -> Program:
    steps = _Compiler(model, for_usersets=True).steps
    narrowing = narrowings(model)
    return Program(
        steps=steps,
        quick=_Compiler(model, for_usersets=False).steps,
        kinds=frozenset(steps).union(model.relations),
        narrowing=narrowing,
        tracked=tracked(model, narrowing),
        plain=plain_memberships(model, references(model)),
    )


class _Compiler:
    """Makes the functions of one model; they reach each other through `steps` where they turn in a circle."""

    def __init__(self, model: Model, *, for_usersets: bool) -> None:
        graph = references(model)
        self._model = model
        self._members = only_written(model.relations)
        self._turning = circular(graph)
        self._leaning = leaning(model, graph)
        self._once = frozenset[str]() if for_usersets else asked_once(model, graph)
        self._rings = frozenset[str]() if for_usersets else plain_recursions(model)
        self._for_usersets = for_usersets
        self._begun: set[str] = set()
        self.steps: dict[str, Step] = {}
        for kind in model.accepted:
            self._step(kind)

    def _step(self, kind: str) -> Step:
        if kind in self.steps:
            return self.steps[kind]
        if kind in self._begun:
            return _later(kind, self.steps)
        self._begun.add(kind)
        object_type, _, relation = kind.partition("#")
        rewrite = self._model.relations[object_type][relation].rewrite
        short = _short_cut_for_usersets if self._for_usersets else _short_cut
        if kind in self._members:
            self.steps[kind] = short(kind, _membership(kind, self._model.reach, self._rings))
        elif isinstance(rewrite, Direct):
            self.steps[kind] = short(kind, self._remembered(kind, parts.direct(kind, self.steps)))
        else:
            self.steps[kind] = self._remembered(kind, self._part(rewrite, kind))
        return self.steps[kind]

    def _remembered(self, kind: str, part: Step) -> Step:
        if kind in self._turning:
            return _relation(kind, self._model.reach[kind], part, NO if kind in self._rings else CYCLE)
        return part if kind in self._once else _straight(kind, self._model.reach[kind], part)

    def _part(self, rewrite: Rewrite, kind: str) -> Step:
        object_type = kind.partition("#")[0]
        if isinstance(rewrite, Direct):
            return parts.direct(kind, self.steps)
        if isinstance(rewrite, Computed):
            return self._step(f"{object_type}#{rewrite.relation}")
        if isinstance(rewrite, From):
            return self._from(rewrite, object_type)
        operands = tuple(self._part(part, kind) for part in parts_of(rewrite))
        if isinstance(rewrite, Union):
            return parts.union(operands)
        if isinstance(rewrite, Exclusion):
            return (parts.leaning_exclusion if kind in self._leaning else parts.exclusion)(*operands)
        return (parts.leaning_intersection if kind in self._leaning else parts.intersection)(operands)

    def _from(self, rewrite: From, object_type: str) -> Step:
        tupleset = self._model.relations[object_type][rewrite.tupleset]
        kinds = {f"{one.type}#{rewrite.relation}" for one in tupleset.restrictions}
        # Mostly a tupleset leads to one type; then there is nothing to read out of the parent's id.
        (only,) = kinds if len(kinds) == 1 else ("",)
        step = self._step(only) if only in self._model.accepted else None
        return parts.from_parents(rewrite, f"{object_type}#{rewrite.tupleset}", step, self.steps)


def _later(kind: str, steps: Mapping[str, Step]) -> Step:
    """A relation that is being made just now."""

    def step(query: Query, object_: str, depth: int) -> int:
        return steps[kind](query, object_, depth)

    return step


def _straight(kind: str, reach: frozenset[str], part: Step) -> Step:
    """A relation that cannot lead to itself: no cycle goes through it, so what it finds is always remembered."""
    name = kind.partition("#")[2]

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
        answer = query.memo[key] = part(query, object_, depth)
        return answer

    return step


def _relation(kind: str, reach: frozenset[str], part: Step, again: int) -> Step:
    """`again` is the answer where it leads back to itself."""
    name = kind.partition("#")[2]

    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        memo = query.memo
        known = memo.get(key)
        if known is not None:
            if known < _ON_PATH:
                return known
            if known < query.lowest:
                query.lowest = known
            return again
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
            answer = part(query, object_, depth)
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


def _membership(kind: str, every_reach: Mapping[str, frozenset[str]], rings: frozenset[str]) -> Step:
    """A relation that is only written, as far as it leads."""
    name, reach = kind.partition("#")[2], every_reach[kind]

    def step(query: Query, object_: str, depth: int) -> int:
        key = (object_, name)
        known = query.memo.get(key)
        if known is None:
            known = search(query, key, kind, depth, every_reach, rings) if query.kind in reach else NO
            query.memo[key] = known
        return known

    return step


def _short_cut(kind: str, otherwise: Step) -> Step:
    """Most questions end here, with a look at one row."""
    name = kind.partition("#")[2]

    def step(query: Query, object_: str, depth: int) -> int:
        row = query.overlay.get((object_, name)) if kind in query.overlaid else None
        if row is None:
            row = query.tables[kind].get(object_)
            if row is None:
                return NO
        direct = row.direct
        if query.subject in direct:
            rule = direct[query.subject]
            alone = query.wildcard not in direct
        elif query.wildcard in direct:
            rule, alone = direct[query.wildcard], True
        elif row.usersets:
            return otherwise(query, object_, depth)
        else:
            return NO
        if rule is None:
            return YES
        if alone and not row.usersets:
            return YES if rule.holds(query.at) else NO
        return otherwise(query, object_, depth)

    return step


def _short_cut_for_usersets(kind: str, otherwise: Step) -> Step:
    """The same for a subject that may be the very userset asked about."""
    quick, name = _short_cut(kind, otherwise), kind.partition("#")[2]

    def step(query: Query, object_: str, depth: int) -> int:
        return YES if (object_, name) == query.self_key else quick(query, object_, depth)

    return step
