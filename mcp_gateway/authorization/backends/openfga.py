"""A real OpenFGA server as the relationship backend: one BatchCheck per decision, every answer counted.

A question the server answers with an error, leaves out, or answers with anything but true or false is
unanswered, and that denies. Nothing is cached here: what other systems write into the server counts at
once. Before each answer the server must have every change this process knows of (`relay`), and must be
the store and model that were meant (`openfga_pin`), which is looked at again after every reconnect.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import anyio

from mcp_gateway.authorization.backends.openfga_client import OpenFgaClient, ServerRefused
from mcp_gateway.authorization.backends.openfga_pin import Mispinned, find, refusal_of, require_same
from mcp_gateway.authorization.backends.openfga_watch import InContextWatch
from mcp_gateway.authorization.backends.relay import Relay
from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Legs
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.database import TUPLE_KINDS
from mcp_gateway.storage.feed import newest_revision

_log = logging.getLogger(__name__)

_IN_CONTEXT_STORED = "relationship.in_context_stored"
_CHECKS_PER_BATCH = 50
"""What a server takes unless it is told otherwise."""
_BATCHES_AT_ONCE = 8
_CLOCK_STEP_SECONDS = 10
"""The time sent is rounded up to this: conditions end early, never late, and the server can cache."""
_CACHE_SECONDS = 30.0
"""After a change, caches of the server (10 s unless it is told otherwise) are gone round for this long."""
_REFUSED_SECONDS = 1.0
_LOOK_SECONDS = 15.0
_VERIFY_SECONDS = 10.0

serials = itertools.count(1)


class OpenFgaRelationships:
    """A `Relationships`."""

    def __init__(
        self,
        model: Model,
        client: OpenFgaClient,
        *,
        store: str,
        server_model: str | None,
        relay: Relay,
        always_fresh: bool = False,
    ) -> None:
        """`server_model` is the server's id of the model, None = the newest one there that is `model`."""
        self._model = model
        self._client = client
        self._store = store
        self._wanted_model = server_model
        self._relay = relay
        self._always_fresh = always_fresh
        self._watch = InContextWatch(client, store)
        self._preparing = anyio.Lock()
        self._server_model = ""
        self._verified_at = -1
        self._refusal: str | None = None
        self._refused_until = 0.0
        self._revision = 0

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def model_id(self) -> str:
        return self._model.model_id

    @property
    def refusal(self) -> str | None:
        """Stands for a moment; then one question looks whether the server has become right."""
        return self._refusal if time.monotonic() < self._refused_until else None

    def legs(self, object_type: str, relation: str) -> Legs | None:
        return self._model.legs(object_type, relation)

    async def load(self, database: Database) -> None:
        """Learn what the server must have. It is not asked yet: a gateway starts beside a server that is down."""
        await self._relay.load()
        self._revision = await newest_revision(database)

    async def follow(self, changes: Sequence[Change]) -> None:
        self._revision = max(self._revision, changes[-1].revision) if changes else self._revision
        moved = [change.revision for change in changes if change.kind in TUPLE_KINDS]
        if moved:
            self._relay.needs(moved[-1])

    async def verify(self) -> None:
        """Is this the store and the model that were meant, with nothing stored that must not be?

        Raises Mispinned, or AuthorizationUnavailable when the server cannot be asked.
        """
        before = self._client.reconnects
        wanted = self._wanted_model or self._server_model or None
        try:
            self._server_model = await find(self._client, store=self._store, model=self._model, wanted=wanted)
            standing = await self._watch.look()
        except Mispinned as exc:
            self._distrust(exc.reason, str(exc))
            raise
        if standing:
            user, agent = min(standing)
            problem = f"a stored relationship says {user} in_context {agent}; delete it"
            self._distrust(_IN_CONTEXT_STORED, problem)
            raise Mispinned(_IN_CONTEXT_STORED, problem)
        self._refusal = None
        self._verified_at = before

    async def ready(self) -> None:
        """Until the server has every change this process knows of and is known to be the right one; or raises."""
        if not self._ready:
            await self._prepare()

    async def pinned(self) -> str:
        """The server's id of the model; raises Mispinned, or AuthorizationUnavailable when the server cannot be asked."""
        if self._server_model and self._verified_at == self._client.reconnects:
            return self._server_model
        return await find(self._client, store=self._store, model=self._model, wanted=self._wanted_model)

    async def run(self) -> None:
        """Look at the server now and then, until cancelled."""
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            try:
                await self._prepare(again=True)
            except AuthorizationUnavailable as exc:
                _log.warning("relationships: %s", exc)

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        if not self._ready:
            await self._prepare()
        revision = self._revision
        answers = await self._ask(list(dict.fromkeys(checks)), in_context, now, fresh=fresh)
        return Answers(answers, revision, self._model.model_id, now)

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        if not self._ready:
            await self._prepare()
        revision = self._revision
        asked = [Check(subject, relation, object_) for object_ in dict.fromkeys(objects)]
        answers = await self._ask(asked, in_context, now, fresh=False)
        held = tuple(object_ for object_ in objects if answers.get(Check(subject, relation, object_)) is True)
        return Held(held, revision, self._model.model_id, now)

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        """The tuple that says it directly; a server does not tell by what path it came to its answer."""
        key = {"user": check.subject, "relation": check.relation, "object": check.object}
        answer = await self._client.post(f"/stores/{self._store}/read", {"tuple_key": key})
        return (f"{check.subject} {check.relation} {check.object}",) if answer.body.get("tuples") else ()

    @property
    def _ready(self) -> bool:
        return self._verified_at == self._client.reconnects and self._refusal is None and self._relay.settled

    async def _prepare(self, *, again: bool = False) -> None:
        """Until the server has what it must have and is known to be the right one."""
        async with self._preparing:
            if again or self._verified_at != self._client.reconnects or self._refusal is not None:
                await self._verify_in_time()
            await self._relay.settle()

    async def _verify_in_time(self) -> None:
        """A long changelog is read in several goes; each begins where the last one ended."""
        try:
            with anyio.fail_after(_VERIFY_SECONDS):
                await self.verify()
        except TimeoutError as exc:
            raise AuthorizationUnavailable("the relationship server's changelog takes long to read") from exc

    async def _ask(
        self, checks: Sequence[Check], in_context: InContext | None, now: float, *, fresh: bool
    ) -> dict[Check, bool]:
        common = {
            "context": {"current_time": _rounded_up(now)},
            "contextual_tuples": {"tuple_keys": self._contextual(in_context)},
        }
        recent = time.monotonic() - self._relay.moved_at < _CACHE_SECONDS
        consistency = "HIGHER_CONSISTENCY" if fresh or recent or self._always_fresh else "MINIMIZE_LATENCY"
        if len(checks) <= _CHECKS_PER_BATCH:
            return await self._batch(checks, common, consistency) if checks else {}
        return await self._batches(checks, common, consistency)

    async def _batches(self, checks: Sequence[Check], common: Mapping[str, Any], consistency: str) -> dict[Check, bool]:
        found: dict[Check, bool] = {}
        limiter = anyio.CapacityLimiter(_BATCHES_AT_ONCE)
        failures: list[AuthorizationUnavailable] = []

        async def one(chunk: Sequence[Check]) -> None:
            async with limiter:
                try:
                    found.update(await self._batch(chunk, common, consistency))
                except AuthorizationUnavailable as exc:
                    failures.append(exc)
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for start in range(0, len(checks), _CHECKS_PER_BATCH):
                tasks.start_soon(one, checks[start : start + _CHECKS_PER_BATCH])
        if failures:
            raise failures[0]
        return found

    async def _batch(self, checks: Sequence[Check], common: Mapping[str, Any], consistency: str) -> dict[Check, bool]:
        # Unlike any other request's, so that no answer can be taken for one to these questions.
        serial = next(serials)
        asked = {f"{serial}-{number}": check for number, check in enumerate(checks)}
        body = {
            "checks": [
                {
                    "correlation_id": identifier,
                    "tuple_key": {"user": check.subject, "relation": check.relation, "object": check.object},
                    **common,
                }
                for identifier, check in asked.items()
            ],
            "authorization_model_id": self._server_model,
            "consistency": consistency,
        }
        try:
            answer = await self._client.post(f"/stores/{self._store}/batch-check", body)
            require_same(answer, store=self._store, model=self._server_model)
        except ServerRefused as exc:
            doubt = refusal_of(exc)
            if doubt is None:
                raise
            self._distrust(doubt.reason, str(doubt))
            raise doubt from exc
        except Mispinned as exc:
            self._distrust(exc.reason, str(exc))
            raise
        return answered(asked, answer.body.get("result"))

    def _contextual(self, in_context: InContext | None) -> list[dict[str, str]]:
        if in_context is None:
            return []
        user, agent, memberships = in_context
        if subject_kind(user) != "user" or subject_kind(agent) != "agent":
            raise AuthorizationUnavailable("a request is bound to one user and one agent")
        for relation, object_ in memberships:
            if self._model.objection(object_, relation, user, "") is not None:
                raise AuthorizationUnavailable("the token claims a membership the model does not know")
        found = [("in_context", agent), *memberships]
        return [{"user": user, "relation": relation, "object": object_} for relation, object_ in found]

    def _distrust(self, reason: str, problem: str) -> None:
        if self._refusal != reason:
            _log.critical("everything is denied: %s", problem)
        self._refusal = reason
        self._refused_until = time.monotonic() + _REFUSED_SECONDS
        self._server_model, self._verified_at = "", -1


def answered(asked: Mapping[str, Check], result: object) -> dict[Check, bool]:
    """The questions that were answered yes or no; raises AuthorizationUnavailable for answers nobody asked for."""
    if not isinstance(result, dict):
        raise AuthorizationUnavailable("the relationship server answered no result")
    found: dict[Check, bool] = {}
    for identifier, item in cast(dict[str, object], result).items():
        if identifier not in asked:
            raise AuthorizationUnavailable("the relationship server answered a question nobody asked")
        allowed = _allowed(item)
        if allowed is None:
            check = asked[identifier]
            _log.warning("unanswered: %s %s %s", check.subject, check.relation, check.object)
        else:
            found[asked[identifier]] = allowed
    return found


def _allowed(item: object) -> bool | None:
    one = cast(dict[str, object], item) if isinstance(item, dict) else {}
    allowed = one.get("allowed")
    return allowed if isinstance(allowed, bool) and one.get("error") is None else None


def _rounded_up(now: float) -> str:
    step = _CLOCK_STEP_SECONDS
    return datetime.fromtimestamp(math.ceil(now / step) * step, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
