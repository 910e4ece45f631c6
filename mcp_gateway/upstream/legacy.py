"""The 2024-11-05 to 2025-11-25 leg over HTTP: `initialize`, a session per owner, calls as POSTs.

A session's own stream is opened where the client can be asked something, and in the session in which the
gateway itself listens. A session is opened again only on HTTP 404, which says that the request was not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, TypeAlias

import anyio

from mcp_gateway.errors import GatewayError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnavailable
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.principal import Principal
from mcp_gateway.protocol import LATEST_LEGACY_VERSION, LEGACY_VERSIONS
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.body import EVENTS, Body, media_type
from mcp_gateway.upstream.capabilities import EVERYTHING, NOTHING, Capabilities, told
from mcp_gateway.upstream.connection import Response
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.era import EraContradicted, error_code, refuses_legacy
from mcp_gateway.upstream.http import Headers, HttpClient, failure_of
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listening import NotOffered, Offered, Overhear, Wanted
from mcp_gateway.upstream.listening_legacy import Subscriptions
from mcp_gateway.upstream.picking_up import EventStream
from mcp_gateway.upstream.questions import Hear, Questions, Room
from mcp_gateway.upstream.reading import Reading, ignore
from mcp_gateway.upstream.relay import Relay
from mcp_gateway.upstream.sessions import Owner, Sessions, owner
from mcp_gateway.upstream.standing import Standing

FAREWELL_SECONDS = 1.0
"""For telling an upstream that a call or a session is over."""
_LISTENING_SECONDS = 3_600.0
"""How long one stream of a session is held, beyond a call's deadline, before it is opened again."""
_LISTENING_SHARE = 4
"""Such streams take no more than this part of the connections."""
_ASKING_SHARE = 2
"""Calls that wait for somebody to answer hold no more than this part of the connections."""
_SETTLING_SECONDS = 1.0
Spawn: TypeAlias = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
"""Runs something in the background as long as the upstream is configured."""
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")


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

        limit = self._limits.response_bytes
        reading = Reading(request_id, limit=limit, hear=hear, converse=questions.answer, pick_up=pick_up)

        async def consume(response: Response) -> Answer:
            return self._judged(response.status, await reading.message(response), request_id, permit)

        if caller is None or self.standing is None:
            return await self._http.post(self._headers, body, consume, patience=patience)
        with self.standing.call(request_id, questions, hear):
            return await self._http.post(self._headers, body, consume, patience=patience)

    def _judged(self, status: int, message: Message | None, request_id: str, permit: Permit | None) -> Answer:
        if status == 404 and self._has_id:
            raise SessionLost
        if refuses_legacy(status, error_code(message)):
            raise EraContradicted(f"the upstream answered HTTP {status} to a legacy request")
        if message is None:
            raise failure_of(status, permit.tool.risk if permit else None)
        return envelope.answer(message, request_id, Era.LEGACY, permit)

    async def _reply(self, line: bytes) -> None:
        await self._http.post(self._headers, line, _discard)

    async def _cancel(self, request_id: str) -> None:
        params = {"requestId": request_id, "reason": "the caller no longer waits"}
        with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
            with suppress(GatewayError):  # the call is over for us either way
                await self._http.post(self._headers, envelope.notification("notifications/cancelled", params), _discard)


class LegacyLeg:
    era = Era.LEGACY

    def __init__(
        self,
        http: HttpClient,
        credentials: Credentials,
        limits: Limits,
        *,
        shared: bool,
        end: Callable[[LegacySession], None],
        spawn: Spawn | None = None,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._limits = limits
        self._shared = shared
        self._spawn = spawn
        self._listening = 0
        self._room = Room(limits.connections // _ASKING_SHARE)
        self._sessions = Sessions[LegacySession](
            self._begin, end, limit=limits.sessions, idle_seconds=limits.session_idle_seconds
        )

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        who = self._owner(permit.principal, permit.request.capabilities)
        try:
            return await self._once(who, permit, caller)
        except SessionLost:
            pass
        try:
            return await self._once(who, permit, caller)
        except SessionLost as exc:
            raise UpstreamUnavailable("the upstream loses sessions as fast as they are opened") from exc

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        who = self._owner(None, EVERYTHING)
        async with self._sessions.lease(who) as session:
            try:
                return await session.ask(method, params)
            except SessionLost as exc:
                self._forget(who, session)
                raise UpstreamUnavailable("the upstream lost the session") from exc

    async def hello(self) -> Hello:
        async with self._sessions.lease(self._owner(None, EVERYTHING)) as session:
            return session.hello

    async def listen(self, wanted: Wanted, hear: Overhear, opened: Callable[[Offered], None]) -> None:
        """In a session of its own; raises UpstreamFailure and NotOffered."""
        session = await self._begin(self._owner(None, NOTHING))
        try:
            offered = Offered.of(session.hello.capabilities)
            subscriptions = Subscriptions(session.ask, wanted if offered.resources else Wanted())
            await subscriptions.beside(partial(session.listen, hear, partial(opened, offered)))
        except SessionLost as exc:
            raise UpstreamUnavailable("the upstream lost the session") from exc
        finally:
            await session.aclose()

    def sweep(self) -> None:
        self._sessions.sweep()

    def drain(self) -> list[LegacySession]:
        return self._sessions.drain()

    async def _once(self, who: Owner, permit: Permit, caller: Caller) -> Answer:
        async with self._sessions.lease(who) as session:
            try:
                return await session.call(permit, caller)
            except SessionLost:
                self._forget(who, session)
                raise

    def _forget(self, who: Owner, session: LegacySession) -> None:
        self._sessions.forget(who, session)
        session.release()

    def _owner(self, principal: Principal | None, said: Capabilities) -> Owner:
        return owner(principal, self._credentials.current().version, said, shared=self._shared)

    async def _begin(self, who: Owner) -> LegacySession:
        credential = list(self._credentials.current().headers)
        request_id = envelope.new_id()
        body = envelope.request(request_id, "initialize", envelope.initialize(told(who.capabilities)))
        reading = Reading(request_id, limit=self._limits.response_bytes)

        async def consume(response: Response) -> tuple[Mapping[str, Any], str | None]:
            message = await reading.message(response)
            if message is None or (response.status >= 400 and error_code(message) is None):
                raise _not_initialized(response.status)
            if error_code(message) is not None:
                raise EraContradicted("the upstream refused to initialize")
            found = envelope.result(envelope.answer(message, request_id, Era.LEGACY))
            return found, response.get_header("mcp-session-id")

        found, session_id = await self._http.post(credential, body, consume)
        headers = [*credential, ("mcp-protocol-version", agreed(found)), *_session_header(session_id)]
        await self._http.post(headers, envelope.notification("notifications/initialized"), _discard)
        hello = Hello.of(found, Era.LEGACY, agreed(found), envelope.server_info(found))
        has_id = session_id is not None
        capabilities = told(who.capabilities)
        session = LegacySession(
            self._http, headers, hello, has_id=has_id, limits=self._limits, told=capabilities, room=self._room
        )
        if capabilities and who.user and has_id and self._spawn is not None:
            await self._listen(session, self._spawn)
        return session

    async def _listen(self, session: LegacySession, spawn: Spawn) -> None:
        """Before the first call, which may be asked something there; a server in no hurry is not waited for."""
        if self._listening >= self._limits.connections // _LISTENING_SHARE:
            return
        standing = session.listener()

        async def run() -> None:
            self._listening += 1
            try:
                await standing.run()
            finally:
                self._listening -= 1

        spawn(run)
        try:
            with anyio.move_on_after(_SETTLING_SECONDS):
                await standing.settled.wait()
        except BaseException:
            session.release()
            raise


def agreed(found: Mapping[str, Any]) -> str:
    """The version of a session, as the server's answer to `initialize` has it."""
    version: object = found.get("protocolVersion")
    if not isinstance(version, str) or version not in LEGACY_VERSIONS:
        raise UpstreamProtocolError(
            f"the upstream wants a protocol version other than {LATEST_LEGACY_VERSION} and older"
        )
    return version


def _session_header(session_id: str | None) -> list[tuple[str, str]]:
    if session_id is None:
        return []
    if not _SESSION_ID.fullmatch(session_id):
        raise UpstreamProtocolError("the upstream's session id is not valid")
    return [("mcp-session-id", session_id)]


def _not_listened(status: int) -> Exception:
    """400 and 405 are how servers say that they have no such stream."""
    if status in (400, 405):
        return NotOffered()
    return SessionLost() if status == 404 else failure_of(status, None)


def _not_initialized(status: int) -> Exception:
    if status in (400, 404, 405):
        return EraContradicted(f"the upstream answered HTTP {status} to initialize")
    return failure_of(status, None)


async def _discard(response: Response) -> None:
    """Notifications and replies are answered 202; whatever else it is, nobody waits for it."""
