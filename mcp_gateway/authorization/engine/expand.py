"""Expand: a relation as its definition reads for one object, one step deep. Asks nobody, evaluates no condition."""

from __future__ import annotations

from collections.abc import Callable

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.tuples import EMPTY, Key, Row
from mcp_gateway.authorization.language.syntax import Computed, Direct, From, Intersection, Rewrite, Union, parts_of
from mcp_gateway.authorization.tree import Combined, Expansion, Node, Same, Subjects, Through

MAX_SUBJECTS = 10_000


def expand(model: Model, row: Callable[[Key], Row | None], object_: str, relation: str) -> Expansion:
    """The relation must be one of the model."""
    reading = _Reading(row, object_, relation)
    root = reading.node(model.relations[object_.partition(":")[0]][relation].rewrite)
    return Expansion(reading.name, root, f"only the first {MAX_SUBJECTS} are listed" if reading.cut else "")


class _Reading:
    def __init__(self, row: Callable[[Key], Row | None], object_: str, relation: str) -> None:
        self._row = row
        self._object = object_
        self._relation = relation
        self.name = f"{object_}#{relation}"
        self.cut = False

    def node(self, rewrite: Rewrite) -> Node:
        if isinstance(rewrite, Direct):
            return Subjects(self._subjects(self._relation, lambda row: [*row.direct, *row.usersets]))
        if isinstance(rewrite, Computed):
            return Same(f"{self._object}#{rewrite.relation}")
        if isinstance(rewrite, From):
            parents = self._subjects(rewrite.tupleset, lambda row: [*row.direct])
            usersets = tuple(f"{parent}#{rewrite.relation}" for parent in parents)
            return Through(f"{self._object}#{rewrite.tupleset}", usersets)
        parts = tuple(map(self.node, parts_of(rewrite)))
        if isinstance(rewrite, Union):
            return Combined("union", parts)
        return Combined("intersection" if isinstance(rewrite, Intersection) else "difference", parts)

    def _subjects(self, relation: str, written: Callable[[Row], list[str]]) -> tuple[str, ...]:
        found = sorted(written(self._row((self._object, relation)) or EMPTY))
        self.cut = self.cut or len(found) > MAX_SUBJECTS
        return tuple(found[:MAX_SUBJECTS])
