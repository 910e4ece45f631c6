"""One HTTP/1.1 connection to an upstream, on the event loop itself; llhttp (httptools) reads what comes.

A request that crosses to another thread and back costs more than everything the gateway decides
about it (docs/performance.md), so the call path has no other thread. Strict as llhttp is: an answer
that two readers could read differently is refused. What is said here is about one connection;
`pool` holds them, `http` gives the errors their meaning.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from mcp_gateway.upstream.response import (
    IDLE_SECONDS,
    Broken,
    Malformed,
    Response,
    TimedOut,
    WireError,
    idle_seconds_of,
)

_MAX_HEAD_BYTES = 65_536
"""Also of what stands between two pieces of a body and behind the last: sizes of chunks, trailers."""
_MAX_BUFFERED = 262_144
"""Bytes that wait to be read before the upstream is held back."""
_INTERIM = range(100, 200)


class Connection(asyncio.Protocol):
    """One exchange at a time: `begin`, `head`, chunks until None, `finish`."""

    __slots__ = (
        "_bodiless",
        "_buffered",
        "_chunks",
        "_complete",
        "_deadline",
        "_due_at",
        "_error",
        "_head_bytes",
        "_headers",
        "_headers_done",
        "_keep",
        "_looks_at",
        "_loop",
        "_lost",
        "_parser",
        "_paused",
        "_status",
        "_surplus",
        "_transport",
        "_until_eof",
        "_waiter",
        "idle_seconds",
        "idle_since",
        "was_made",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._due_at = self._looks_at = 0.0
        self._error: WireError | None = None
        self._headers: dict[bytes, bytes] = {}
        """By name in lower case; of two with one name the first."""
        self._status = self._head_bytes = 0
        self._headers_done = self._complete = self._keep = self._surplus = self._until_eof = self._bodiless = False
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._paused = False
        self.idle_since = 0.0
        self.idle_seconds = IDLE_SECONDS
        """It is not to be used again when it was idle for longer."""
        self.was_made = False
        """From then on its end is reported."""

    # --- for the pool and the client

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self._error is None

    def begin(self, request: bytes, *, seconds: float, bodiless: bool = False) -> None:
        """Send `request`; `bodiless` says that its answer has no body whatever its headers say (HEAD)."""
        assert self._transport is not None and self._parser is None
        self._headers = {}
        self._status = self._head_bytes = 0
        self._headers_done = self._complete = self._keep = self._surplus = self._until_eof = False
        self._bodiless = bodiless
        self._parser = httptools.HttpResponseParser(self)
        self._due(seconds)
        self._transport.write(request)

    async def head(self) -> Response:
        """The answer, once its head has come. Raises WireError."""
        while not self._headers_done:
            await self._more()
        return Response(self.read_chunk, self._status, self._headers)

    async def read_chunk(self) -> bytes | None:
        while not self._chunks:
            if self._complete:
                return None
            await self._more()
        if len(self._chunks) == 1:
            chunk = self._chunks.popleft()
        else:
            # A server may send its body two bytes at a time; nobody is to keep an object for each.
            chunk = b"".join(self._chunks)
            self._chunks.clear()
        self._buffered = 0
        if self._paused:
            self._resume()
        return chunk

    def finish(self) -> bool:
        """The exchange is over; whether the connection can carry another. If not, it is closed."""
        reusable = self._complete and self._keep and not self._surplus and not self._chunks and self.is_open
        self._parser = None
        self._chunks.clear()
        self._buffered = 0
        if not reusable:
            self.abort()
        return reusable

    def abort(self) -> None:
        self._stop_deadline()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self.was_made = True

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None or self._complete:
            self._surplus = True
            self.abort()  # nobody asked
            return
        self._head_bytes += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._fail(Malformed())
                return
            self._surplus = True  # the answer is whole; what follows it belongs to nobody
        if self._head_bytes > _MAX_HEAD_BYTES and not self._complete:
            self._fail(Malformed())
            return
        self._wake()

    def eof_received(self) -> bool:
        self._ended()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()
        self._stop_deadline()
        self._transport = None
        self._lost(self)

    # --- httptools

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._complete:
            self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        if self._complete or self._parser is None:
            return
        self._status = self._parser.get_status_code()
        if self._status in _INTERIM:
            return
        self._headers_done = True
        if self._bodiless:
            self._complete = True  # and the connection is not used again
        else:
            self._until_eof = b"content-length" not in self._headers and b"transfer-encoding" not in self._headers
            if b"keep-alive" in self._headers:
                self.idle_seconds = idle_seconds_of(self._headers[b"keep-alive"])

    def on_body(self, body: bytes) -> None:
        if self._complete:
            return
        self._head_bytes = 0
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered > _MAX_BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._complete or self._parser is None:
            return
        if not self._headers_done:
            self._headers.clear()  # an interim answer (RFC 9110 §15.2); the final one follows
            return
        self._complete = True
        self._keep = self._parser.should_keep_alive()

    # --- what happened

    async def _more(self) -> None:
        """Until something new came; raises what went wrong."""
        if self._error is not None:
            raise self._error
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._chunks and not self._complete:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: WireError) -> None:
        if self._error is None and not self._complete:
            self._error = error
        self.abort()
        self._wake()

    def _ended(self) -> None:
        if self._parser is None or self._complete:
            return
        if self._headers_done and self._until_eof:
            self._complete = True  # the end of the connection is the end of such a body (RFC 9112 §6.3)
            self._wake()
        else:
            self._fail(Broken())

    def _due(self, seconds: float) -> None:
        """One timer for many exchanges: to begin and to end one each time costs more than to look again."""
        self._due_at = self._loop.time() + seconds
        if self._deadline is not None and self._looks_at > self._due_at:
            self._stop_deadline()
        if self._deadline is None:
            self._look_in(seconds)

    def _look_in(self, seconds: float) -> None:
        self._looks_at = self._loop.time() + seconds
        self._deadline = self._loop.call_later(seconds, self._expire)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self._parser is None:
            return
        left = self._due_at - self._loop.time()
        if left > 0:
            self._look_in(left)
        else:
            self._fail(TimedOut())

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()
