"""Upstreams that are child processes: one process per owner, begun on first use, ended when idle.

`initialize` comes first, because most such servers are legacy ones and some never answer anything
before it; a server that refuses it is asked `server/discover`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import StdioTransport, Upstream
from mcp_gateway.protocol import LEGACY_VERSIONS, MODERN_VERSION
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.capabilities import EVERYTHING, NOTHING, Capabilities, told
from mcp_gateway.upstream.child import Child
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listening import ACKNOWLEDGED, LONGEST_SECONDS, Offered, Overhear, Wanted
from mcp_gateway.upstream.listening_legacy import Subscriptions
from mcp_gateway.upstream.listening_modern import listen as listen_modern
from mcp_gateway.upstream.questions import Hear, Questions, Receive
from mcp_gateway.upstream.reading import ignore
from mcp_gateway.upstream.relay import Relay
from mcp_gateway.upstream.sessions import Owner, Sessions, owner

_LOOK_SECONDS = 1.0
"""How soon it is noticed that a watched process has ended."""


class StdioSession:
    """A running child that has introduced itself."""

    def __init__(self, child: Child, hello: Hello, *, told: Capabilities, limits: Limits) -> None:
        self._child = child
        # In the modern era what is asked comes as an answer.
        self._told = told if hello.era is Era.LEGACY else NOTHING
        self._limits = limits
        self.hello = hello

    @property
    def alive(self) -> bool:
        return self._child.alive

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        request_id = envelope.new_id()
        params = envelope.call_params(permit, request_id, self.hello.era)
        hear = Relay(permit, caller, request_id)
        questions = Questions(self._child.send, self._limits, permit=permit, caller=caller, told=self._told)
        message = await self._child.request(
            request_id, method=permit.method, params=params, hear=hear, converse=questions.answer
        )
        return envelope.answer(message, request_id, self.hello.era, permit)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return envelope.result(await _asked(self._child, method, params, self.hello.era, self._limits))

    async def watch(self, wanted: Wanted, tasks: TaskGroup) -> None:
        """Be told of what is wanted until nothing is; raises UpstreamFailure."""
        if self.hello.era is Era.MODERN:
            nobody: Overhear = lambda _message: None  # noqa: E731
            offered = Offered((), resources=True)
            await listen_modern(self._listen, offered, wanted, nobody, lambda _offered: None, tasks)
            return
        subscriptions = Subscriptions(self.ask, wanted)
        while True:
            await subscriptions.settle()
            if not wanted.uris:
                return
            await wanted.wait(_LOOK_SECONDS)
            if not self.alive:
                raise UpstreamUnavailable("the process has ended")

    async def _listen(self, notifications: Mapping[str, Any], hear: Hear) -> None:
        """What it brings is overheard like every notification outside a call."""
        questions = Questions(self._child.send, self._limits)

        async def converse(receive: Receive, hear_nothing: Hear) -> Message:
            await hear({"method": ACKNOWLEDGED})  # written before what ends the former one
            return await questions.answer(receive, hear_nothing)

        request_id = envelope.new_id()
        params = {"notifications": notifications, "_meta": envelope.OWN_META}
        message = await self._child.request(
            request_id, method="subscriptions/listen", params=params, hear=ignore, converse=converse
        )
        envelope.result(envelope.answer(message, request_id, Era.MODERN))

    async def aclose(self) -> None:
        await self._child.aclose()


class StdioLink:
    def __init__(self, upstream: Upstream, transport: StdioTransport, *, limits: Limits, tasks: TaskGroup) -> None:
        def end(session: StdioSession) -> None:
            tasks.start_soon(session.aclose)

        self._upstream = upstream
        self._transport = transport
        self._limits = limits
        self._tasks = tasks
        self._shared = upstream.sessions == "shared"
        self._hear: Overhear | None = None
        self.era: Era | None = None
        """As the last child to introduce itself spoke; None before one did."""
        self._sessions = Sessions[StdioSession](
            self._begin, end, limit=limits.sessions, idle_seconds=limits.session_idle_seconds
        )

    @property
    def bounded(self) -> bool:
        return False

    @property
    def asks(self) -> bool:
        return not self._shared and self.era is not Era.MODERN

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        async with self._sessions.lease(self._owner(permit.principal, permit.request.capabilities)) as session:
            return await session.call(permit, caller)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._sessions.lease(self._owner(None, EVERYTHING)) as session:
            return await session.ask(method, params)

    async def hello(self) -> Hello:
        async with self._sessions.lease(self._owner(None, EVERYTHING)) as session:
            return session.hello

    async def listen(self, wanted: Wanted, hear: Overhear, opened: Callable[[Offered], None]) -> None:
        """Hear every process that runs, and keep one running while a resource is watched."""
        self._hear = hear
        offered = Offered.of((await self.hello()).capabilities)
        opened(offered)
        while True:
            if offered.resources and wanted.uris:
                async with self._sessions.lease(self._owner(None, EVERYTHING)) as session:
                    await session.watch(wanted, self._tasks)
            else:
                await wanted.wait(LONGEST_SECONDS)

    def _overheard(self, message: Message) -> None:
        if self._hear is not None:
            self._hear(message)

    async def sweep(self) -> None:
        self._sessions.sweep()

    async def aclose(self) -> None:
        async with anyio.create_task_group() as closing:
            for session in self._sessions.drain():
                closing.start_soon(session.aclose)

    def _owner(self, principal: Principal | None, said: Capabilities) -> Owner:
        return owner(principal, "", said, shared=self._shared)

    async def _begin(self, who: Owner) -> StdioSession:
        limit = self._limits.response_bytes
        child = Child(self._upstream.name, self._transport, shared=self._shared, limit=limit, overhear=self._overheard)
        await self._tasks.start(child.run)
        try:
            capabilities = told(who.capabilities)
            hello = await self._greeting(child, capabilities)
            self.era = hello.era
            return StdioSession(child, hello, told=capabilities, limits=self._limits)
        except BaseException:
            self._tasks.start_soon(child.aclose)
            raise

    async def _greeting(self, child: Child, capabilities: Capabilities) -> Hello:
        if self._upstream.protocol != "modern":
            introduced = await _asked(child, "initialize", envelope.initialize(capabilities), Era.LEGACY, self._limits)
            if introduced.result is not None:
                await child.notify("notifications/initialized")
                return _legacy_hello(introduced.result)
            if self._upstream.protocol == "legacy":
                envelope.result(introduced)
        found = envelope.result(await _asked(child, "server/discover", {}, Era.MODERN, self._limits))
        return Hello.of(found, Era.MODERN, MODERN_VERSION, envelope.server_info(found))


def _legacy_hello(found: Mapping[str, Any]) -> Hello:
    version: object = found.get("protocolVersion")
    if not isinstance(version, str) or version not in LEGACY_VERSIONS:
        raise UpstreamProtocolError("the upstream wants a protocol version that is not supported")
    return Hello.of(found, Era.LEGACY, version, envelope.server_info(found))


async def _asked(child: Child, method: str, params: Mapping[str, Any], era: Era, limits: Limits) -> Answer:
    if era is Era.MODERN:
        params = {**params, "_meta": envelope.OWN_META}
    request_id = envelope.new_id()
    message = await child.request(
        request_id, method=method, params=params, hear=ignore, converse=Questions(child.send, limits).answer
    )
    return envelope.answer(message, request_id, era)
