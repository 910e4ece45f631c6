"""Our tuples as SpiceDB's relationships and back, and the way they are written.

With every agent and group a tuple names its binding is written: everybody, under a caveat that holds for
requests by that agent, or with a token that claims that group. Bindings give nothing by themselves, so
they stay when the tuple goes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from authzed.api.v1 import (
    ContextualizedCaveat,
    ObjectReference,
    Relationship,
    RelationshipUpdate,
    SubjectReference,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from mcp_gateway.authorization.backends.spicedb_client import SpiceDbClient
from mcp_gateway.authorization.backends.spicedb_ids import decoded, encoded
from mcp_gateway.authorization.backends.spicedb_schema import (
    BINDING,
    CLAIMED,
    STORED_AGENT,
    STORED_NAME,
    THIS_AGENT,
    ZedSchema,
)
from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

_log = logging.getLogger(__name__)

_UPDATES_PER_WRITE = 500


class Tuples:
    """Translates under one model and its schema."""

    def __init__(self, model: Model, schema: ZedSchema) -> None:
        self._model = model
        self._written = schema.written
        self._claimed = schema.claimed
        self._names = {
            f"{kind.partition('#')[0]}#{name}": kind.partition("#")[2] for kind, name in schema.written.items()
        }

    def relationship(self, one: RelationshipTuple) -> Relationship:
        resource = reference(one.object)
        condition = one.condition
        return Relationship(
            resource=resource,
            relation=self._written[f"{resource.object_type}#{one.relation}"],
            subject=subject_of(one.subject),
            optional_caveat=_caveat(condition) if condition else None,
        )

    def tuple(self, one: Relationship) -> RelationshipTuple:
        """Raises KeyError for a relation the model does not know."""
        relation = self._names[f"{one.resource.object_type}#{one.relation}"]
        hash_ = f"#{one.subject.optional_relation}" if one.subject.optional_relation else ""
        caveat = one.optional_caveat if one.HasField("optional_caveat") else None
        condition = Condition(caveat.caveat_name, MessageToDict(caveat.context)) if caveat else None
        return RelationshipTuple(name_of(one.resource), relation, f"{name_of(one.subject.object)}{hash_}", condition)

    def accepted(self, rows: Iterable[RelationshipTuple]) -> Iterator[RelationshipTuple]:
        """Those the model accepts; the server would refuse all for one of the others."""
        for row in rows:
            problem = self._model.objection(
                row.object, row.relation, row.subject, row.condition.name if row.condition else ""
            )
            if problem is None:
                yield row
            else:
                _log.warning("not written to the server: %s %s %s: %s", row.subject, row.relation, row.object, problem)

    def removable(self, rows: Iterable[RelationshipTuple]) -> Iterator[RelationshipTuple]:
        """Those the server could hold, without their conditions: a tuple goes whatever its condition is."""
        for row in rows:
            kind, relation = subject_kind(row.subject), f"{row.object.partition(':')[0]}#{row.relation}"
            if kind in self._model.accepted.get(relation, ()):
                yield RelationshipTuple(row.object, row.relation, row.subject)

    def bindings(self, rows: Iterable[RelationshipTuple]) -> list[Relationship]:
        """Of every agent and group the tuples name."""
        named = dict.fromkeys(name.partition("#")[0] for row in rows for name in (row.object, row.subject))
        return [binding for name in named if not name.endswith(":*") for binding in self.bindings_of(name)]

    def bindings_of(self, name: str) -> Iterator[Relationship]:
        object_type = name.partition(":")[0]
        for relation in self._model.relations.get(object_type, ()):
            if relation == BINDING:
                yield _bound(name, relation, Condition(THIS_AGENT, {STORED_AGENT: name}))
            elif claim := self._claimed.get(f"{object_type}#{relation}"):
                yield _bound(name, claim, Condition(CLAIMED, {STORED_NAME: f"{name}#{relation}"}))

    @property
    def binding_relations(self) -> frozenset[str]:
        return frozenset({BINDING, *self._claimed.values()})


class SpiceDbSink:
    """A `relay.Sink`."""

    def __init__(self, client: SpiceDbClient, tuples: Tuples) -> None:
        self._client = client
        self.tuples = tuples
        self.written_at = ""
        """The token of the newest state we wrote; a question may ask for one at least as new."""

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        """Deletes first, so that what fails halfway leaves less, not more."""
        gone = self.tuples.removable(deletes)
        standing = list(self.tuples.accepted(writes))
        updates = [_update(RelationshipUpdate.OPERATION_DELETE, self.tuples.relationship(one)) for one in gone]
        updates += [_update(RelationshipUpdate.OPERATION_TOUCH, one) for one in self.tuples.bindings(standing)]
        updates += [_update(RelationshipUpdate.OPERATION_TOUCH, self.tuples.relationship(one)) for one in standing]
        for start in range(0, len(updates), _UPDATES_PER_WRITE):
            self.written_at = await self._client.write(updates[start : start + _UPDATES_PER_WRITE])


def reference(name: str) -> ObjectReference:
    """`ticket:tickets/T-1` as SpiceDB names it."""
    object_type, _, identifier = name.partition(":")
    return ObjectReference(object_type=object_type, object_id=encoded(identifier))


def subject_of(name: str) -> SubjectReference:
    object_, _, relation = name.partition("#")
    return SubjectReference(object=reference(object_), optional_relation=relation)


def name_of(one: ObjectReference) -> str:
    return f"{one.object_type}:{decoded(one.object_id)}"


def _bound(name: str, relation: str, condition: Condition) -> Relationship:
    return Relationship(
        resource=reference(name), relation=relation, subject=subject_of("user:*"), optional_caveat=_caveat(condition)
    )


def _caveat(condition: Condition) -> ContextualizedCaveat:
    return ContextualizedCaveat(caveat_name=condition.name, context=ParseDict(dict(condition.context), Struct()))


def _update(operation: RelationshipUpdate.Operation.ValueType, one: Relationship) -> RelationshipUpdate:
    return RelationshipUpdate(operation=operation, relationship=one)
