"""The replica backend: the embedded engine over a copy of a relationship server's tuples, at most some seconds old.

Until the copy is whole the server is asked. Then reads are answered here, in microseconds, while the
copy is young enough; whatever must be `fresh` is asked of the server still. A copy that is too old
answers nothing: the call is denied.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from mcp_gateway.authorization.backends.replica_copy import LocalCopy
from mcp_gateway.authorization.backends.replica_feed import ReplicaFeed, Source
from mcp_gateway.authorization.backends.replica_log import place_of
from mcp_gateway.authorization.backends.replica_reconcile import reconcile
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Legs, Listed, Relationships
from mcp_gateway.authorization.tree import Expansion
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.database import TUPLE_KINDS
from mcp_gateway.storage.relationships import tuple_of

_log = logging.getLogger(__name__)

_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def since_boot() -> float:
    """Monotonic, and counts on while the machine is suspended where the system can say so: a copy ages meanwhile."""
    return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the replica looks, and how old its copy may be."""

    max_staleness_seconds: float
    look_seconds: float
    reconcile_seconds: float


class ReplicaRelationships:
    """A `Relationships` that also runs: without `run` it is too old after `max_staleness_seconds`."""

    def __init__(
        self,
        model: Model,
        server: Relationships,
        source: Source,
        *,
        pace: Pace,
        changed: Callable[[], None],
        clock: Callable[[], float] = since_boot,
    ) -> None:
        self.server = server
        self._source = source
        self._pace = pace
        self._changed = changed
        self._clock = clock
        self._copy = LocalCopy(model)
        self._engine = self._copy.engine
        self._feed = ReplicaFeed(source, self._copy, changed=changed, clock=clock)
        self._read = self._filled = False
        self._failing = False

    @property
    def revision(self) -> int:
        return self.server.revision

    @property
    def model_id(self) -> str:
        return self._engine.model_id

    @property
    def refusal(self) -> str | None:
        return self.server.refusal or (self._engine.refusal if self._filled else None)

    @property
    def as_of(self) -> float | None:
        """Monotonic seconds: every change the server showed then is in the copy; None until everything was read."""
        return self._feed.as_of if self._filled else None

    def legs(self, object_type: str, relation: str) -> Legs | None:
        return self._engine.legs(object_type, relation)

    async def load(self, database: Database) -> None:
        await self.server.load(database)

    async def follow(self, changes: Sequence[Change]) -> None:
        """Our own writes count in the copy at once; the server gets them before it is asked or looked at again."""
        await self.server.follow(changes)
        own = [(c.kind == "tuple.written", tuple_of(c.payload)) for c in changes if c.kind in TUPLE_KINDS]
        if own:
            self._feed.learn({place_of(one): one if written else None for written, one in own})

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        if fresh or not self._filled:
            found = await self.server.answer(checks, in_context=in_context, now=now, fresh=fresh)
            return Answers(found.answers, found.revision, found.model_id, now)
        until = now + self._left()
        found = await self._engine.answer(checks, in_context=in_context, now=now)
        return Answers(found.answers, self.revision, found.model_id, _earlier(found.valid_until, until))

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        if not self._filled:
            return await self.server.held(subject, relation, objects, in_context=in_context, now=now)
        until = now + self._left()
        found = await self._engine.held(subject, relation, objects, in_context=in_context, now=now)
        return Held(found.objects, self.revision, found.model_id, _earlier(found.valid_until, until))

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        asked = self._engine if self._filled else self.server
        return await asked.witness(check, in_context=in_context, now=now)

    async def list_objects(
        self, subject: str, relation: str, object_type: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        found = await self._asked().list_objects(
            subject, relation, object_type, in_context=in_context, now=now, limit=limit
        )
        return replace(found, revision=self.revision, valid_until=now)

    async def list_users(
        self, object_: str, relation: str, kind: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        found = await self._asked().list_users(object_, relation, kind, in_context=in_context, now=now, limit=limit)
        return replace(found, revision=self.revision, valid_until=now)

    async def expand(self, object_: str, relation: str, *, in_context: InContext | None) -> Expansion:
        return await self._asked().expand(object_, relation, in_context=in_context)

    async def run(self) -> None:
        """Read everything, then look at the server until cancelled."""
        while not self._filled:
            await self._trying(self._fill)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read_again)
            tasks.start_soon(self._reconcile)
            while True:
                await self._trying(self._feed.look)

    def _asked(self) -> Relationships:
        """Who answers what decides nothing."""
        if not self._filled:
            return self.server
        self._left()
        return self._engine

    def _left(self) -> float:
        """For how many seconds the copy may still answer."""
        lag = self._lag()
        if lag > self._pace.max_staleness_seconds:
            raise AuthorizationUnavailable(
                f"the replica has not heard from the relationship server for {lag:.1f} s", code="relationship.stale"
            )
        return self._pace.max_staleness_seconds - lag

    def _lag(self) -> float:
        as_of = self._feed.as_of
        return float("inf") if as_of is None else self._clock() - as_of

    async def _fill(self) -> None:
        if not self._read:
            began = self._clock()
            count = await self._feed.fill()
            self._read = True
            _log.info("the replica has read %d relationships in %.1f s", count, self._clock() - began)
        while self._lag() > self._pace.max_staleness_seconds / 2:
            await self._feed.look()  # after a burst the last minute took long to read
        self._feed.require_log()
        self._filled = True

    async def _trying(self, read: Callable[[], Awaitable[None]]) -> None:
        """Read once and pause; what fails is said once and tried again."""
        try:
            await read()
        except AuthorizationUnavailable as exc:
            if not self._failing:
                _log.error("the replica cannot look at the relationship server: %s", exc)
            self._failing = True
            if self._lag() > self._pace.max_staleness_seconds:
                # What was kept ends by the wall clock, which may have been set back.
                self._changed()
        else:
            if self._failing:
                _log.warning("the replica follows the relationship server again")
            self._failing = False
        await anyio.sleep(self._pace.look_seconds)

    async def _read_again(self) -> None:
        """Half the bound apart: a line that appeared late is found before a look could be too old."""
        while True:
            await anyio.sleep(self._pace.max_staleness_seconds / 2)
            try:
                await self._feed.read_again()
            except AuthorizationUnavailable as exc:
                _log.info("the change log could not be read again: %s", exc)  # the looks say it aloud

    async def _reconcile(self) -> None:
        while True:
            await anyio.sleep(self._pace.reconcile_seconds)
            try:
                await reconcile(self._source, self._copy, self._feed, clock=self._clock)
            except (AuthorizationUnavailable, TimeoutError) as exc:
                _log.error("the replica could not be compared with the relationship server: %s", exc)


def _earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)
