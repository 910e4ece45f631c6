"""An upstream over HTTP whose era is found out: the modern and the legacy leg behind one link.

A contradiction (an answer the era's servers do not give) asks the upstream again. Only when it
turns out to speak the other era is the call sent once more: the first one cannot have run. One that
refuses both may have the oldest transport (MCP 2025-11-25 basic/transports, backwards compatibility).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import UpstreamFailure
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.tool import HttpTransport, Upstream
from mcp_gateway.upstream.addresses import Resolve
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.deadline import within
from mcp_gateway.upstream.era import EraContradicted, EraMemory
from mcp_gateway.upstream.http import HttpClient
from mcp_gateway.upstream.legacy import LegacyLeg
from mcp_gateway.upstream.legacy_session import LegacySession
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listening import LONGEST_SECONDS, Offered, Overhear, Wanted
from mcp_gateway.upstream.listening_modern import listen as listen_modern
from mcp_gateway.upstream.modern import ModernLeg
from mcp_gateway.upstream.sse_link import SseLeg

T = TypeVar("T")


class HttpLink:
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

        self._tasks = tasks
        self._timeout_seconds = upstream.timeout_seconds
        self._patience = limits.patience_seconds
        self._http = HttpClient(transport, timeout_seconds=upstream.timeout_seconds, resolve=resolve, limits=limits)
        credentials = Credentials(secrets, transport)
        self._modern = ModernLeg(self._http, credentials, limits)
        self._shared = upstream.sessions == "shared"
        self._streamable = LegacyLeg(
            self._http, credentials, limits, shared=self._shared, end=end, spawn=tasks.start_soon
        )
        self._sse = SseLeg(self._http, credentials, limits, upstream=upstream, url=transport.url, end=end, tasks=tasks)
        self._legacy: LegacyLeg = self._streamable
        """Whichever of the two it was last found to speak."""
        self._may_be_old = upstream.protocol == "auto"
        self._eras = EraMemory(upstream.protocol, self._modern.probe)

    @property
    def bounded(self) -> bool:
        """One stateless request: the HTTP client's own deadline ends it, for a fifth of what a scope around it costs."""
        return self._eras.known is Era.MODERN and self._http.is_open

    @property
    def era(self) -> Era | None:
        """None until it was asked."""
        return self._eras.known

    @property
    def connections(self) -> int:
        return self._http.connections

    @property
    def asks(self) -> bool:
        return not self._shared and self._eras.known is not Era.MODERN

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        era = self._eras.known or await self._eras.current()
        leg = self._modern if era is Era.MODERN else self._legacy
        try:
            return await leg.call(permit, caller)
        except EraContradicted as exc:
            # Asking which era it is and calling again take no longer than a call may, together.
            again = partial(self._call_again, leg, exc)
            return await within(self._timeout_seconds, permit, caller, again, patience=self._patience)

    async def _call_again(
        self, leg: ModernLeg | LegacyLeg, contradiction: EraContradicted, permit: Permit, caller: Caller
    ) -> Answer:
        return await (await self._other(leg, contradiction)).call(permit, caller)

    async def _other(self, leg: ModernLeg | LegacyLeg, contradiction: EraContradicted) -> ModernLeg | LegacyLeg:
        """The leg the upstream speaks instead; raises what contradicted when there is none."""
        if await self._eras.contradicted(leg.era):
            return self._legacy if leg is self._modern else self._modern
        if leg is self._modern or not self._may_be_old:
            raise contradiction
        if leg is self._sse:
            self._legacy = self._streamable
        elif self._legacy is not self._sse:
            try:
                await self._sse.hello()
            except UpstreamFailure:
                raise contradiction from None
            self._legacy = self._sse
        return self._legacy

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._either(lambda leg: leg.ask(method, params))

    async def hello(self) -> Hello:
        return await self._either(lambda leg: leg.hello())

    async def listen(self, wanted: Wanted, hear: Overhear, opened: Callable[[Offered], None]) -> None:
        """Until the connection is over; raises UpstreamFailure and NotOffered."""
        era = await self._eras.current()
        try:
            if era is Era.LEGACY:
                await self._legacy.listen(wanted, hear, opened)
            else:
                offered = Offered.of((await self._modern.hello()).capabilities)
                while not offered.lists and not wanted.uris:
                    opened(offered)
                    await wanted.wait(LONGEST_SECONDS)
                await listen_modern(self._modern.listen, offered, wanted, hear, opened, self._tasks)
        except EraContradicted:
            await self._eras.contradicted(era)
            raise

    async def sweep(self) -> None:
        self._streamable.sweep()
        self._sse.sweep()
        await self._http.refresh()

    async def aclose(self) -> None:
        async with anyio.create_task_group() as closing:
            for session in [*self._streamable.drain(), *self._sse.drain()]:
                closing.start_soon(session.aclose)
        await self._http.aclose()

    async def _either(self, ask: Callable[[ModernLeg | LegacyLeg], Awaitable[T]]) -> T:
        leg = self._modern if await self._eras.current() is Era.MODERN else self._legacy
        try:
            return await ask(leg)
        except EraContradicted as exc:
            contradiction = exc
        return await ask(await self._other(leg, contradiction))
