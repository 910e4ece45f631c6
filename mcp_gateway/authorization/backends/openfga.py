"""A real OpenFGA server as the relationship backend: one BatchCheck per decision, every answer counted.

A question the server answers with an error, leaves out, or answers with anything but true or false is
unanswered, and that denies. Nothing is cached here: what other systems write into the server counts at
once. Before each answer the server must have every change this process knows of (`relay`), and must be
the store and model that were meant (`openfga_pin`), which is looked at again after every reconnect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio

from mcp_gateway.authorization.backends.openfga_batches import DECIDE, GENTLY, LIST, Batches, Pace
from mcp_gateway.authorization.backends.openfga_client import OpenFgaClient, ServerRefused
from mcp_gateway.authorization.backends.openfga_context import about
from mcp_gateway.authorization.backends.openfga_lists import MAY_BE_CUT, Searches
from mcp_gateway.authorization.backends.openfga_pin import Mispinned, find, refusal_of, require_same
from mcp_gateway.authorization.backends.openfga_watch import InContextWatch
from mcp_gateway.authorization.backends.own_tuples import OwnTuples
from mcp_gateway.authorization.backends.relay import Relay
from mcp_gateway.authorization.backends.relayed import Relayed
from mcp_gateway.authorization.engine import requests
from mcp_gateway.authorization.engine.codes import RequestRefused
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Listed
from mcp_gateway.authorization.tree import Expansion
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Database
from mcp_gateway.storage.feed import newest_revision

_log = logging.getLogger(__name__)

_IN_CONTEXT_STORED = "relationship.in_context_stored"
_CACHE_SECONDS = 30.0
"""After a change, caches of the server (10 s unless it is told otherwise) are gone round for this long."""
_REFUSED_SECONDS = 1.0
_LOOK_SECONDS = 5.0
"""Between two looks whether the server is still the right one; a restart may go unnoticed by a connection pool."""
_VERIFY_SECONDS = 10.0


class OpenFgaRelationships(Relayed):
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
        super().__init__(model, relay)
        self._client = client
        self._store = store
        self._wanted_model = server_model
        self._always_fresh = always_fresh
        self._batches = Batches(client, store)
        self._searches = Searches(model, self._search)
        self._watch = InContextWatch(client, store)
        self._preparing = anyio.Lock()
        self._server_model = ""
        self._verified_at = -1
        self._own: OwnTuples | None = None

    async def load(self, database: Database) -> None:
        """Learn what the server must have. It is not asked yet: a gateway starts beside a server that is down."""
        self._own = OwnTuples(self._model, database)
        await self._relay.load()
        self._revision = await newest_revision(database)

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
        if not self._ready:
            await self._prepare()
        revision = self._revision
        found = await self._ask(self._askable(checks), in_context, now, fresh=fresh)
        answers = {check: answer for check, answer in found.items() if answer is not None}
        return Answers(answers, revision, self._model.model_id, now)

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        if not self._ready:
            await self._prepare()
        revision = self._revision
        asked = self._askable([Check(subject, relation, object_) for object_ in objects])
        answers = await self._ask(asked, in_context, now, fresh=False, pace=LIST)
        if open_ := [check for check in asked if check not in answers]:
            # A busy server leaves single questions of many open. A list that hid their objects would be wrong.
            answers |= await self._ask(open_, in_context, now, fresh=False, pace=GENTLY)
        if len(answers) < len(asked):
            raise AuthorizationUnavailable("the relationship server left questions of a list open")
        held = tuple(object_ for object_ in objects if answers.get(Check(subject, relation, object_)) is True)
        return Held(held, revision, self._model.model_id, now)

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        """The path in our own store, else the tuple that says it directly; a server does not tell its path."""
        found = await self._own.witness(check, in_context=in_context, now=now) if self._own else ()
        if found:
            return found
        await self.ready()
        key = {"user": check.subject, "relation": check.relation, "object": check.object}
        answer = await self._client.post(f"/stores/{self._store}/read", {"tuple_key": key})
        return (f"{check.subject} {check.relation} {check.object}",) if answer.body.get("tuples") else ()

    async def list_objects(
        self, subject: str, relation: str, object_type: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        found = await self._searches.objects(subject, relation, object_type, about=self._about(in_context, now))
        return self._listed(found, limit, now)

    async def list_users(
        self, object_: str, relation: str, kind: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        found = await self._searches.users(object_, relation, kind, about=self._about(in_context, now))
        return self._listed(found, limit, now)

    async def expand(self, object_: str, relation: str, *, in_context: InContext | None) -> Expansion:
        return await self._searches.expansion(object_, relation, about=self._about(in_context, time.time()))

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
        self,
        checks: Sequence[Check],
        in_context: InContext | None,
        now: float,
        *,
        fresh: bool,
        pace: Pace = DECIDE,
    ) -> dict[Check, bool | None]:
        about, model, consistency = self._about(in_context, now), self._model_there(), self._consistency(fresh)
        try:
            return await self._batches.ask(checks, about=about, model=model, consistency=consistency, pace=pace)
        except AuthorizationUnavailable as exc:
            self._doubt(exc)
            raise

    async def _search(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask something for people."""
        await self.ready()
        model = self._model_there()
        asked = {**body, "authorization_model_id": model, "consistency": self._consistency(False)}
        try:
            answer = await self._client.post(f"/stores/{self._store}/{path}", asked)
            require_same(answer, store=self._store, model=model)
        except AuthorizationUnavailable as exc:
            self._doubt(exc)
            raise
        return answer.body

    def _askable(self, checks: Sequence[Check]) -> list[Check]:
        """Without those the server would refuse, and the rest of their batch with them; they stay unanswered."""
        return [check for check in dict.fromkeys(checks) if self._may_ask(check)]

    def _may_ask(self, check: Check) -> bool:
        try:
            requests.require_check(self._model, check)
        except RequestRefused as exc:
            _log.warning("unanswered: a question that cannot be asked: %s", exc)
            return False
        return True

    def _listed(self, found: Sequence[str], limit: int, now: float) -> Listed:
        return Listed(tuple(found[:limit]), MAY_BE_CUT, self._revision, self._model.model_id, now)

    def _model_there(self) -> str:
        """Without an id the server would take its newest model, whatever that is."""
        if not self._server_model:
            raise AuthorizationUnavailable("the relationship server is not known to be the right one any more")
        return self._server_model

    def _consistency(self, fresh: bool) -> str:
        recent = time.monotonic() - self._relay.moved_at < _CACHE_SECONDS
        return "HIGHER_CONSISTENCY" if fresh or recent or self._always_fresh else "MINIMIZE_LATENCY"

    def _about(self, in_context: InContext | None, now: float) -> dict[str, Any]:
        return about(self._model, in_context, now)

    def _doubt(self, exc: AuthorizationUnavailable) -> None:
        """What the server said may mean that it is not the right one."""
        doubt = refusal_of(exc) if isinstance(exc, ServerRefused) else exc
        if isinstance(doubt, Mispinned):
            self._distrust(doubt.reason, str(doubt))

    def _distrust(self, reason: str, problem: str) -> None:
        if self._refusal != reason:
            _log.critical("everything is denied: %s", problem)
        self._refusal = reason
        self._refused_until = time.monotonic() + _REFUSED_SECONDS
        self._server_model, self._verified_at = "", -1
