"""Bring one sink all there is, in order per writer and at least once, beside whatever the gateway does.

The sink may be slow, hang, refuse or be gone for a day: the records wait on the disk, calls never wait for
it, and that it is behind is logged and recorded. Of several processes the one that holds the lock runs it.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread

from mcp_gateway.audit.sinks.position import FOLDER, Position, State, load, store, turn
from mcp_gateway.audit.sinks.reading import MOST_RECORDS, Batch, Gap, Reader
from mcp_gateway.audit.sinks.sink import Sink, SinkFailure, Taken
from mcp_gateway.errors import AuditUnavailable, GatewayError

_log = logging.getLogger(__name__)

_TURN_SECONDS = 1.0
"""Between two looks whether the process that runs the sink has died."""
_LONGEST_ASKED = 300.0
_LAST_SECONDS = 2.0
"""How long a stop waits for the last records to be taken."""
_BREATH_SECONDS = 0.02
"""Between full batches, so that catching up leaves the processor to the calls."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient following is; seconds."""

    look: float = 0.5
    """Between two looks for new records."""
    deadline: float = 15.0
    """Of one delivery."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    store: float = 1.0
    """The most that is sent again after a kill."""


class Following:
    """`run` it in a task. `record` writes an event to the audit: what happened to the sink is part of it."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        directory: Path,
        *,
        record: Callable[..., Awaitable[object]],
        warn_after: float,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._sink = sink
        self._reader = Reader(directory)
        self._folder = directory / FOLDER
        self._record = record
        self._warn_after = warn_after
        self._pace = pace or Pace()
        self._clock = clock
        self._state = State()
        self._stored = State()
        self._stored_at = 0.0
        self._most = MOST_RECORDS
        self._is_behind = False
        # A thread of its own: another sink may hang in its own disk.
        self._limiter = CapacityLimiter(1)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    await self._while_it_is_ours()
                except OSError as exc:
                    _log.error("the audit sink %s cannot work: %s", self.name, exc.strerror)
                await anyio.sleep(_TURN_SECONDS)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self._sink.aclose()

    async def _while_it_is_ours(self) -> None:
        with turn(self._folder, self.name) as ours:
            if not ours:
                return
            self._state = self._stored = load(self._folder, self.name)
            try:
                while True:
                    await self._once()
            finally:
                await self._last_words()
                with contextlib.suppress(OSError):
                    store(self._folder, self.name, self._state, sync=False)

    async def _last_words(self) -> None:
        """What is there at the end, if it is taken at once; the rest waits for the next start."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(_LAST_SECONDS), contextlib.suppress(OSError):
            while self._state.error is None:
                batch = await to_thread.run_sync(self._take, self._state.places, self._most, limiter=self._limiter)
                if not batch.pieces:
                    return
                try:
                    self._took(batch, await self._send(batch))
                except SinkFailure:
                    return

    async def _once(self) -> None:
        places = self._state.places
        batch = await to_thread.run_sync(self._take, places, self._most, limiter=self._limiter)
        for gap in batch.gaps:
            await self._tell_gap(gap)
        if batch.pieces:
            await self._deliver(batch)
            if batch.records >= self._most:
                await anyio.sleep(_BREATH_SECONDS)
            return
        self._state = replace(self._state, places=batch.after)
        await self._keep(now=False)
        await self._caught_up()
        await anyio.sleep(self._pace.look)

    def _take(self, places: Position, most: int) -> Batch:
        return self._reader.take(places, records=most)

    async def _deliver(self, batch: Batch) -> None:
        """Until it is taken, or has to become smaller."""
        wait = self._pace.first_wait
        while True:
            try:
                taken = await self._send(batch)
            except SinkFailure as failure:
                await self._failed(batch, failure)
                if failure.too_large and batch.records > 1:
                    self._most = max(1, batch.records // 2)
                    return
                asked = min(failure.retry_after or 0.0, _LONGEST_ASKED)
                await anyio.sleep(max(asked, wait * random.uniform(0.8, 1.2)))
                wait = min(wait * 2, self._pace.longest_wait)
            else:
                await self._was_taken(batch, taken)
                return

    async def _send(self, batch: Batch) -> Taken:
        try:
            with anyio.fail_after(self._pace.deadline):
                return await self._sink.send(batch)
        except TimeoutError as exc:
            raise SinkFailure(f"it did not take the records within {self._pace.deadline:g} s") from exc
        except GatewayError as exc:
            raise SinkFailure(str(exc)) from exc
        except OSError as exc:
            raise SinkFailure(exc.strerror or type(exc).__name__) from exc

    async def _failed(self, batch: Batch, failure: SinkFailure) -> None:
        if self._state.error != str(failure):
            _log.warning("the audit sink %s takes no records: %s", self.name, failure)
        self._state = replace(
            self._state, error=str(failure), error_at=self._clock(), failures=self._state.failures + 1
        )
        await self._keep(now=True)
        await self._warn(batch)

    async def _was_taken(self, batch: Batch, taken: Taken) -> None:
        state = self._state
        self._took(batch, taken)
        if taken.rejected:
            _log.error("the audit sink %s rejected %d records: %s", self.name, taken.rejected, taken.said)
            await self._tell("sink.rejected", count=taken.rejected, said=taken.said)
        await self._keep(now=state.error is not None)
        await self._warn(batch)

    def _took(self, batch: Batch, taken: Taken) -> None:
        self._most = min(MOST_RECORDS, self._most * 2)
        state = self._state
        self._state = replace(
            state,
            places=batch.after,
            sent=state.sent + batch.records,
            sent_at=self._clock(),
            error=None,
            failures=0,
            rejected=state.rejected + taken.rejected,
        )

    async def _keep(self, *, now: bool) -> None:
        if self._state == self._stored or (not now and time.monotonic() - self._stored_at < self._pace.store):
            return
        state, self._stored_at = self._state, time.monotonic()
        try:
            await to_thread.run_sync(store, self._folder, self.name, state, limiter=self._limiter)
            self._stored = state
        except OSError as exc:
            # Nothing is lost: from the older position records are sent again.
            _log.warning("the position of the audit sink %s is not stored: %s", self.name, exc.strerror)

    async def _warn(self, batch: Batch) -> None:
        oldest = batch.oldest_at
        late = 0.0 if oldest is None else self._clock() - oldest
        if self._is_behind or late < self._warn_after:
            return
        self._is_behind = True
        _log.error("the audit sink %s is %d s behind: %s", self.name, late, self._state.error or "it is slow")
        await self._tell("sink.behind", seconds=round(late), error=self._state.error)

    async def _caught_up(self) -> None:
        if not self._is_behind:
            return
        self._is_behind = False
        _log.info("the audit sink %s has caught up", self.name)
        await self._tell("sink.caught_up", sent=self._state.sent)

    async def _tell_gap(self, gap: Gap) -> None:
        _log.error("the audit sink %s: %s goes on from %d with %d", self.name, gap.writer, gap.after, gap.before)
        await self._tell("sink.gap", writer=gap.writer, after=gap.after, before=gap.before)

    async def _tell(self, kind: str, **named: object) -> None:
        try:
            await self._record(kind, "gateway", sink=self.name, **named)
        except AuditUnavailable:
            _log.error("%s of the audit sink %s could not be recorded", kind, self.name)
