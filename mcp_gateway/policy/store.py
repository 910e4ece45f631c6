"""A model and its tuples in memory, to ask what a test asks. Not a backend: nothing here decides a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mcp_gateway.authorization.engine.conditions import Circumstances
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import EMPTY, Key, Row, TupleIndex
from mcp_gateway.storage.relationships import RelationshipTuple


class Store:
    """Raises OperatorError for a tuple the model has no place for; a question it cannot answer raises Undecidable."""

    def __init__(
        self, model: Model, stored: Sequence[RelationshipTuple], *, contextual: Sequence[RelationshipTuple] = ()
    ) -> None:
        self._program = compile_program(model)
        self._overlay: dict[Key, Row] = {}
        kept = list(stored)
        for row in stored:
            refuse_misfit(model, row)
        for row in contextual:
            if row.relation == "in_context":
                # What makes a request one of this agent; the engine takes it from a request only.
                self._overlay[row.object, row.relation] = Row({row.subject: None}, EMPTY.usersets)
            else:
                refuse_misfit(model, row)
                kept.append(row)
        self._index = TupleIndex(model)
        self._index.load(kept)
        self._known = dict.fromkeys(_ids(kept + list(contextual)))

    def check(self, subject: str, relation: str, object_: str, *, context: Mapping[str, Any]) -> bool:
        return self._query(subject, context).holds(relation, object_)

    def list_objects(self, subject: str, relation: str, kind: str, *, context: Mapping[str, Any]) -> list[str]:
        query = self._query(subject, context)
        named = (one for one in self._known if one.partition(":")[0] == kind and not one.endswith(":*"))
        return [one for one in named if query.holds(relation, one)]

    def list_users(self, object_: str, relation: str, kind: str, *, context: Mapping[str, Any]) -> list[str]:
        return [one for one in self._subjects(kind) if self._query(one, context).holds(relation, object_)]

    def _subjects(self, kind: str) -> Iterator[str]:
        type_, hash_, relation = kind.partition("#")
        for one in self._known:
            if one.partition(":")[0] == type_:
                yield f"{one}{hash_}{relation}"

    def _query(self, subject: str, context: Mapping[str, Any]) -> Query:
        return Query(self._program, self._index, subject, Circumstances(None, context), self._overlay)


def refuse_misfit(model: Model, row: RelationshipTuple) -> None:
    """Raises OperatorError when the model has no place for `row`."""
    condition = row.condition
    model.validate_tuple(
        row.object,
        row.relation,
        row.subject,
        condition.name if condition else None,
        context=condition.context if condition else None,
    )


def _ids(rows: Sequence[RelationshipTuple]) -> Iterator[str]:
    for row in rows:
        yield row.object
        yield row.subject.partition("#")[0]
