"""One initialized session of a legacy upstream over HTTP: calls as POSTs, and its own stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import anyio

from mcp_gateway.errors import GatewayError, UpstreamTimeout
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.body import EVENTS, Body, media_type
from mcp_gateway.upstream.capabilities import Capabilities
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.era import EraContradicted, error_code, refuses_legacy
from mcp_gateway.upstream.http import Headers, HttpClient, failure_of
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listening import NotOffered, Overhear
from mcp_gateway.upstream.picking_up import EventStream
from mcp_gateway.upstream.questions import Hear, Questions, Room
from mcp_gateway.upstream.reading import Reading, ignore
from mcp_gateway.upstream.relay import Relay
from mcp_gateway.upstream.response import Response
from mcp_gateway.upstream.standing import Standing

FAREWELL_SECONDS = 1.0
"""For telling an upstream that a call or a session is over."""
_LISTENING_SECONDS = 3_600.0
"""How long one stream of a session is held, beyond a call's deadline, before it is opened again."""


class SessionLost(Exception):
    """HTTP 404 to a request of a session: the server does not know it any more."""


class LegacySession:
    """One initialized session."""

    def __init__(
        self,
        http: HttpClient,
        headers: Headers,
        hello: Hello,
        *,
        has_id: bool,
        limits: Limits,
        told: Capabilities,
        room: Room | None = None,
    ) -> None:
        self._http = http
        self._headers = headers
        self._has_id = has_id
        self._limits = limits
        self._told = told
        self._room = room
        # The HTTP client's deadline cannot stand still while somebody is asked; the call's own does.
        self._patience = limits.patience_seconds if told else 0.0
        self.hello = hello
        self.standing: Standing | None = None
        """Where the server may also ask, if it has such a stream and there is anything to ask."""

    @property
    def alive(self) -> bool:
        return True

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        request_id = envelope.new_id()
        body = envelope.request(request_id, permit.method, envelope.call_params(permit, request_id, Era.LEGACY))
        try:
            return await self._post(request_id, body, Relay(permit, caller, request_id), permit, caller)
        except (anyio.get_cancelled_exc_class(), UpstreamTimeout):
            # The HTTP client's deadline may come before the caller's; the upstream works on in either case.
            await self._cancel(request_id)
            raise

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        request_id = envelope.new_id()
        return envelope.result(await self._post(request_id, envelope.request(request_id, method, params), ignore))

    def listener(self) -> Standing:
        """To be run in the background as long as the session lasts."""
        self.standing = Standing(self._listened, self._reply, limit=self._limits.response_bytes)
        return self.standing

    def release(self) -> None:
        """The server no longer knows the session, or soon will not."""
        if self.standing is not None:
            self.standing.close()

    async def listen(self, hear: Overhear, opened: Callable[[], None]) -> None:
        """Read the standalone stream until it is over; raises UpstreamFailure and NotOffered."""
        async with self._listened() as response:
            if response.status != 200 or media_type(response) != EVENTS:
                raise _not_listened(response.status)
            opened()
            async with EventStream(Body(response, self._limits.response_bytes), self._listened) as stream:
                while True:
                    message = await stream.receive()
                    if envelope.is_request(message):
                        await self._reply(envelope.reply(message))
                    elif envelope.is_call(message):
                        hear(message)

    def _listened(self, place: str = "") -> AbstractAsyncContextManager[Response]:
        headers = [*self._headers, ("last-event-id", place)] if place else self._headers
        return self._http.stream(headers, patience=_LISTENING_SECONDS)

    async def aclose(self) -> None:
        self.release()
        if not self._has_id:
            return
        with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
            with suppress(GatewayError):  # the server ends idle sessions itself
                await self._http.delete(self._headers)

    async def _post(
        self, request_id: str, body: bytes, hear: Hear, permit: Permit | None = None, caller: Caller | None = None
    ) -> Answer:
        questions = Questions(self._reply, self._limits, permit=permit, caller=caller, told=self._told, room=self._room)
        patience = self._patience if caller else 0.0

        def pick_up(place: str) -> AbstractAsyncContextManager[Response]:
            return self._http.stream([*self._headers, ("last-event-id", place)], patience=patience)

        headers = traced(self._headers, permit)
        limit = self._limits.response_bytes
        reading = Reading(request_id, limit=limit, hear=hear, converse=questions.answer, pick_up=pick_up)

        async def consume(response: Response) -> Answer:
            return self._judged(response.status, await reading.message(response), request_id, permit)

        if caller is None or self.standing is None:
            return await self._http.post(headers, body, consume, patience=patience)
        with self.standing.call(request_id, questions, hear):
            return await self._http.post(headers, body, consume, patience=patience)

    def _judged(self, status: int, message: Message | None, request_id: str, permit: Permit | None) -> Answer:
        if status == 404 and self._has_id:
            raise SessionLost
        if refuses_legacy(status, error_code(message)):
            raise EraContradicted(f"the upstream answered HTTP {status} to a legacy request")
        if message is None:
            raise failure_of(status, permit.tool.risk if permit else None)
        return envelope.answer(message, request_id, Era.LEGACY, permit)

    async def _reply(self, line: bytes) -> None:
        await self._http.post(self._headers, line, discard)

    async def _cancel(self, request_id: str) -> None:
        params = {"requestId": request_id, "reason": "the caller no longer waits"}
        with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
            with suppress(GatewayError):  # the call is over for us either way
                await self._http.post(self._headers, envelope.notification("notifications/cancelled", params), discard)


def traced(headers: Headers, permit: Permit | None) -> Headers:
    """`headers` with the trace the request belongs to, if it belongs to one."""
    trace = permit.request.trace if permit is not None else None
    return headers if trace is None else [*headers, *trace.pairs()]


def _not_listened(status: int) -> Exception:
    """400 and 405 are how servers say that they have no such stream."""
    if status in (400, 405):
        return NotOffered()
    return SessionLost() if status == 404 else failure_of(status, None)


async def discard(response: Response) -> None:
    """Notifications and replies are answered 202; whatever else it is, nobody waits for it."""
