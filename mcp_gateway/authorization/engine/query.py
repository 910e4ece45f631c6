"""One subject's questions at one moment, and what has been found out so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.closures import Closure
from mcp_gateway.authorization.engine.conditions import CLOCK, Circumstances, Undecidable
from mcp_gateway.authorization.engine.model import subject_kind
from mcp_gateway.authorization.engine.narrowing import Narrowing
from mcp_gateway.authorization.engine.outcome import MAX_DEPTH, MAX_STEPS, NO, YES
from mcp_gateway.authorization.engine.overlay import Overlay
from mcp_gateway.authorization.engine.rows import EMPTY, Key, Record, Row, Userset
from mcp_gateway.authorization.engine.tuples import TupleIndex
from mcp_gateway.authorization.engine.wayback import Tracked

NOWHERE = 1 << 60
"""Of `Query.lowest`: no cycle was met."""

Visit: TypeAlias = list[Any]
"""One object as one query sees it: its name, its rows, then what has been found out of each of its relations."""

Step: TypeAlias = Callable[["Query", Visit, int], int]
"""(query, visit of the object, depth) -> an outcome; one per relation of the model."""

_NONE: frozenset[str] = frozenset()


class Shape(NamedTuple):
    """What a visit of one type is made of."""

    object_type: str
    rows: Mapping[str, int]
    """Relation -> where its row stands in a visit."""
    answers: Mapping[str, int]
    """Relation -> where its answer stands."""
    nothing: Record
    """The record of an object of which nothing is written."""
    open: tuple[None, ...]
    """No answer yet."""


@dataclass(frozen=True, slots=True)
class Program:
    """A model ready to run."""

    kinds: frozenset[str]
    """Every kind of subject the model knows."""
    shapes: Mapping[str, Shape]
    """By type."""
    narrowing: Mapping[str, Narrowing]
    tracked: Tracked
    """Relations the index keeps the way back for."""
    plain: frozenset[str]
    """Memberships where no way back means no."""
    make: Callable[[Program, str], Mapping[str, Step]]
    made: dict[str, Mapping[str, Step]] = field(default_factory=dict[str, Mapping[str, Step]])

    def steps(self, kind: str) -> Mapping[str, Step]:
        """`type#relation` -> its function for one kind of subject; made when it is first asked for."""
        found = self.made.get(kind)
        if found is None:
            if kind not in self.kinds:
                raise Undecidable(f"`{kind}` is no kind of subject of this model")
            found = self.made[kind] = self.make(self, kind)
        return found


class Query:
    """All questions of one subject at one moment. Not shared between subjects or revisions."""

    __slots__ = (
        "_back",
        "_candidates",
        "_program",
        "_steps",
        "at",
        "closed",
        "kind",
        "laid",
        "leaned",
        "left",
        "lowest",
        "overlay",
        "plain",
        "position",
        "subject",
        "tables",
        "visits",
        "wildcard",
    )

    def __init__(
        self,
        program: Program,
        index: TupleIndex,
        subject: str,
        at: Circumstances,
        overlay: Overlay,
        *,
        kind: str | None = None,
    ) -> None:
        """`kind` is the subject's, where somebody has looked at it already."""
        kind = kind or subject_kind(subject)
        if not kind:
            raise Undecidable(f"`{subject}` is no subject")
        hash_ = "#" in kind
        self._program = program
        # A userset may be what a row names, without a way from anybody to it.
        self._back = None if hash_ or index.tracked is not program.tracked else index.back
        self.closed: Closure | None = None
        """Of `closure()`, once it is known."""
        self._candidates: dict[str, Set[str] | None] = {}
        self.tables = index.tables
        self.overlay = overlay
        self.laid = overlay.records
        self.subject = subject
        self.kind = kind[:-2] if kind[-2:] == ":*" else kind
        self._steps = program.made.get(self.kind) or program.steps(self.kind)
        self.wildcard = "" if hash_ else f"{kind}:*"
        self.at = at
        self.plain = program.plain if at.now is not None and CLOCK not in at.context else _NONE
        self.visits: dict[str, Visit] = {}
        self.position = 0
        self.lowest = NOWHERE
        self.left = MAX_STEPS
        self.leaned = False
        """Nobody remained of a `but not` because a side of it leaned on itself."""

    def holds(self, relation: str, object_: str) -> bool:
        """Undecidable when it cannot be said."""
        object_type, _, name = object_.partition(":")
        step = self._steps.get(f"{object_type}#{relation}")
        if step is None or not name:
            raise Undecidable(f"the model has no relation `{relation}` for `{object_}`")
        self.left = MAX_STEPS
        visit = self.visits.get(object_) or self.visit(self._program.shapes[object_type], object_)
        return step(self, visit, 0) == YES

    def visit(self, shape: Shape, object_: str) -> Visit:
        """Of an object that is not in `visits`."""
        record = self.laid.get(object_) or self.tables[shape.object_type].get(object_) or shape.nothing
        visit = self.visits[object_] = [object_, *record, *shape.open]
        return visit

    def row(self, key: Key) -> Row | None:
        """What is written, what the request brought included."""
        object_, relation = key
        shape = self._program.shapes[object_.partition(":")[0]]
        place = shape.rows.get(relation)
        visit = self.visits.get(object_) or self.visit(shape, object_)
        return None if place is None else visit[place]

    @property
    def self_key(self) -> Key | None:
        """Of a subject like `group:eng#member`, what it is itself."""
        object_, hash_, relation = self.subject.partition("#")
        return (object_, relation) if hash_ else None

    def closure(self) -> Closure | None:
        """What the subject is in, by the way back; None where that does not tell everything."""
        if self.closed is None and self._back is not None:
            memberships = self._back.tracked.memberships
            added = () if memberships.isdisjoint(self.overlay.kinds) else self._added(memberships)
            if added is None:
                self._back = None
            else:
                self.closed = self._back.closures.of(self.subject, self.wildcard, added)
        return self.closed

    def known(self, name: str, depth: int) -> int | None:
        """What the way back tells of a userset whose kind is in `plain`; None when it has to be looked at."""
        closure = self.closed or self.closure()
        if closure is None:
            return None
        if name not in closure.possible:
            return NO
        return YES if closure.sure(name, MAX_DEPTH - depth) else None

    def usersets(self, row: Row) -> Iterable[Userset]:
        """Those of a row that may count for this subject; all of them while they are few."""
        if row.by_kind is None or self._back is None:
            return row.usersets.values()
        found: list[Userset] = []
        for kind, names in row.by_kind.items():
            if kind in self._candidates:
                candidates = self._candidates[kind]
            else:
                candidates = self._candidates[kind] = self._candidates_of(kind)
            if candidates is not None:
                names = names & candidates
            if names:
                found += map(row.usersets.__getitem__, names)
        return found

    def _candidates_of(self, kind: str) -> Set[str] | None:
        """All of a kind that can count, as `grant:1#effective`; None when that is not known."""
        narrowing = self._program.narrowing.get(kind)
        if narrowing is not None:
            return self._narrowed_to(narrowing, kind[kind.index("#") :])
        closure = self.closure() if kind in self.plain else None
        return closure.possible if closure is not None else None

    def _narrowed_to(self, narrowing: Narrowing, suffix: str) -> Set[str] | None:
        acting, kinds = self.overlay.acting, self.overlay.kinds
        if narrowing.contextual:
            return {object_ + suffix for object_ in acting}
        # Its parent must be one of those in the context; where there is none, nothing can count.
        closure, back = self.closure(), self._back
        if closure is None or back is None or narrowing.parent in kinds or narrowing.written in kinds:
            return None
        own = (self.subject, self.wildcard, *narrowing.unknown)
        if not narrowing.parent:
            return back.narrowed(narrowing.written, suffix, (*own, *closure.possible))
        if not narrowing.written:
            return back.narrowed(narrowing.parent, suffix, acting)
        return back.paired((narrowing.parent, narrowing.written, suffix), acting, own, closure.possible)

    def _added(self, memberships: Collection[str]) -> list[str] | None:
        """Usersets the overlay puts the subject in; None when it says more than that."""
        found: list[str] = []
        for object_, record in self.laid.items():
            shape = self._program.shapes[object_.partition(":")[0]]
            stored = self.tables[shape.object_type].get(object_, shape.nothing)
            for relation, place in shape.rows.items():
                row, before = record[place - 1], stored[place - 1]
                if row is None or row is before or f"{shape.object_type}#{relation}" not in memberships:
                    continue
                said = self._said(row, before or EMPTY)
                if said is None:
                    return None
                found += [f"{object_}#{relation}"] * said
        return found

    def _said(self, row: Row, stored: Row) -> int | None:
        """How often a row of the overlay names the subject; None when it says more."""
        if row.usersets is not stored.usersets and (row.usersets or stored.usersets):
            return None
        rules = [row.direct[one] for one in (self.subject, self.wildcard) if one in row.direct]
        return len(rules) if not any(rules) else None
