"""The replica's tuples: an embedded engine that other things than the store's changelog write to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mcp_gateway.authorization.backends.embedded import EmbeddedRelationships
from mcp_gateway.authorization.backends.replica_log import Place, State, change_to
from mcp_gateway.authorization.engine.loading import Loader, in_rows
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.tuples import EMPTY, Rule, accepted_rule
from mcp_gateway.storage.relationships import RelationshipTuple


class LocalCopy:
    """A `replica_log.Copy`. One event loop reads and writes it; every change is whole between two awaits."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.engine = EmbeddedRelationships(model)
        self.engine.replace((), revision=0)
        self._loader: Loader | None = None
        self._meanwhile: dict[Place, State] = {}

    def begin(self) -> None:
        """Read everything anew: `add` until it is `whole`; what is held goes on until then."""
        self._loader = Loader(self._model, self.engine.index.tracked)
        self._meanwhile = {}

    def add(self, tuples: Iterable[RelationshipTuple]) -> None:
        assert self._loader is not None
        self._loader.add(in_rows(tuples))

    def whole(self) -> None:
        """Hold what was added, and what was applied meanwhile."""
        assert self._loader is not None
        self.engine.index.adopt(self._loader)
        self._loader = None
        self.apply(self._meanwhile)
        self._meanwhile = {}

    def apply(self, changes: Mapping[Place, State]) -> None:
        if self._loader is not None:
            self._meanwhile.update(changes)
        self.engine.apply(change_to(place, state) for place, state in changes.items())

    def agrees(self, place: Place, state: State) -> bool:
        object_, relation, subject = place
        if relation == "in_context":
            return ((subject, object_) in self.engine.index.stored_in_context) == (state is not None)
        rule = None if state is None else accepted_rule(self._model, state)
        if state is None or isinstance(rule, str):
            return not self._has(place)
        return self._has(place) and self._rule(place) == rule

    def places(self) -> Iterator[Place]:
        """Every tuple held, as they are when asked for; what comes and goes meanwhile may be left out."""
        index = self.engine.index
        for subject, object_ in list(index.stored_in_context):
            yield object_, "in_context", subject
        for object_, relation in list(index.rows):
            row = index.rows.get((object_, relation), EMPTY)
            for subject in (*row.direct, *row.usersets):
                yield object_, relation, subject

    def _has(self, place: Place) -> bool:
        row = self.engine.index.rows.get(place[:2], EMPTY)
        return place[2] in row.direct or place[2] in row.usersets

    def _rule(self, place: Place) -> Rule:
        row = self.engine.index.rows.get(place[:2], EMPTY)
        userset = row.usersets.get(place[2])
        return row.direct.get(place[2]) if userset is None else userset.condition
