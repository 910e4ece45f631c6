"""Check: does a subject have a relation on an object? OpenFGA's semantics over rows in memory. No I/O, no clock.

Each relation of the model becomes one function `step(query, visit, depth)`, made for one kind of
subject: what can never hold for a user is not even a question then. A visit remembers what has been
found out of its object, for all the questions of one query. A no found inside a cycle is remembered
only where the cycle closes, because elsewhere the path decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcp_gateway.authorization.engine import parts, written
from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.narrowing import narrowings, tracked
from mcp_gateway.authorization.engine.outcome import CYCLE, MAX_DEPTH, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import NOWHERE, Program, Query, Shape, Step, Visit
from mcp_gateway.authorization.engine.recursion import plain_recursions
from mcp_gateway.authorization.engine.references import (
    References,
    asked_once,
    circular,
    leaning,
    plain_memberships,
    references,
    shallow,
)
from mcp_gateway.authorization.engine.rows import places_of
from mcp_gateway.authorization.language.analysis import only_written
from mcp_gateway.authorization.language.syntax import Computed, Direct, Exclusion, From, Rewrite, Union, parts_of

_ON_PATH = 3
"""Remembered as `_ON_PATH + position` while a relation is being looked at."""


def compile_program(model: Model) -> Program:
    graph, narrowing = references(model), narrowings(model)

    def make(program: Program, kind: str) -> Mapping[str, Step]:
        return _Compiler(model, graph, program, kind).steps

    return Program(
        kinds=frozenset(model.accepted).union(model.relations),
        shapes=_shapes(model),
        narrowing=narrowing,
        tracked=tracked(model, narrowing),
        plain=plain_memberships(model, graph),
        make=make,
    )


def _shapes(model: Model) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for object_type, places in places_of(model).items():
        answers = {name: number for number, name in enumerate(model.relations[object_type], len(places) + 1)}
        rows = {name: place + 1 for name, place in places.items()}
        found[object_type] = Shape(object_type, rows, answers, (None,) * len(rows), (None,) * len(answers))
    return found


class _Compiler:
    """Makes the functions of one model; they reach each other through `steps` where they turn in a circle."""

    def __init__(self, model: Model, graph: References, program: Program, subject: str) -> None:
        for_usersets = "#" in subject
        self._model = model
        self._program = program
        self._subject = subject
        self._members = only_written(model.relations)
        self._turning = circular(graph)
        self._leaning = leaning(model, graph)
        self._shallow = shallow(graph)
        self._once = frozenset[str]() if for_usersets else asked_once(model, graph)
        self._rings = frozenset[str]() if for_usersets else plain_recursions(model)
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
        step = self._made(kind) if self._subject in self._model.reach[kind] else _never
        self.steps[kind] = _itself(kind, step) if kind == self._subject else step
        return self.steps[kind]

    def _made(self, kind: str) -> Step:
        object_type, _, relation = kind.partition("#")
        rewrite = self._model.relations[object_type][relation].rewrite
        if isinstance(rewrite, Direct):
            return self._written(kind)
        part = self._part(rewrite, kind)
        return part if kind in self._once else self._remembered(kind, part)

    def _written(self, kind: str) -> Step:
        """A relation that is nothing but tuples: mostly one look at a row tells."""
        row, otherwise = self._row(kind), self._hop(kind)
        if self._is_flag(kind):
            return written.flag(row)
        if kind in self._turning and kind not in self._members:
            return written.direct(row, written.asking(self._remembered(kind, written.direct(row, otherwise))))
        return written.direct(
            row, otherwise if kind in self._once else written.remembered(self._answer(kind), otherwise)
        )

    def _hop(self, kind: str) -> written.Hop:
        hop = written.tried(self._program.shapes, self.steps)
        if kind in self._members:
            hop = written.searched(kind, self._model.reach, self._rings)
        usersets = [one for one in self._model.accepted[kind] if "#" in one]
        return written.of_members(hop) if usersets and self._program.plain.issuperset(usersets) else hop

    def _remembered(self, kind: str, part: Step) -> Step:
        if kind in self._turning:
            return _relation(self._answer(kind), part, NO if kind in self._rings else CYCLE)
        return (_straight if kind in self._shallow else _deep)(self._answer(kind), part)

    def _part(self, rewrite: Rewrite, kind: str) -> Step:
        object_type = kind.partition("#")[0]
        if isinstance(rewrite, Direct):
            return written.direct(self._row(kind), self._hop(kind))
        if isinstance(rewrite, Computed):
            return self._step(f"{object_type}#{rewrite.relation}")
        if isinstance(rewrite, From):
            return self._from(rewrite, object_type)
        if isinstance(rewrite, Union):
            operands = [self._part(part, kind) for part in rewrite.parts]
            return parts.union(tuple(one for one in operands if one is not _never))
        if isinstance(rewrite, Exclusion):
            operands = [self._part(part, kind) for part in parts_of(rewrite)]
            return (parts.leaning_exclusion if kind in self._leaning else parts.exclusion)(*operands)
        if kind in self._leaning:
            return parts.leaning_intersection(tuple(self._part(part, kind) for part in rewrite.parts))
        return self._intersection(rewrite.parts, kind)

    def _intersection(self, operands: Sequence[Rewrite], kind: str) -> Step:
        """Flags first: they cost next to nothing, and a no of any operand is the whole answer."""
        object_type = kind.partition("#")[0]
        flags = [
            part for part in operands if isinstance(part, Computed) and self._is_flag(f"{object_type}#{part.relation}")
        ]
        others = tuple(self._part(part, kind) for part in operands if part not in flags)
        step = others[0] if len(others) == 1 else parts.intersection(others)
        for flag in reversed(flags):
            step = written.flagged(self._row(f"{object_type}#{flag.relation}"), step)
        return step

    def _from(self, rewrite: From, object_type: str) -> Step:
        tupleset = self._model.relations[object_type][rewrite.tupleset]
        types = {one.type for one in tupleset.restrictions}
        row, shapes = self._row(f"{object_type}#{rewrite.tupleset}"), self._program.shapes
        # Mostly a tupleset leads to one type; then there is nothing to read out of the parent's id.
        (only,) = types if len(types) == 1 else ("",)
        kind = f"{only}#{rewrite.relation}"
        if kind in self._model.accepted:
            return parts.from_parent(row, shapes[only], self._step(kind))
        return parts.from_parents(row, rewrite.relation, shapes, self.steps)

    def _is_flag(self, kind: str) -> bool:
        """Written for everybody or for nobody."""
        return self._model.accepted[kind] == {f"{self._subject}:*": frozenset({""})}

    def _row(self, kind: str) -> int:
        object_type, _, relation = kind.partition("#")
        return self._program.shapes[object_type].rows[relation]

    def _answer(self, kind: str) -> int:
        object_type, _, relation = kind.partition("#")
        return self._program.shapes[object_type].answers[relation]


def _never(_query: Query, _visit: Visit, _depth: int) -> int:
    """There is no path from this kind of subject."""
    return NO


def _later(kind: str, steps: Mapping[str, Step]) -> Step:
    """A relation that is being made just now."""

    def step(query: Query, visit: Visit, depth: int) -> int:
        return steps[kind](query, visit, depth)

    return step


def _itself(kind: str, otherwise: Step) -> Step:
    """A subject like `group:eng#member` is what it says, whatever is written."""

    def step(query: Query, visit: Visit, depth: int) -> int:
        return YES if (visit[0], kind.partition("#")[2]) == query.self_key else otherwise(query, visit, depth)

    return step


def _straight(answer: int, part: Step) -> Step:
    """A relation that cannot lead to itself: no cycle goes through it, so what it finds is always remembered."""

    def step(query: Query, visit: Visit, depth: int) -> int:
        known = visit[answer]
        if known is None:
            known = visit[answer] = part(query, visit, depth)
        return known

    return step


def _deep(answer: int, part: Step) -> Step:
    """The same where a ring, or a long way, may lead to it."""

    def step(query: Query, visit: Visit, depth: int) -> int:
        known = visit[answer]
        if known is None:
            if query.left <= 0 or depth == MAX_DEPTH:
                raise TooComplex()
            query.left -= 1
            known = visit[answer] = part(query, visit, depth)
        return known

    return step


def _relation(answer: int, part: Step, again: int) -> Step:
    """`again` is the answer where it leads back to itself."""

    def step(query: Query, visit: Visit, depth: int) -> int:
        known = visit[answer]
        if known is not None:
            if known < _ON_PATH:
                return known
            if known < query.lowest:
                query.lowest = known
            return again
        if query.left <= 0 or depth == MAX_DEPTH:
            raise TooComplex()
        query.left -= 1
        mark = _ON_PATH + query.position
        outer, query.lowest = query.lowest, NOWHERE
        visit[answer] = mark
        query.position += 1
        try:
            found = part(query, visit, depth)
        except Undecidable:
            visit[answer] = None
            raise
        finally:
            query.position -= 1
            lowest = query.lowest
            closed = lowest >= mark
            if closed or outer < lowest:
                query.lowest = outer
        visit[answer] = found if closed else None
        return found

    return step
