"""The body of an upstream's answer, whole or event by event; decoded bytes are counted while they stream."""

from __future__ import annotations

import anyio

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.upstream.response import Malformed, Response, TimedOut, WireError
from mcp_gateway.upstream.sse import EventReader

JSON = "application/json"
EVENTS = "text/event-stream"
_LAST_EVENTS_SECONDS = 0.05
_MAX_PLACE = 1_024
_PAUSE_SECONDS = 1.0


class Body:
    """The answer's body, up to a number of decoded bytes."""

    __slots__ = ("_declared", "_events", "_left", "_place", "_response")

    def __init__(self, response: Response, limit: int, *, place: str = "") -> None:
        declared = response.get_header("content-length") or ""
        self._declared = int(declared[:20]) if declared.isdecimal() else -1
        if self._declared > limit:
            raise _too_large()
        self._response = response
        self._left = limit
        self._events: EventReader | None = None
        self._place = place
        """Where the stream went on, if it did."""

    @property
    def left(self) -> int:
        """Bytes that may still come."""
        return self._left

    @property
    def place(self) -> str:
        """The id of the last event, as a header may carry it; empty when the stream cannot be picked up there."""
        last = self._events.last_id if self._events is not None else b""
        if not last:
            return self._place
        return last.decode() if len(last) <= _MAX_PLACE and last.isascii() and last.decode().isprintable() else ""

    @property
    def pause_seconds(self) -> float:
        """What the server wants waited before its stream is picked up."""
        said = self._events.retry_ms if self._events is not None else None
        return _PAUSE_SECONDS if said is None else said / 1000

    async def whole(self) -> memoryview:
        first = await self._chunk()
        if first is None:
            return memoryview(b"")
        if len(first) == self._declared:
            return memoryview(first)
        data = bytearray(first)
        while (more := await self._chunk()) is not None:
            data += more
        return memoryview(data)

    async def events(self) -> list[bytes] | None:
        """The next events, at least one; None at the end of the stream, also of one that broke and has a place."""
        reader = self._events = self._events or EventReader()
        while (chunk := await self._event_chunk()) is not None:
            if found := reader.feed(chunk):
                return found
        return None

    async def _event_chunk(self) -> bytes | None:
        try:
            return await self._chunk()
        except (TimedOut, Malformed):
            raise
        except WireError:
            if not self.place:
                raise
            return None

    async def last_events(self) -> list[bytes]:
        """What still arrives at once after the answer. Reading to the end keeps the connection for the next call."""
        with anyio.move_on_after(_LAST_EVENTS_SECONDS):
            try:
                return await self.events() or []
            except WireError:
                pass  # we have the answer
        return []

    async def _chunk(self) -> bytes | None:
        chunk = await self._response.read_chunk()
        if chunk is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise _too_large()
        return chunk


def media_type(response: Response) -> str:
    value = response.get_header("content-type") or ""
    return value if value == JSON else value.partition(";")[0].strip().lower()


def _too_large() -> UpstreamProtocolError:
    return UpstreamProtocolError("the upstream's answer is too large")
