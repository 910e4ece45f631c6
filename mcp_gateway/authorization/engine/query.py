"""One subject's questions at one moment, and what has been found out so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.engine.model import subject_kind
from mcp_gateway.authorization.engine.narrowing import possible_objects
from mcp_gateway.authorization.engine.outcome import MAX_STEPS, YES
from mcp_gateway.authorization.engine.tuples import Key, Row, TupleIndex, Userset

NOWHERE = 1 << 60
"""Of `Query.lowest`: no cycle was met."""

Step: TypeAlias = Callable[["Query", str, int], int]
"""(query, object, depth) -> an outcome; one per relation of the model."""


class Program(NamedTuple):
    """A model ready to run."""

    steps: Mapping[str, Step]
    """`type#relation` -> its function."""
    kinds: frozenset[str]
    """Every kind of subject the model knows."""
    narrowing: Mapping[str, str]
    """An intersection -> the written relation that tells whose it can be."""
    tracked: frozenset[str]
    """Relations the index keeps the way back for."""


class Query:
    """All questions of one subject at one moment. Not shared between subjects or revisions."""

    __slots__ = (
        "_holders",
        "_possible",
        "_program",
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
        self._holders = index.holders if index.tracked is program.tracked else None
        self._possible: dict[str, list[str]] | None = None
        self.rows = index.rows
        self.overlay = overlay
        self.subject = subject
        self.kind = kind.removesuffix(":*")
        self.wildcard = "" if hash_ else f"{kind}:*"
        self.self_key = (object_, relation) if hash_ else None
        self.at = at
        self.memo: dict[Key, int] = {}
        self.position = 0
        self.lowest = NOWHERE
        self.left = MAX_STEPS

    def holds(self, relation: str, object_: str) -> bool:
        """Undecidable when it cannot be said."""
        object_type, _, name = object_.partition(":")
        step = self._program.steps.get(f"{object_type}#{relation}")
        if step is None or not name:
            raise Undecidable(f"the model has no relation `{relation}` for `{object_}`")
        self.left = MAX_STEPS
        return step(self, object_, 0) == YES

    def usersets(self, row: Row) -> Iterable[Userset]:
        """Those of a row that may count for this subject; all of them while they are few."""
        if row.by_kind is None or self._holders is None or self.self_key is not None:
            return row.usersets.values()
        # What the request itself adds, the way back does not know.
        if not self._program.tracked.isdisjoint(self._added()):
            return row.usersets.values()
        if self._possible is None:
            self._possible = possible_objects((self.subject, self.wildcard), self._holders)
        return self._narrowed(row.by_kind, self._possible)

    def _narrowed(
        self, by_kind: Mapping[str, Mapping[str, Userset]], possible: Mapping[str, list[str]]
    ) -> Iterator[Userset]:
        for kind, usersets in by_kind.items():
            narrowing = self._program.narrowing.get(kind)
            if narrowing is None:
                yield from usersets.values()
                continue
            suffix = kind[kind.index("#") :]
            found = (usersets.get(object_ + suffix) for object_ in possible.get(narrowing, ()))
            yield from (userset for userset in found if userset is not None)

    def _added(self) -> Iterator[str]:
        return (f"{object_.partition(':')[0]}#{relation}" for object_, relation in self.overlay)
