"""One connection of the oldest HTTP transport (MCP 2024-11-05): a GET stream that says where to POST, and answers.

The place to POST must be of the stream's own origin: a server does not choose whom we send things to.
A request that was never posted, or that the server would not take, is safe to send again on another
stream; of one it took, nothing more is heard once the stream is gone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urljoin, urlsplit

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mcp_gateway.errors import GatewayError, OutcomeUnknown, UpstreamFailure, UpstreamProtocolError
from mcp_gateway.model.tool import Risk
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.body import EVENTS, media_type
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.era import EraContradicted
from mcp_gateway.upstream.http import HttpClient, Outgoing, failure_of
from mcp_gateway.upstream.inbox import Inbox, Waiting
from mcp_gateway.upstream.legacy_session import FAREWELL_SECONDS, SessionLost
from mcp_gateway.upstream.questions import Converse, Hear
from mcp_gateway.upstream.response import Response
from mcp_gateway.upstream.sse import EventReader

log = logging.getLogger(__name__)

_STREAM_SECONDS = 24 * 3600.0
"""A stream is as old as its session at most, and no session is older than a day."""
_MAX_ENDPOINT = 2_048
_PLAIN = re.compile(r"[!-\[\]-~]+")
"""What a URL is written in: no space, no control, no backslash, which some parsers take for a slash."""
_MAX_REPLIES = 16
_SETTLING_SECONDS = 0.05
_LOST = (404, 410)
_NO_STREAM = (400, 404, 405, 406)


class SseStream:
    """`run` is its life; started in a task group, it returns when the stream has ended."""

    def __init__(
        self, http: HttpClient, url: str, *, name: str, headers: Sequence[tuple[str, str]], shared: bool, limit: int
    ) -> None:
        self._http = http
        self._url = url
        self._name = name
        self._headers = headers
        self._limit = limit
        self._inbox = Inbox(shared=shared)
        self._endpoint: str | None = None
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._over = False
        self._replies = 0

    @property
    def alive(self) -> bool:
        return self._endpoint is not None and not self._over

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Started when the server has said where to POST; raises, to who starts it, why it has not."""

        request = Outgoing("GET", _target(self._url), [*self._headers, ("accept", EVENTS)], seconds=_STREAM_SECONDS)
        failure: UpstreamFailure | None = None
        try:
            with self._scope:
                async with anyio.create_task_group() as replies:
                    await self._http.send(request, lambda answer: self._read(answer, replies, task_status))
                    replies.cancel_scope.cancel()
        except* GatewayError as group:
            failure = self._failed(group)
        except* Exception as group:
            # The group of tasks we live in also owns every other upstream.
            log.error("the stream of %s is ended after %s", self._name, type(group.exceptions[0]).__name__)
        finally:
            self._over = True
            self._inbox.fail_all(failure if isinstance(failure, UpstreamProtocolError) else None)
            self._ended.set()
        if self._endpoint is None:
            raise failure or UpstreamProtocolError("the upstream's stream ended before it said where to post")

    async def request(
        self,
        request_id: str,
        body: bytes,
        *,
        risk: Risk | None,
        hear: Hear,
        converse: Converse,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Message:
        """The answer; raises SessionLost when the request was not taken. `headers` are of this request alone."""
        waiting = self._inbox.open(request_id)

        async def receive() -> Message:
            message = await waiting.receive()
            return self._outcome(waiting) if message is None else message

        try:
            await self._sent(body, waiting, risk, headers)
            return await converse(receive, hear)
        finally:
            self._inbox.close(request_id)

    async def post(self, body: bytes) -> None:
        """A notification, or an answer to what the server asked."""
        await self._posted(body, None)

    def close(self) -> None:
        self._over = True
        self._scope.cancel()

    async def aclose(self) -> None:
        self.close()
        if self._endpoint is not None:
            with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
                await self._ended.wait()

    def _outcome(self, waiting: Waiting) -> Message:
        if waiting.answer is not None:
            return waiting.answer
        raise waiting.failure or OutcomeUnknown("the upstream's stream ended before the answer")

    async def _sent(self, body: bytes, waiting: Waiting, risk: Risk | None, headers: Sequence[tuple[str, str]]) -> None:
        if not self.alive:
            raise SessionLost
        try:
            await self._posted(body, risk, headers)
        except UpstreamFailure as exc:
            # A stream that we ended may be why the post broke; then it says what was wrong.
            with anyio.move_on_after(_SETTLING_SECONDS):
                await self._ended.wait()
            if waiting.answer is None:  # an answer may come before the receipt does
                raise (waiting.failure or exc) from exc

    async def _posted(self, body: bytes, risk: Risk | None, headers: Sequence[tuple[str, str]] = ()) -> None:
        async def consume(response: Response) -> None:
            if response.status in _LOST:
                self.close()
                raise SessionLost
            if not 200 <= response.status < 300:
                raise failure_of(response.status, risk)

        if self._endpoint is None:
            raise SessionLost
        await self._http.send(Outgoing("POST", self._endpoint, [*self._headers, *headers], body), consume)

    async def _read(self, response: Response, replies: TaskGroup, task_status: TaskStatus[None]) -> None:
        if response.status in _NO_STREAM:
            raise EraContradicted(f"the upstream answered HTTP {response.status} to a request for its stream")
        if response.status != 200:
            raise failure_of(response.status, None)
        if media_type(response) != EVENTS:
            raise EraContradicted("the upstream has no stream of events there")
        reader = _Reader(self._limit)
        while (chunk := await response.read_chunk()) is not None:
            events = reader.fed(chunk)
            if self._endpoint is None and reader.endpoint is not None:
                self._endpoint = endpoint_of(self._url, reader.endpoint)
                task_status.started()
            for data in events:
                self._heard(data, replies)

    def _heard(self, data: bytes, replies: TaskGroup) -> None:
        try:
            message = envelope.parse(data)
        except UpstreamProtocolError:
            log.debug("%s sent an event that is not JSON-RPC", self._name)
            return
        if not self._inbox.take(message) and self._replies < _MAX_REPLIES:
            self._replies += 1
            replies.start_soon(self._reply, message)

    async def _reply(self, message: Message) -> None:
        try:
            with anyio.move_on_after(FAREWELL_SECONDS), suppress(GatewayError, SessionLost):
                await self.post(envelope.reply(message))
        finally:
            self._replies -= 1

    def _failed(self, group: BaseExceptionGroup[GatewayError]) -> UpstreamFailure:
        first = group.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if self._endpoint is not None:
            log.info("the stream of %s ended: %s", self._name, first)
        return first if isinstance(first, UpstreamFailure) else UpstreamProtocolError(str(first))


class _Reader(EventReader):
    """Also finds the endpoint, and bounds what is held of an event that is not complete."""

    __slots__ = ("_data_bytes", "_limit", "_line_bytes", "endpoint")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._line_bytes = 0
        self._data_bytes = 0
        self.endpoint: bytes | None = None

    def fed(self, chunk: bytes) -> list[bytes]:
        """Raises UpstreamProtocolError."""
        events = self.feed(chunk)
        self._line_bytes = self._line_bytes + len(chunk) if len(self._pieces) > 1 else sum(map(len, self._pieces))
        if self._line_bytes + self._data_bytes > self._limit:
            raise UpstreamProtocolError("the upstream's event is too large")
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if line.startswith(b"data"):
            self._data_bytes += len(line)
        super()._line(line, events)

    def _dispatch(self, events: list[bytes]) -> None:
        if self._event == b"endpoint" and self.endpoint is None:
            self.endpoint = b"\n".join(self._data)
        self._data_bytes = 0
        super()._dispatch(events)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def endpoint_of(url: str, said: bytes) -> str:
    """Path and query of the endpoint; raises UpstreamProtocolError for one that is not the stream's server."""
    text = said.decode("ascii", "replace")
    if len(text) > _MAX_ENDPOINT or not _PLAIN.fullmatch(text):
        raise UpstreamProtocolError("the upstream's endpoint is no URL")
    try:
        ours, theirs = urlsplit(url), urlsplit(urljoin(url, text))
        same = (ours.scheme, ours.hostname, _port(ours.scheme, ours.port)) == (
            theirs.scheme,
            theirs.hostname,
            _port(theirs.scheme, theirs.port),
        )
    except ValueError:
        raise UpstreamProtocolError("the upstream's endpoint is no URL") from None
    if not same or theirs.username is not None or theirs.password is not None:
        raise UpstreamProtocolError("the upstream's endpoint is at another server, where nothing is sent")
    return _target(theirs.geturl())


def _port(scheme: str, port: int | None) -> int:
    return port or (443 if scheme == "https" else 80)
