"""uvicorn's HTTP/1.1 with the bounds it lacks: how long a request's head may take, how large it may be, how many connect;
and a turnstile, which sends requests away before they cost anything when there are too many.

On the event loop, so a request crosses no thread; that is what it has over granian. What a request's
headers may say is `edge`'s business.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from mcp_gateway.transport.reply import AT_ONCE
from mcp_gateway.transport.turnstile import Scope, Turnstile, refusal

HEAD_SECONDS = 10.0
"""From the first byte of a request, or from connecting, until its headers are there."""
IDLE_SECONDS = 75
"""Between two requests. Longer than clients and load balancers keep an idle connection: who closes first
must be the one who would send, or a request crosses the close on its way."""
MAX_HEAD_BYTES = 65_536
"""Of what is not a body: a head, and also sizes of chunks and trailers."""

_UNREAD_SECONDS = 1.0
_COPIED_BYTES = 16_384
"""Up to this one buffer is quicker than two."""

_ENDING = b"content-length: 0\r\nconnection: close\r\n\r\n"
_MALFORMED = b"HTTP/1.1 400 Bad Request\r\n" + _ENDING
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _ENDING
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _ENDING
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n" + _ENDING
_BLANK = (b" ", b"\t")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class Http1(HttpToolsProtocol):
    """One connection; `most` of them at a time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        most: int,
        turnstile: Turnstile | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._most = most
        self._turnstile = turnstile
        self._timer: asyncio.TimerHandle | None = None
        self._held: tuple[RequestResponseCycle, asyncio.TimerHandle] | None = None
        """A request that will be refused, and when."""
        self._answering: RequestResponseCycle | None = None
        """The request that is being answered, or was last; `cycle` is the last one that came."""
        self._idle_until: float | None = None
        """None while a request is under way, and after an answer that went ASGI's way: uvicorn has a timer for that."""
        self._idle_timer: asyncio.TimerHandle | None = None
        """One for many requests in turn: to begin and to end one each time costs more than to look again."""
        self._overhead = 0
        self._in_head = self._in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._joining = _Joining(transport, self.loop)
        self.transport = cast("asyncio.Transport", self._joining)
        if len(self.connections) > self._most:
            self._refuse(_TOO_MANY)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unset_keepalive_if_required()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._answering is not None:
            # Or a circle would keep the connection and the head of its last request until the collector comes.
            cast("Scope", self._answering.scope).pop(AT_ONCE, None)
        if self._held is not None:
            cycle, timer = self._held
            timer.cancel()
            cycle.on_response, self._held = _nothing, None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._overhead += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
            return
        if self._overhead > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        elif self._in_head and self._timer is None:
            self._expect_head()

    def timeout_keep_alive_handler(self) -> None:
        if not self._in_head:  # how long a head may take has a timer of its own
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # The reader leaves the blanks behind a value, which are not part of it (RFC 9110 §5.5).
        if value[-1:] in _BLANK:
            value = value.strip(b" \t")
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._overhead = 0
        self._stop_timer()
        # Not before: bytes that begin no request, or are left of a body that nobody reads, must not hold a connection.
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._overhead = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the reader takes the body for another protocol's
        self._in_body = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._idle_until = None
        pause = None if self._turnstile is None else self._turnstile.refuses(cast("Scope", cycle.scope))
        if pause is None:
            self._answering = cycle
            cast("Scope", cycle.scope)[AT_ONCE] = self._answer_at_once
            super()._start_asgi_task(cycle, app)
        else:
            self._hold(cycle, pause)

    def _answer_at_once(self, head: bytes, body: bytes) -> bool:
        """`head` without its last line. False when the answer has to go ASGI's way, which can wait for the client."""
        cycle = self._answering
        assert cycle is not None
        if self.flow.write_paused or cycle.disconnected or cycle.response_started or len(body) > _COPIED_BYTES:
            return False
        self._say(cycle, head + b"".join([b"%b: %b\r\n" % line for line in cycle.default_headers]), body)
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if self.pipeline or not cycle.keep_alive:
            cycle.on_response()
        else:
            self._rest()
        return True

    def _say(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> None:
        """All of an answer."""
        cycle.response_started = cycle.response_complete = True
        ending = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        self._joining.write_at_once(b"".join((head, ending, body)))
        if not cycle.keep_alive:
            self.transport.close()

    def _rest(self) -> None:
        """What `on_response_complete` does while nothing else waits on this connection."""
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle_timer = None
        if self._idle_until is None:
            return  # the next answer begins it anew
        left = self._idle_until - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._look_whether_idle)
        else:
            self.timeout_keep_alive_handler()

    def _hold(self, cycle: RequestResponseCycle, seconds: float) -> None:
        self._held = cycle, self.loop.call_later(seconds, self._turn_away, cycle)

    def _turn_away(self, cycle: RequestResponseCycle) -> None:
        if self.flow.write_paused:  # nobody reads what we say; what we say must not pile up
            self._hold(cycle, _UNREAD_SECONDS)
            return
        self._held = None
        answered, cycle.on_response, cycle.body = cycle.on_response, _nothing, bytearray()
        if self.transport.is_closing():
            return
        self._say(cycle, *refusal())
        answered()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            self._feed_without_upgrade(data[exc.args[0] :])

    def _feed_without_upgrade(self, rest: bytes) -> None:
        """Answer as if no other protocol had been asked for (RFC 9110 §7.8).

        Clients that would like HTTP/2 ask so with every request (Java's do), and the reader ends at the headers then.
        """
        framing = [b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING]
        self.parser = httptools.HttpRequestParser(_AfterHead(self))
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n")
        self._feed(rest)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._refuse(_TOO_SLOW if self._in_head else b"")

    def _refuse(self, answer: bytes) -> None:
        """Say it if nothing else is being said on this connection, and close."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        self._stop_timer()
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                answer = b""
        if answer and not self.transport.is_closing():
            self.transport.write(answer)
        self.transport.close()


def _nothing() -> None:
    """In place of what leads from an answered request back to its connection: a circle only the collector would end."""


class _Joining:
    """A transport that sends the head of an answer with what follows it: one packet and one system call less per call."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            if len(data) < _COPIED_BYTES:
                self._transport.write(head + data)
            else:
                self._transport.writelines((head, data))
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._flush)  # nothing may follow for long: a stream of events
        else:
            self._transport.write(data)

    def write_at_once(self, data: bytes) -> None:
        self._flush()
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


class _AfterHead:
    """Passes on what a reader finds, but for the head it is given first."""

    def __init__(self, protocol: Http1) -> None:
        self._protocol = protocol
        self._headed = False

    def on_message_begin(self) -> None:
        if self._headed:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._headed:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._headed:
            self._protocol.on_headers_complete()
        self._headed = True

    def on_body(self, body: bytes) -> None:
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        self._protocol.on_message_complete()
