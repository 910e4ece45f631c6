"""Reads the one JSON-RPC answer out of an HTTP response, JSON or event stream, for both eras."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pyreqwest.response import Response

from mcp_gateway.errors import OutcomeUnknown, UpstreamProtocolError
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.http import EVENTS, JSON, Body, media_type

Hear: TypeAlias = Callable[[Message], Awaitable[None]]


async def ignore(_message: Message) -> None:
    """For notifications nobody waits for."""


async def refuse(_message: Message) -> None:
    """For requests of an upstream that may not send any."""
    raise UpstreamProtocolError("the upstream sent a request in an era that has none")


class Reading:
    """`hear` takes notifications until the answer comes; `serve` takes requests of the upstream."""

    __slots__ = ("_hear", "_id", "_limit", "_serve")

    def __init__(self, request_id: str, *, limit: int, hear: Hear = ignore, serve: Hear = refuse) -> None:
        self._id = request_id
        self._limit = limit
        self._hear = hear
        self._serve = serve

    async def message(self, response: Response) -> Message | None:
        """The answer; None for a refusal that is not JSON-RPC."""
        kind = media_type(response)
        if response.status != 200:
            return await self._refusal(response, kind)
        if kind == JSON:
            return envelope.parse(await Body(response, self._limit).whole())
        if kind == EVENTS:
            return await self._stream(Body(response, self._limit))
        raise UpstreamProtocolError("the upstream's answer is neither JSON nor an event stream")

    async def _refusal(self, response: Response, kind: str) -> Message | None:
        if kind != JSON:
            return None
        data = await Body(response, self._limit).whole()
        try:
            message = envelope.parse(data)
        except UpstreamProtocolError:
            return None
        # An HTTP refusal belongs to its request even when the server could not read the id.
        return {**message, "id": self._id} if "error" in message else None

    async def _stream(self, body: Body) -> Message:
        while (events := await body.events()) is not None:
            for index, data in enumerate(events):
                message = envelope.parse(data)
                if not envelope.is_call(message):
                    await self._nothing_follows(body, events[index + 1 :])
                    return message
                await (self._serve if envelope.is_request(message) else self._hear)(message)
        raise OutcomeUnknown("the upstream's stream ended before the answer")

    async def _nothing_follows(self, body: Body, events: list[bytes]) -> None:
        later = [*events, *await body.last_events()]
        if any(not envelope.is_call(envelope.parse(data)) for data in later):
            raise UpstreamProtocolError("the upstream answered twice")
