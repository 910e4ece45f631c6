"""The one task that makes checkpoints over the audit and brings them to their second place; never on the call path.

Of several processes on one data directory one does it for all, whoever has the lock; another takes over when
that one ends. A second place that fails is logged, recorded and shown, and tried again for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from mcp_gateway.audit.checkpoint import fingerprint
from mcp_gateway.audit.checkpoint_coverage import read_status, write_status
from mcp_gateway.audit.checkpoint_keeper import Keeper, Made, Ours
from mcp_gateway.audit.checkpoint_key import SigningKeys
from mcp_gateway.compose.checkpoint_places import NotDelivered, SecondPlace, second_places
from mcp_gateway.compose.office import Office
from mcp_gateway.errors import AuditUnavailable, OperatorError
from mcp_gateway.settings import Settings
from mcp_gateway.storage.data_dir import DataDir

_LOOK_SECONDS = 1.0
_FINAL_SECONDS = 10.0
_CLOSING_SECONDS = 2.0

_log = logging.getLogger(__name__)

Record = Callable[..., Awaitable[None]]


class _Round:
    """What one process remembers while it keeps the checkpoints."""

    def __init__(self, settings: Settings, record: Record | None) -> None:
        self.data_dir = DataDir(settings.data_dir)
        self.chosen = settings.audit.checkpoints
        self.keeper = Keeper(self.data_dir.audit, self.data_dir.keys)
        self.record = record
        status = read_status(self.data_dir.audit)
        told: dict[str, Any] = status.get("places") or {}
        self.damage: dict[str, str] = dict(status.get("damage") or {})
        self.places = second_places(self.chosen, told)
        self._failing = ""
        self._written: dict[str, Any] = {}

    async def aclose(self) -> None:
        for place in self.places:
            await place.aclose()

    async def begin(self) -> bool:
        """True when this process is the one to make checkpoints, and has a key for it."""
        try:
            if not await anyio.to_thread.run_sync(self.keeper.begin):
                return False
            await self._make_key()
        except (OSError, OperatorError) as exc:
            await self._failed(str(exc))
            return False
        return True

    async def _make_key(self) -> None:
        """The trail itself tells that it is signed from here on, and by which key."""
        keys = SigningKeys(self.data_dir.keys)
        if not keys.public():
            await anyio.to_thread.run_sync(keys.add)
            await self._event("audit.key_made", key=fingerprint(keys.public()[0]))

    async def make(self, ours: Ours | None) -> bool:
        """A checkpoint over everything new, and to the second place with it; true when there is more to cover."""
        work = partial(self.keeper.make, at=time.time(), ours=ours)
        try:
            made = await anyio.to_thread.run_sync(work)
        except (OSError, OperatorError) as exc:
            await self._failed(str(exc))
            return False
        if self._failing:
            self._failing = ""
            _log.warning("checkpoints of the audit are made again")
        await self._tell_damage(made)
        await self._bring()
        return made.more

    async def _failed(self, why: str) -> None:
        if why == self._failing:
            return
        self._failing = why
        _log.error("no checkpoint of the audit can be made: %s", why)
        await self._event("audit.checkpoint_failed", error=why)

    async def _tell_damage(self, made: Made) -> None:
        for writer, problem in made.damage.items():
            if self.damage.get(writer) == problem:
                continue
            self.damage[writer] = problem
            _log.error("the audit of writer %s is not what was written: %s", writer, problem)
            await self._event("audit.damaged", writer=writer, problem=problem)

    async def _bring(self) -> None:
        standing = self.keeper.standing
        if standing is None or not standing.number:
            return
        for place in self.places:
            if place.told["delivered"] == standing.number and not place.failing_since:
                continue
            try:
                await place.bring(self.keeper, standing.number, standing.log)
            except NotDelivered as exc:
                await self._behind(place, str(exc))
            else:
                await self._delivered(place, standing.number)
        await self._write_status()

    async def _write_status(self) -> None:
        told = {"places": {place.name: dict(place.told) for place in self.places}, "damage": dict(self.damage)}
        if told == self._written:
            return
        try:
            await anyio.to_thread.run_sync(partial(write_status, self.data_dir.audit, **told))
            self._written = told
        except OSError as exc:
            _log.error("the state of the checkpoints cannot be written: %s", exc.strerror)

    async def _behind(self, place: SecondPlace, why: str) -> None:
        first = place.failing_since is None
        changed = place.told.get("error") != why
        place.told["error"] = why
        place.told.setdefault("failing_since", time.time())
        if first or changed:
            _log.error("checkpoints of the audit do not reach the second place (%s): %s", place.name, why)
        if first:
            await self._event("audit.second_place_failed", place=place.name, error=why)

    async def _delivered(self, place: SecondPlace, number: int) -> None:
        failed = place.told.pop("failing_since", None)
        place.told.pop("error", None)
        place.told.update(delivered=number, at=time.time())
        if failed:
            _log.warning("checkpoints of the audit reach the second place (%s) again", place.name)
            await self._event("audit.second_place_back", place=place.name, failing_since=failed)

    async def _event(self, kind: str, **named: object) -> None:
        if self.record is None:
            return
        try:
            await self.record(kind, "gateway", **named)
        except AuditUnavailable as exc:
            _log.error("%s could not be recorded: %s", kind, exc)


async def run_checkpoints(made: Office) -> None:
    """Until it is cancelled; whatever fails is said and tried again, and never ends the server."""
    chosen, writer = made.settings.audit.checkpoints, made.journal.writer
    state = _Round(made.settings, made.journal.event)
    try:
        while not await state.begin():
            await anyio.sleep(chosen.seconds)
        while True:
            seq, head = writer.position
            more = await state.make(Ours(writer.id, seq, head))
            deadline = anyio.current_time() + chosen.seconds
            while not more and anyio.current_time() < deadline and writer.position[0] - seq < chosen.records:
                await anyio.sleep(min(_LOOK_SECONDS, chosen.seconds))
    finally:
        state.keeper.end()
        with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            await state.aclose()


async def last_checkpoint(settings: Settings) -> None:
    """After the journal was closed: what it wrote last is covered too, and this process's writer closed."""
    state = _Round(settings, None)
    with anyio.move_on_after(_FINAL_SECONDS, shield=True) as patience:
        try:
            if await state.begin():
                await state.make(None)
        finally:
            state.keeper.end()
            await state.aclose()
    if patience.cancelled_caught:
        _log.error("the last checkpoint of the audit is not in the second place; the next start brings it")
