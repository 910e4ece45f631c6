"""The stream of a legacy session that belongs to no call (HTTP GET): some servers put their questions there.

Nothing on it names a call, so it is believed only while exactly one call of the session is under way;
otherwise a question is refused. A server without such a stream is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, TypeAlias, cast

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import GatewayError, LimitExceeded, UpstreamFailure, UpstreamProtocolError
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.body import EVENTS, Body, media_type
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.questions import Hear, Questions, Send
from mcp_gateway.upstream.response import Response

log = logging.getLogger(__name__)

Open: TypeAlias = Callable[[str], AbstractAsyncContextManager[Response]]
"""Opens the stream, behind the event of that id unless it is empty."""

_LONGEST_PAUSE_SECONDS = 30.0


class Standing:
    """`run` is its life. `settled` is set once it is known whether there is such a stream."""

    def __init__(self, open_stream: Open, send: Send, *, limit: int) -> None:
        self._open = open_stream
        self._send = send
        self._limit = limit
        self._calls: dict[str, tuple[Questions, Hear]] = {}
        self._scope = anyio.CancelScope()
        self._backoff = 1.0
        self.settled = anyio.Event()

    @contextmanager
    def call(self, request_id: str, questions: Questions, hear: Hear) -> Generator[None, None, None]:
        """While a call is under way."""
        self._calls[request_id] = (questions, hear)
        try:
            yield
        finally:
            del self._calls[request_id]
            questions.close()

    def close(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        try:
            with self._scope:
                async with anyio.create_task_group() as asking:
                    await self._listen(asking)
        except* Exception as group:
            # The group of tasks we live in also owns every other upstream.
            log.warning("the stream of a session ended after %s", type(group.exceptions[0]).__name__)
        finally:
            self.settled.set()

    async def _listen(self, asking: TaskGroup) -> None:
        place, pause = "", 0.0
        while True:
            try:
                async with self._open(place) as response:
                    if response.status != 200 or media_type(response) != EVENTS:
                        return
                    self.settled.set()
                    body = Body(response, self._limit, place=place)
                    await self._read(body, asking)
                    place, pause = body.place, body.pause_seconds
            except (UpstreamFailure, LimitExceeded) as exc:
                log.debug("the stream of a session broke: %s", exc)
            await anyio.sleep(max(pause, self._backoff))
            self._backoff = min(self._backoff * 2, _LONGEST_PAUSE_SECONDS)

    async def _read(self, body: Body, asking: TaskGroup) -> None:
        while (events := await body.events()) is not None:
            self._backoff = 1.0
            for data in events:
                with suppress(UpstreamProtocolError):  # what is no message is nobody's
                    await self._heard(envelope.parse(data), asking)

    async def _heard(self, message: Message, asking: TaskGroup) -> None:
        if envelope.is_request(message):
            await self._asked(message, asking)
        elif envelope.is_call(message):
            await self._told(message)

    async def _asked(self, message: Message, asking: TaskGroup) -> None:
        only = self._only_one()
        if only is None or message["method"] == "ping":
            with suppress(GatewayError):
                await self._send(envelope.reply(message))
        else:
            await only[0].pushed(message, asking)

    async def _told(self, message: Message) -> None:
        """As on the pipe of a child: progress names its call by our token, what names none is the only caller's."""
        if message["method"] == "notifications/cancelled":
            for questions, _ in self._calls.values():
                questions.withdraw(message)
            return
        params: object = message.get("params")
        token: object = cast("Mapping[str, Any]", params).get("progressToken") if isinstance(params, dict) else None
        call = self._calls.get(token) if isinstance(token, str) else self._only_one()
        if call is not None:
            with suppress(GatewayError):  # a client that is gone ends its call by itself
                await call[1](message)

    def _only_one(self) -> tuple[Questions, Hear] | None:
        return next(iter(self._calls.values())) if len(self._calls) == 1 else None
