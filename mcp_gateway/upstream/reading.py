"""Reads the one JSON-RPC answer out of an HTTP response, JSON or event stream, for both eras."""

from __future__ import annotations

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.body import EVENTS, JSON, Body, media_type
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.picking_up import EventStream, PickUp
from mcp_gateway.upstream.questions import Converse, Hear, no_questions
from mcp_gateway.upstream.response import Response


async def ignore(_message: Message) -> None:
    """For notifications nobody waits for."""


class Reading:
    """`hear` takes notifications until the answer comes; `converse` settles what the upstream asks meanwhile.

    `pick_up` goes on with a stream that was closed, in the era that has that.
    """

    __slots__ = ("_converse", "_hear", "_id", "_limit", "_pick_up")

    def __init__(
        self,
        request_id: str,
        *,
        limit: int,
        hear: Hear = ignore,
        converse: Converse = no_questions,
        pick_up: PickUp | None = None,
    ) -> None:
        self._id = request_id
        self._limit = limit
        self._hear = hear
        self._converse = converse
        self._pick_up = pick_up

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
        async with EventStream(body, self._pick_up) as stream:
            answer = await self._converse(stream.receive, self._hear)
            await stream.ended()
            return answer
