"""What was traced on its way to a collector: a bounded queue, batches, a few attempts. No call ever waits for it.

What does not fit, and what the collector does not take in time, is dropped, counted, and said in the log now and then.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from mcp_gateway.telemetry.tracing import Walk
from mcp_gateway.telemetry.tracing_wire import encoded, request

_GATHER_SECONDS = 1.0
"""How long the first of a batch waits for others."""
_BATCH_SPANS = 2_048
_AT_ONCE = 16
"""Requests whose spans are written before others get their turn: half a millisecond."""
_PAUSES = (0.5, 2.0)
"""Before another attempt; there is one more than these."""
_LONGEST_PAUSE = 10.0
_SILENCE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class NotTaken(Exception):
    """The collector did not take a batch. `after` are the seconds to wait before it may take it, None = never."""

    def __init__(self, why: str, *, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


@dataclass(slots=True)
class Sent:
    """Since the start, in spans."""

    exported: int = 0
    dropped: int = 0


class Exporter:
    """`post` sends one batch and says how many of its spans were refused, or raises NotTaken; within its own deadline."""

    def __init__(
        self,
        post: Callable[[bytes], Awaitable[int]],
        *,
        resource: Mapping[str, str],
        version: str,
        queue_spans: int,
        gather_seconds: float = _GATHER_SECONDS,
    ) -> None:
        self.sent = Sent()
        self._post = post
        self._resource = resource
        self._version = version
        self._queue_spans = queue_spans
        self._gather_seconds = gather_seconds
        self._queue: deque[Walk] = deque()
        self._queued = self._flying = 0
        self._some = anyio.Event()
        self._many = anyio.Event()
        self._closing = anyio.Event()
        self._idle = True
        self._silent_until = 0.0
        self._unsaid = 0

    @property
    def queued(self) -> int:
        """Spans that wait."""
        return self._queued

    def submit(self, walk: Walk) -> None:
        """Take it along with the next batch, if there is room."""
        count = len(walk.spans)
        if self._queued + count > self._queue_spans:
            self._dropped(count, "they come faster than the collector takes them")
            return
        self._queue.append(walk)
        before, self._queued = self._queued, self._queued + count
        if not before:
            self._some.set()
        if self._queued >= _BATCH_SPANS > before:
            self._many.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._some.wait()
            with anyio.move_on_after(self._gather_seconds):
                await self._many.wait()
            self._many = anyio.Event()
            self._idle = False
            while self._queue:
                await self._ship()
            self._idle = True
            self._some = anyio.Event()

    async def flush(self, seconds: float) -> None:
        """Send what waits, once, and no longer than that; for the end."""
        self._closing.set()
        self._many.set()
        with anyio.move_on_after(seconds):
            while self._queue or not self._idle:
                await anyio.sleep(0.01)
        if left := self._queued + self._flying:
            self._silent_until = 0.0
            self._dropped(left, "the gateway stops before the collector took them")

    async def _ship(self) -> None:
        spans, self._flying = await self._batch()
        count = self._flying
        body = request(spans, self._resource, scope="mcp_gateway", version=self._version)
        try:
            refused = await self._posted(body)
        except NotTaken as exc:
            self._dropped(count, str(exc))
            return
        except Exception:
            # Whatever it is, the group of tasks we live in serves everybody.
            _log.exception("a batch of spans could not be sent")
            self._dropped(count, "they could not be sent")
            return
        finally:
            self._flying = 0
        self.sent.exported += count - min(refused, count)
        if refused:
            self._dropped(min(refused, count), "the collector refused them")

    async def _batch(self) -> tuple[list[bytes], int]:
        spans: list[bytes] = []
        count = 0
        while self._queue and count < _BATCH_SPANS:
            walk = self._queue.popleft()
            spans.append(encoded(walk))
            count += len(walk.spans)
            self._queued -= len(walk.spans)
            if len(spans) % _AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
        return spans, count

    async def _posted(self, body: bytes) -> int:
        for pause in _PAUSES:
            try:
                return await self._post(body)
            except NotTaken as exc:
                if exc.after is None or self._closing.is_set():
                    raise
                await self._rest(max(pause, min(exc.after, _LONGEST_PAUSE)))
        return await self._post(body)

    async def _rest(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._closing.wait()

    def _dropped(self, count: int, why: str) -> None:
        self.sent.dropped += count
        self._unsaid += count
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE_SECONDS
            _log.warning("%d spans were dropped: %s; %d since the start", self._unsaid, why, self.sent.dropped)
            self._unsaid = 0
