"""An event stream that goes on after it was closed, where its server keeps the place (MCP 2025-11-25 transports).

A server may close the stream of a request that takes long, to have its connection back; the client comes
again with the id of the last event. The request is not sent again: only what it is answered with is read on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeAlias

import anyio

from mcp_gateway.errors import LimitExceeded, OutcomeUnknown, UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.body import EVENTS, Body, media_type
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.response import Response

PickUp: TypeAlias = Callable[[str], AbstractAsyncContextManager[Response]]
"""Opens the stream again behind the event of that id."""

MIN_PAUSE_SECONDS = 0.05
"""However eager the server is."""
MAX_TIMES = 1_000


class EventStream:
    """The messages of a stream, in order. An async context manager, which closes what it opened again."""

    __slots__ = ("_body", "_opened", "_pick_up", "_times", "_waiting")

    def __init__(self, body: Body, pick_up: PickUp | None) -> None:
        self._body = body
        self._pick_up = pick_up
        self._waiting: deque[bytes] = deque()
        self._opened: AsyncExitStack | None = None
        self._times = 0

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._opened is not None:
            await self._opened.aclose()

    async def receive(self) -> Message:
        """Raises OutcomeUnknown when the stream is over."""
        while not self._waiting:
            found = await self._body.events()
            if found is None:
                await self._open_again()
            else:
                self._waiting.extend(found)
        return envelope.parse(self._waiting.popleft())

    async def ended(self) -> None:
        """The answer is here; another one would be for somebody else."""
        later = [*self._waiting, *await self._body.last_events()]
        if any(not envelope.is_call(envelope.parse(data)) for data in later):
            raise UpstreamProtocolError("the upstream answered twice")

    async def _open_again(self) -> None:
        place, left, pause = self._body.place, self._body.left, self._body.pause_seconds
        self._times += 1
        if self._pick_up is None or not place or self._times > MAX_TIMES:
            raise OutcomeUnknown("the upstream's stream ended before the answer")
        await self.__aexit__()
        await anyio.sleep(max(pause, MIN_PAUSE_SECONDS))
        self._opened = AsyncExitStack()
        try:
            response = await self._opened.enter_async_context(self._pick_up(place))
        except (UpstreamUnavailable, LimitExceeded) as exc:
            raise OutcomeUnknown("the upstream closed its stream and cannot be reached again") from exc
        if response.status != 200 or media_type(response) != EVENTS:
            raise OutcomeUnknown("the upstream closed its stream and does not go on with it")
        self._body = Body(response, left, place=place)
