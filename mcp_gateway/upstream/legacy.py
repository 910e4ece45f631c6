"""The 2024-11-05 to 2025-11-25 leg over HTTP: `initialize`, and a session per owner.

A session's own stream is opened where the client can be asked something, and in the session in which the
gateway itself listens. A session is opened again only on HTTP 404, which says that the request was not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeAlias

import anyio

from mcp_gateway.errors import UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.principal import Principal
from mcp_gateway.protocol import LATEST_LEGACY_VERSION, LEGACY_VERSIONS
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.capabilities import EVERYTHING, NOTHING, Capabilities, told
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.era import EraContradicted, error_code
from mcp_gateway.upstream.http import HttpClient, failure_of
from mcp_gateway.upstream.legacy_session import LegacySession, SessionLost, discard
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listening import Offered, Overhear, Wanted
from mcp_gateway.upstream.listening_legacy import Subscriptions
from mcp_gateway.upstream.questions import Room
from mcp_gateway.upstream.reading import Reading
from mcp_gateway.upstream.response import Response
from mcp_gateway.upstream.sessions import Owner, Sessions, owner

_LISTENING_SHARE = 4
"""Such streams take no more than this part of the connections."""
_ASKING_SHARE = 2
"""Calls that wait for somebody to answer hold no more than this part of the connections."""
_SETTLING_SECONDS = 1.0
Spawn: TypeAlias = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
"""Runs something in the background as long as the upstream is configured."""
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")


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
        await self._http.post(headers, envelope.notification("notifications/initialized"), discard)
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


def _not_initialized(status: int) -> Exception:
    if status in (400, 404, 405):
        return EraContradicted(f"the upstream answered HTTP {status} to initialize")
    return failure_of(status, None)
