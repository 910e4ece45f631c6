"""A SpiceDB server as the relationship backend: experimental.

One CheckBulkPermissions per decision. An answer that depends on what the request did not bring is no
answer, and neither is an error: both deny. SpiceDB has one schema at a time, so it must say what our
model says; and no contextual tuples, so what a token says is sent for the caveats of `spicedb_schema`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import anyio
from authzed.api.v1 import (
    CheckBulkPermissionsPair,
    CheckBulkPermissionsRequestItem,
    CheckPermissionResponse,
    Consistency,
    LookupResourcesRequest,
    LookupSubjectsRequest,
    ObjectReference,
    RelationshipFilter,
    ZedToken,
)
from authzed.api.v1.permission_service_pb2 import LookupPermissionship
from google.protobuf.struct_pb2 import Struct

from mcp_gateway.authorization.backends.embedded import EmbeddedRelationships
from mcp_gateway.authorization.backends.own_tuples import OwnTuples
from mcp_gateway.authorization.backends.relay import Relay
from mcp_gateway.authorization.backends.relayed import Relayed
from mcp_gateway.authorization.backends.spicedb_client import SpiceDbClient
from mcp_gateway.authorization.backends.spicedb_schema import REQUEST_AGENT, REQUEST_CLAIMS, ZedSchema
from mcp_gateway.authorization.backends.spicedb_tuples import SpiceDbSink, name_of, reference, subject_of
from mcp_gateway.authorization.engine import requests
from mcp_gateway.authorization.engine.conditions import CLOCK
from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Listed
from mcp_gateway.authorization.tree import Expansion
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Database
from mcp_gateway.storage.feed import newest_revision

_log = logging.getLogger(__name__)

_CHECKS_PER_REQUEST = 200
_CLOCK_STEP_SECONDS = 10
"""The time sent is rounded up to this: conditions end early, never late, and the server can cache."""
_CACHE_SECONDS = 30.0
"""After a change of ours, whoever relayed it, nothing older than that change is read for this long."""
_LOOK_SECONDS = 5.0
_REFUSED_SECONDS = 1.0
_FULLY = Consistency(fully_consistent=True)
_HAS, _HAS_NOT = (
    CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION,
    CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION,
)

_LISTED = LookupPermissionship.LOOKUP_PERMISSIONSHIP_HAS_PERMISSION


class Unusable(AuthorizationUnavailable):
    """The server is there and cannot be decided by; `reason` is a code of `model.reasons`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class SpiceDbRelationships(Relayed):
    """A `Relationships`."""

    def __init__(
        self, model: Model, schema: ZedSchema, client: SpiceDbClient, *, relay: Relay, sink: SpiceDbSink
    ) -> None:
        super().__init__(model, relay)
        self.schema = schema
        self._client = client
        self.sink = sink
        self._preparing = anyio.Lock()
        self._verified_at = -1
        self._own: OwnTuples | None = None

    async def load(self, database: Database) -> None:
        self._own = OwnTuples(self._model, database)
        await self._relay.load()
        self._revision = await newest_revision(database)

    async def verify(self) -> None:
        """Does the server say what the model says, and is every agent bound to itself? Raises Unusable if not."""
        before = self._client.failures
        if not await self._client.has_schema(self.schema.text):
            raise self._refuse("relationship.wrong_model", "the server's schema is not the one of the policies")
        for relation in sorted(self.sink.tuples.binding_relations):
            for one in await self._client.read(RelationshipFilter(optional_relation=relation)):
                if one not in self.sink.tuples.bindings_of(name_of(one.resource)):
                    problem = f"{name_of(one.resource)} {relation} is not bound to itself; delete that"
                    raise self._refuse("relationship.in_context_stored", problem)
        self._refusal, self._verified_at = None, before

    async def look(self) -> None:
        """Look at the server after a while; for a background task to repeat."""
        await anyio.sleep(_LOOK_SECONDS)
        try:
            await self._prepare(again=True)
        except AuthorizationUnavailable as exc:
            _log.warning("relationships: %s", exc)

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        await self._prepare()
        revision = self._revision
        answers = await self._ask(list(dict.fromkeys(checks)), in_context, now, fresh=fresh)
        return Answers(answers, revision, self._model.model_id, now)

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        checks = [Check(subject, relation, object_) for object_ in dict.fromkeys(objects)]
        found = await self.answer(checks, in_context=in_context, now=now)
        held = tuple(object_ for object_ in objects if found.answers.get(Check(subject, relation, object_)) is True)
        return Held(held, found.revision, found.model_id, now)

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        """The path in our own store; the server does not tell by what path it came to its answer."""
        return await self._own.witness(check, in_context=in_context, now=now) if self._own else ()

    async def list_objects(
        self, subject: str, relation: str, object_type: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        requests.require_listing(self._model, subject, relation, object_type)
        await self._prepare()
        self._require_askable(in_context)
        request = LookupResourcesRequest(
            consistency=_FULLY,
            resource_object_type=object_type,
            permission=relation,
            subject=subject_of(subject),
            context=_context(subject, in_context, now),
            optional_limit=limit + 1,
        )
        answers = await self._client.objects(request)
        # The server may say one object twice, and counts it twice against the limit.
        found = {
            name_of(ObjectReference(object_type=object_type, object_id=one.resource_object_id))
            for one in answers
            if one.permissionship == _LISTED
        }
        return self._listed(found, limit, now, more=len(answers) > limit)

    async def list_users(
        self, object_: str, relation: str, kind: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        requests.require_users(self._model, object_, relation, kind)
        await self._prepare()
        self._require_askable(in_context)
        subject_type, hash_, subject_relation = kind.partition("#")
        request = LookupSubjectsRequest(
            consistency=_FULLY,
            resource=reference(object_),
            permission=relation,
            subject_object_type=subject_type,
            optional_subject_relation=subject_relation,
            context=_context("", None, now),
        )
        found: set[str] = set()
        for one in await self._client.subjects(request):
            name = name_of(ObjectReference(object_type=subject_type, object_id=one.subject.subject_object_id))
            if one.subject.permissionship == _LISTED and not (one.excluded_subjects and name.endswith(":*")):
                found.add(f"{name}{hash_}{subject_relation}")
        # What the request itself says counts for the user it speaks for, and for nobody else.
        if in_context is not None and kind == "user":
            check = Check(in_context.user, relation, object_)
            answers = await self._ask([check], in_context, now, fresh=True)
            found = found | {check.subject} if answers.get(check) else found - {check.subject}
        return self._listed(found, limit, now)

    async def expand(self, object_: str, relation: str, *, in_context: InContext | None) -> Expansion:
        """One step deep, so what is written for the object itself tells it."""
        requests.require_expansion(self._model, object_, relation)
        await self._prepare()
        wanted = reference(object_)
        found = await self._client.read(
            RelationshipFilter(resource_type=wanted.object_type, optional_resource_id=wanted.object_id)
        )
        here = EmbeddedRelationships(self._model)
        bound = self.sink.tuples.binding_relations
        rows = (self.sink.tuples.tuple(one) for one in found if one.relation not in bound)
        here.replace(rows, revision=self._revision)
        return await here.expand(object_, relation, in_context=in_context)

    def _listed(self, found: Iterable[str], limit: int, now: float, *, more: bool = False) -> Listed:
        names = sorted(found)
        cut = f"there may be more than {limit}" if more or len(names) > limit else ""
        return Listed(tuple(names[:limit]), cut, self._revision, self._model.model_id, now)

    async def _prepare(self, *, again: bool = False) -> None:
        """Until the server has what it must have and is known to be the right one."""
        if not again and self._verified_at == self._client.failures and self._relay.settled:
            return
        async with self._preparing:
            if again or self._verified_at != self._client.failures:
                await self.verify()
            await self._relay.settle()

    async def _ask(
        self, checks: Sequence[Check], in_context: InContext | None, now: float, *, fresh: bool
    ) -> dict[Check, bool]:
        self._require_askable(in_context)
        consistency = self._consistency(fresh)
        found: dict[Check, bool] = {}
        for start in range(0, len(checks), _CHECKS_PER_REQUEST):
            chunk = [check for check in checks[start : start + _CHECKS_PER_REQUEST] if self._known(check)]
            items = [_item(check, in_context, now) for check in chunk]
            found |= answered(chunk, await self._client.check(items, consistency) if items else ())
        return found

    def _require_askable(self, in_context: InContext | None) -> None:
        if in_context is None:
            return
        if subject_kind(in_context.user) != "user" or subject_kind(in_context.agent) != "agent":
            raise AuthorizationUnavailable("a request is bound to one user and one agent")
        for relation, object_ in in_context.memberships:
            if f"{object_.partition(':')[0]}#{relation}" not in self.schema.claimed:
                raise AuthorizationUnavailable("the token claims a membership the model does not know")

    def _known(self, check: Check) -> bool:
        object_type, _, name = check.object.partition(":")
        return bool(name) and check.relation in self._model.relations.get(object_type, {})

    def _consistency(self, fresh: bool) -> Consistency:
        if fresh or time.monotonic() - self._relay.moved_at < _CACHE_SECONDS:
            return _FULLY
        if self.sink.written_at:
            return Consistency(at_least_as_fresh=ZedToken(token=self.sink.written_at))
        return Consistency(minimize_latency=True)

    def _refuse(self, reason: str, problem: str) -> Unusable:
        if self._refusal != reason:
            _log.critical("everything is denied: %s", problem)
        self._refusal, self._verified_at = reason, -1
        self._refused_until = time.monotonic() + _REFUSED_SECONDS
        return Unusable(reason, problem)


def _item(check: Check, in_context: InContext | None, now: float) -> CheckBulkPermissionsRequestItem:
    return CheckBulkPermissionsRequestItem(
        resource=reference(check.object),
        permission=check.relation,
        subject=subject_of(check.subject),
        context=_context(check.subject, in_context, now),
    )


def _context(subject: str, in_context: InContext | None, now: float) -> Struct:
    """What caveats read. Only the user a request speaks for is bound to its agent and has what its token claims."""
    bound = in_context if in_context is not None and in_context.user == subject else None
    claims = [f"{object_}#{relation}" for relation, object_ in bound.memberships] if bound else []
    context = Struct()
    context.update({CLOCK: _rounded_up(now), REQUEST_AGENT: bound.agent if bound else "", REQUEST_CLAIMS: claims})
    return context


def answered(asked: Sequence[Check], pairs: Iterable[CheckBulkPermissionsPair]) -> dict[Check, bool]:
    """What was answered yes or no; raises AuthorizationUnavailable for answers nobody asked for."""
    waiting: Mapping[tuple[str, ...], Check] = {_key(_item(check, None, 0.0)): check for check in asked}
    found: dict[Check, bool] = {}
    for pair in pairs:
        check = waiting.get(_key(pair.request))
        if check is None or check in found:
            raise AuthorizationUnavailable("the relationship server answered a question nobody asked")
        permissionship = pair.item.permissionship if pair.HasField("item") else None
        if permissionship in (_HAS, _HAS_NOT):
            found[check] = permissionship == _HAS
        else:
            _log.warning("unanswered: %s %s %s", check.subject, check.relation, check.object)
    return found


def _key(item: CheckBulkPermissionsRequestItem) -> tuple[str, ...]:
    resource, who = item.resource, item.subject
    return (
        *(resource.object_type, resource.object_id, item.permission),
        *(who.object.object_type, who.object.object_id, who.optional_relation),
    )


def _rounded_up(now: float) -> str:
    step = _CLOCK_STEP_SECONDS
    return datetime.fromtimestamp(math.ceil(now / step) * step, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
