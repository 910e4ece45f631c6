"""The façade: every configured upstream, one deadline and one circuit around each call, one owner of all tasks.

Upstreams know nothing of each other: what one of them does costs its own calls only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import (
    GatewayError,
    OperatorError,
    OutcomeUnknown,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.tool import HttpTransport, OpenApiTransport, SseTransport, Upstream
from mcp_gateway.upstream.addresses import Resolve
from mcp_gateway.upstream.addresses import resolve as resolve_by_system
from mcp_gateway.upstream.breaker import Breaker
from mcp_gateway.upstream.deadline import within
from mcp_gateway.upstream.http import Refused
from mcp_gateway.upstream.http_link import HttpLink
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello, Link
from mcp_gateway.upstream.listening import Ears, Listening, Wanted
from mcp_gateway.upstream.listing import Listed, listed
from mcp_gateway.upstream.openapi.link import OpenApiLink
from mcp_gateway.upstream.sse_link import SseLink
from mcp_gateway.upstream.stdio import StdioLink

log = logging.getLogger(__name__)

_CLOSING_SECONDS = 10.0
"""For ending every session and process when the gateway stops; longer than a process is given to end."""
_SWEEP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Health:
    """How an upstream fared last; nobody is asked for it."""

    server: str
    answered: bool | None
    """Whether it did when it was looked at last; None before that."""
    circuit_open: bool
    era: Era | None
    """None while that is not known, and for what does not speak MCP."""
    connections: int | None
    """Open ones; None where there are none to count."""


class _Route:
    """One upstream, its link and its circuit."""

    __slots__ = ("_patience", "answered", "breaker", "link", "listening", "upstream")

    def __init__(self, upstream: Upstream, link: Link, limits: Limits) -> None:
        self.upstream = upstream
        self.link = link
        self.listening: Listening | None = None
        self.answered: bool | None = None
        self._patience = limits.patience_seconds
        self.breaker = Breaker(threshold=limits.breaker_failures, cooldown_seconds=limits.breaker_cooldown_seconds)

    def stop_listening(self) -> None:
        if self.listening is not None:
            self.listening.stop()

    async def forward(self, permit: Permit, caller: Caller) -> Answer:
        breaker = self.breaker
        if not breaker.admits(time.monotonic()):
            raise UpstreamUnavailable(f"{self.upstream.name} failed repeatedly and is not tried now")
        try:
            link = self.link
            answer = await (link.call(permit, caller) if link.bounded else self._within(permit, caller))
        except BaseException as exc:
            if _is_ill(exc):
                breaker.failed(time.monotonic())
            else:
                breaker.abandoned()
            raise
        breaker.succeeded()
        return answer

    def health(self) -> Health:
        link = self.link
        era = link.era if isinstance(link, HttpLink | StdioLink) else None
        connections = link.connections if isinstance(link, HttpLink) else None
        return Health(self.upstream.name, self.answered, not self.breaker.closed, era, connections)

    def _within(self, permit: Permit, caller: Caller) -> Awaitable[Answer]:
        return within(self.upstream.timeout_seconds, permit, caller, self.link.call, patience=self._patience)


def _is_ill(exc: BaseException) -> bool:
    """Whether a failure says that the upstream cannot serve anybody: not a refusal, and not one slow tool."""
    return isinstance(exc, UpstreamUnavailable | OutcomeUnknown) and not isinstance(exc, Refused)


class Upstreams:
    """An async context manager; leaving it ends every session and process it began."""

    def __init__(self, secrets: Path, *, resolve: Resolve = resolve_by_system, limits: Limits | None = None) -> None:
        self._secrets = secrets
        self._resolve = resolve
        self._limits = limits or Limits()
        self._declared: tuple[Upstream, ...] = ()
        self._routes: dict[str, _Route] = {}
        self._tasks: TaskGroup | None = None
        self._ears: Ears | None = None
        self._wanted: dict[str, Wanted] = {}

    async def __aenter__(self) -> Upstreams:
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._sweep_forever)
        self.configure(self._declared)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        tasks, self._tasks = self._tasks, None
        routes, self._routes = self._routes, {}
        assert tasks is not None
        for route in routes.values():
            route.stop_listening()
        with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            async with anyio.create_task_group() as closing:
                for route in routes.values():
                    closing.start_soon(self._close, route.link)
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)  # what ended the block is its own, not one of many

    def configure(self, upstreams: Sequence[Upstream]) -> None:
        """Serve exactly these. An entry that did not change keeps its sessions; one that cannot be used is logged.

        Calls under way on a replaced entry end with it.
        """
        self._declared = tuple(upstreams)
        if self._tasks is None:
            return
        old, self._routes = self._routes, {}
        for upstream in upstreams:
            kept = old.get(upstream.name)
            if kept is not None and kept.upstream == upstream:
                self._routes[upstream.name] = old.pop(upstream.name)
                continue
            try:
                self._routes[upstream.name] = _Route(upstream, self._link(upstream, self._tasks), self._limits)
            except OperatorError as exc:
                log.error("upstream %s cannot be used: %s", upstream.name, exc)
        for route in old.values():
            route.stop_listening()
            self._tasks.start_soon(self._close, route.link)
        self._listen()

    def attend(self, ears: Ears) -> None:
        """Tell `ears` from now on what the upstreams tell outside calls."""
        self._ears = ears
        self._listen()

    def watch(self, server: str, uris: Set[str]) -> None:
        """These resources of `server`, by its own URIs, are watched now, and no others of it."""
        self._wanted.setdefault(server, Wanted()).put(uris)

    def watchable(self, server: str) -> bool:
        """Whether `server` says that it tells of resources that change."""
        route = self._routes.get(server)
        listening = route.listening if route is not None else None
        return listening is not None and listening.offered is not None and listening.offered.resources

    def _listen(self) -> None:
        """To every upstream that is not listened to yet."""
        if self._ears is None or self._tasks is None:
            return
        for name, route in self._routes.items():
            if route.listening is None and isinstance(route.link, HttpLink | StdioLink):
                route.listening = Listening(name, route.link, self._ears, self._wanted.setdefault(name, Wanted()))
                route.listening.start(self._tasks)

    async def forward(self, permit: Permit, caller: Caller) -> Answer:
        """Call the permitted tool under the upstream's deadline; raises UpstreamFailure."""
        route = self._routes.get(permit.tool.server)
        if route is None:
            raise UpstreamUnavailable(f"no upstream {permit.tool.server} is configured")
        return await route.forward(permit, caller)

    def asks(self, server: str) -> bool:
        """Whether a call to `server` may, before it is answered, ask the client something: legacy upstreams do."""
        route = self._routes.get(server)
        return route is not None and route.link.asks

    async def list_tools(self, upstream: Upstream) -> Listed:
        """What `upstream` serves now, configured or not; raises UpstreamFailure."""
        route = self._routes.get(upstream.name)
        answered = False
        try:
            async with self._reached(upstream) as link:
                found = await listed(link, self._limits)
                answered = True
                return found
        finally:
            if route is not None and route.upstream == upstream:
                route.answered = answered

    def health(self) -> Sequence[Health]:
        """Of every upstream that is served."""
        return [route.health() for route in self._routes.values()]

    async def probe(self, upstream: Upstream) -> Hello:
        """Which era and version it speaks and what it calls itself; raises UpstreamFailure."""
        async with self._reached(upstream) as link:
            return await link.hello()

    @asynccontextmanager
    async def _reached(self, upstream: Upstream) -> AsyncGenerator[Link, None]:
        """The upstream's link, one of its own if it is not configured, under the deadline for questions."""
        if self._tasks is None:
            raise UpstreamUnavailable("the upstreams are not started")
        route = self._routes.get(upstream.name)
        known = route.link if route is not None and route.upstream == upstream else None
        link = known or self._link(upstream, self._tasks)
        try:
            with anyio.fail_after(self._limits.list_seconds):
                yield link
        except TimeoutError as exc:
            raise UpstreamTimeout(f"{upstream.name} did not answer in time") from exc
        finally:
            if known is None:
                with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
                    await link.aclose()

    def _link(self, upstream: Upstream, tasks: TaskGroup) -> Link:
        if isinstance(upstream.transport, OpenApiTransport):
            return OpenApiLink(
                upstream, upstream.transport, secrets=self._secrets, resolve=self._resolve, limits=self._limits
            )
        if isinstance(upstream.transport, HttpTransport):
            kind = SseLink if isinstance(upstream.transport, SseTransport) else HttpLink
            return kind(
                upstream,
                upstream.transport,
                secrets=self._secrets,
                resolve=self._resolve,
                limits=self._limits,
                tasks=tasks,
            )
        return StdioLink(upstream, upstream.transport, limits=self._limits, tasks=tasks)

    async def _close(self, link: Link) -> None:
        try:
            with anyio.move_on_after(_CLOSING_SECONDS):
                await link.aclose()
        except GatewayError as exc:
            log.warning("an upstream could not be closed: %s", exc)

    async def _sweep_forever(self) -> None:
        while True:
            await anyio.sleep(self._limits.sweep_seconds)
            for route in list(self._routes.values()):
                await self._sweep(route)

    async def _sweep(self, route: _Route) -> None:
        """Nothing that goes wrong here may end the task that owns every session."""
        try:
            with anyio.move_on_after(_SWEEP_SECONDS):
                await route.link.sweep()
        except (UpstreamFailure, OSError) as exc:
            log.warning("housekeeping of %s failed: %s", route.upstream.name, exc)
