"""Upstreams of the oldest HTTP transport (MCP 2024-11-05, HTTP+SSE): one stream per session owner.

Only the transport is old: which version a session speaks is agreed in `initialize` as for every
legacy upstream, and sessions are kept, lost and opened again as theirs are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import GatewayError, UpstreamProtocolError
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.tool import HttpTransport, Upstream
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.addresses import Resolve
from mcp_gateway.upstream.capabilities import Capabilities, told
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.http import HttpClient
from mcp_gateway.upstream.legacy import LegacyLeg, agreed
from mcp_gateway.upstream.legacy_session import FAREWELL_SECONDS, LegacySession, SessionLost, traced
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.questions import Hear, Questions
from mcp_gateway.upstream.reading import ignore
from mcp_gateway.upstream.sessions import Owner
from mcp_gateway.upstream.sse_stream import SseStream

_OPENING_SECONDS = 10.0
"""For a server to say where to post; a stream that never does is none of this transport."""


class SseSession(LegacySession):
    """An initialized session whose requests are posted beside the stream that answers them."""

    def __init__(
        self, http: HttpClient, stream: SseStream, hello: Hello, *, limits: Limits, told: Capabilities
    ) -> None:
        super().__init__(http, (), hello, has_id=False, limits=limits, told=told)
        self._stream = stream

    @property
    def alive(self) -> bool:
        return self._stream.alive

    def release(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _post(
        self, request_id: str, body: bytes, hear: Hear, permit: Permit | None = None, caller: Caller | None = None
    ) -> Answer:
        questions = Questions(self._reply, self._limits, permit=permit, caller=caller, told=self._told)
        risk = permit.tool.risk if permit else None
        message = await self._stream.request(
            request_id, body, risk=risk, hear=hear, converse=questions.answer, headers=traced((), permit)
        )
        return envelope.answer(message, request_id, Era.LEGACY, permit)

    async def _reply(self, line: bytes) -> None:
        with suppress(SessionLost):
            await self._stream.post(line)

    async def _cancel(self, request_id: str) -> None:
        params = {"requestId": request_id, "reason": "the caller no longer waits"}
        with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
            with suppress(GatewayError, SessionLost):  # the call is over for us either way
                await self._stream.post(envelope.notification("notifications/cancelled", params))


class SseLeg(LegacyLeg):
    """`tasks` is where the streams live."""

    def __init__(
        self,
        http: HttpClient,
        credentials: Credentials,
        limits: Limits,
        *,
        upstream: Upstream,
        url: str,
        end: Callable[[LegacySession], None],
        tasks: TaskGroup,
    ) -> None:
        super().__init__(http, credentials, limits, shared=upstream.sessions == "shared", end=end)
        self._name = upstream.name
        self._url = url
        self._tasks = tasks

    async def _begin(self, who: Owner) -> LegacySession:
        stream = await self._opened(self._credentials.current().headers)
        try:
            capabilities = told(who.capabilities)
            found = await self._initialized(stream, capabilities)
            hello = Hello.of(found, Era.LEGACY, agreed(found), envelope.server_info(found))
            await stream.post(envelope.notification("notifications/initialized"))
            return SseSession(self._http, stream, hello, limits=self._limits, told=capabilities)
        except SessionLost as exc:
            raise UpstreamProtocolError("the upstream would not take the first message of a session") from exc
        except BaseException:
            stream.close()
            raise

    async def _opened(self, headers: Sequence[tuple[str, str]]) -> SseStream:
        stream = SseStream(
            self._http,
            self._url,
            name=self._name,
            headers=headers,
            shared=self._shared,
            limit=self._limits.response_bytes,
        )
        with anyio.move_on_after(_OPENING_SECONDS):
            await self._tasks.start(stream.run)
            return stream
        raise UpstreamProtocolError("the upstream does not say where to post")

    async def _initialized(self, stream: SseStream, capabilities: Capabilities) -> Mapping[str, Any]:
        request_id = envelope.new_id()
        body = envelope.request(request_id, "initialize", envelope.initialize(capabilities))
        questions = Questions(stream.post, self._limits)
        message = await stream.request(request_id, body, risk=None, hear=ignore, converse=questions.answer)
        return envelope.result(envelope.answer(message, request_id, Era.LEGACY))


class SseLink:
    def __init__(
        self,
        upstream: Upstream,
        transport: HttpTransport,
        *,
        secrets: Path,
        resolve: Resolve,
        limits: Limits,
        tasks: TaskGroup,
    ) -> None:
        def end(session: LegacySession) -> None:
            tasks.start_soon(session.aclose)

        self._shared = upstream.sessions == "shared"
        self._http = HttpClient(transport, timeout_seconds=upstream.timeout_seconds, resolve=resolve, limits=limits)
        credentials = Credentials(secrets, transport)
        self._leg = SseLeg(self._http, credentials, limits, upstream=upstream, url=transport.url, end=end, tasks=tasks)

    @property
    def bounded(self) -> bool:
        return False

    @property
    def asks(self) -> bool:
        return not self._shared

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        return await self._leg.call(permit, caller)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._leg.ask(method, params)

    async def hello(self) -> Hello:
        return await self._leg.hello()

    async def sweep(self) -> None:
        self._leg.sweep()
        await self._http.refresh()

    async def aclose(self) -> None:
        async with anyio.create_task_group() as closing:
            for session in self._leg.drain():
                closing.start_soon(session.aclose)
        await self._http.aclose()
