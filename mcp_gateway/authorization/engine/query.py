"""One subject's questions at one moment, and what has been found out so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.conditions import CLOCK, Circumstances, Undecidable
from mcp_gateway.authorization.engine.model import subject_kind
from mcp_gateway.authorization.engine.narrowing import CONTEXTUAL, Narrowing
from mcp_gateway.authorization.engine.outcome import MAX_DEPTH, MAX_STEPS, NO, YES
from mcp_gateway.authorization.engine.rows import EMPTY, Key, Row, Userset
from mcp_gateway.authorization.engine.tuples import TupleIndex
from mcp_gateway.authorization.engine.wayback import Closure, Tracked

NOWHERE = 1 << 60
"""Of `Query.lowest`: no cycle was met."""

Step: TypeAlias = Callable[["Query", str, int], int]
"""(query, object, depth) -> an outcome; one per relation of the model."""

_NONE: frozenset[str] = frozenset()
_ACTING = frozenset({f"agent#{CONTEXTUAL}"})
_PER_SUBJECT = 4
"""Grants of the agent that are tried rather than look up those of one more group the user is in."""


class Program(NamedTuple):
    """A model ready to run."""

    steps: Mapping[str, Step]
    """`type#relation` -> its function."""
    quick: Mapping[str, Step]
    """The same for a subject that is no userset."""
    kinds: frozenset[str]
    """Every kind of subject the model knows."""
    narrowing: Mapping[str, Narrowing]
    tracked: Tracked
    """Relations the index keeps the way back for."""
    plain: frozenset[str]
    """Memberships where no way back means no."""


class Query:
    """All questions of one subject at one moment. Not shared between subjects or revisions.

    A row of `overlay` counts instead of the stored one, so it holds what is stored, and more.
    """

    __slots__ = (
        "_back",
        "_candidates",
        "_closure",
        "_program",
        "at",
        "closing",
        "kind",
        "leaned",
        "left",
        "lowest",
        "memo",
        "overlaid",
        "overlay",
        "plain",
        "position",
        "rows",
        "self_key",
        "subject",
        "tables",
        "wildcard",
    )

    def __init__(
        self,
        program: Program,
        index: TupleIndex,
        subject: str,
        at: Circumstances,
        overlay: Mapping[Key, Row],
    ) -> None:
        kind = subject_kind(subject)
        if kind is None or kind.removesuffix(":*") not in program.kinds:
            raise Undecidable(f"`{subject}` is no subject of this model")
        object_, hash_, relation = subject.partition("#")
        self._program = program
        # A userset may be what a row names, without a way from anybody to it.
        self._back = None if hash_ or index.tracked is not program.tracked else index.back
        self._closure: Closure | None = None
        self._candidates: dict[str, Sequence[str] | Mapping[str, int] | None] = {}
        self.rows = index.rows
        self.tables = index.tables
        self.overlay = overlay
        self.overlaid = _overlaid(overlay) if overlay else _NONE
        self.closing = program.tracked.memberships
        self.subject = subject
        self.kind = kind.removesuffix(":*")
        self.wildcard = "" if hash_ else f"{kind}:*"
        self.self_key = (object_, relation) if hash_ else None
        self.at = at
        self.plain = program.plain if at.now is not None and CLOCK not in at.context else _NONE
        self.memo: dict[Key, int] = {}
        self.position = 0
        self.lowest = NOWHERE
        self.left = MAX_STEPS
        self.leaned = False
        """Nobody remained of a `but not` because a side of it leaned on itself."""

    def holds(self, relation: str, object_: str) -> bool:
        """Undecidable when it cannot be said."""
        object_type, _, name = object_.partition(":")
        steps = self._program.steps if self.self_key else self._program.quick
        step = steps.get(f"{object_type}#{relation}")
        if step is None or not name:
            raise Undecidable(f"the model has no relation `{relation}` for `{object_}`")
        self.left = MAX_STEPS
        return step(self, object_, 0) == YES

    def closure(self) -> Closure | None:
        """What the subject is in, by the way back; None where that does not tell everything."""
        if self._closure is None and self._back is not None:
            added = self._added(self._back.tracked.memberships) if self.overlaid else ()
            if added is None:
                self._back = None
            else:
                self._closure = self._back.closure(self.subject, self.wildcard, added)
        return self._closure

    def known(self, name: str, depth: int) -> int | None:
        """What the way back tells of a userset whose kind is in `plain`; None when it has to be looked at."""
        closure = self._closure or self.closure()
        if closure is None:
            return None
        steps = closure.sure.get(name)
        if steps is not None:
            return YES if depth + steps <= MAX_DEPTH else None
        return None if name in closure.possible else NO

    def usersets(self, row: Row) -> Iterable[Userset]:
        """Those of a row that may count for this subject; all of them while they are few."""
        if row.by_kind is None or self._back is None:
            return row.usersets.values()
        return self._narrowed(row.by_kind)

    def _narrowed(self, by_kind: Mapping[str, Mapping[str, Userset]]) -> list[Userset]:
        found: list[Userset] = []
        for kind, usersets in by_kind.items():
            if kind not in self._candidates:
                self._candidates[kind] = self._candidates_of(kind)
            candidates = self._candidates[kind]
            if candidates is None:
                found += usersets.values()
            elif isinstance(candidates, Mapping) and len(candidates) > len(usersets):
                found += [userset for name, userset in usersets.items() if name in candidates]
            else:
                found += map(usersets.__getitem__, usersets.keys() & candidates)
        return found

    def _candidates_of(self, kind: str) -> Sequence[str] | Mapping[str, int] | None:
        """All of a kind that can count, as `grant:1#effective`; None when that is not known."""
        narrowing = self._program.narrowing.get(kind)
        if narrowing is not None:
            return self._narrowed_to(narrowing, kind[kind.index("#") :])
        closure = self.closure() if kind in self.plain else None
        return closure.possible if closure is not None else None

    def _narrowed_to(self, narrowing: Narrowing, suffix: str) -> Sequence[str] | None:
        acting = [object_ for object_, relation in self.overlay if relation == CONTEXTUAL]
        if narrowing.contextual:
            return [object_ + suffix for object_ in acting]
        closure, back = self.closure(), self._back
        if back is None or closure is None:
            return None
        by_agent = None
        if narrowing.parent and narrowing.parent not in self.overlaid and len(acting) == 1:
            by_agent = back.narrowed(narrowing.parent, suffix, acting[0])
            if len(by_agent) <= _PER_SUBJECT * (len(closure.possible) + 2):
                return by_agent
        if not narrowing.written or narrowing.written in self.overlaid:
            return by_agent
        subjects = (self.subject, self.wildcard, *closure.possible, *narrowing.unknown)
        by_user = back.narrowed_by_any(narrowing.written, suffix, subjects)
        return by_user if by_agent is None or len(by_user) < len(by_agent) else by_agent

    def _added(self, memberships: Collection[str]) -> list[str] | None:
        """Usersets the overlay puts the subject in; None when it says more than that."""
        found: list[str] = []
        for (object_, relation), row in self.overlay.items():
            kind = f"{object_.partition(':')[0]}#{relation}"
            if kind not in memberships:
                continue
            stored = self.tables[kind].get(object_, EMPTY)
            if row.usersets is not stored.usersets and (row.usersets or stored.usersets):
                return None
            for subject in (self.subject, self.wildcard):
                if subject in row.direct:
                    if row.direct[subject] is not None:
                        return None
                    found.append(f"{object_}#{relation}")
        return found


def _overlaid(overlay: Mapping[Key, Row]) -> Collection[str]:
    """The relations of an overlay, as `type#relation`; mostly it only says who acts."""
    if len(overlay) == 1:
        for object_, relation in overlay:
            if relation == CONTEXTUAL and object_[:6] == "agent:":
                return _ACTING
    return {f"{one.partition(':')[0]}#{name}" for one, name in overlay}
