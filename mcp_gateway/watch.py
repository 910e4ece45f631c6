"""The listening half of the enforcement point: what a client that listens may be told, decided anew each time.

    listen      a stream opens                          → on record
    subscribe   a resource is watched: a read, decided  → where it is, on record
    seen        a mark of what `list` would answer now
    may_read    whether an update may still be told

Nothing here reaches an upstream: the gateway listens to those itself, once, for all who may know.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mcp_gateway.admission import admit
from mcp_gateway.errors import AccessDenied, BadRequest, GatewayError
from mcp_gateway.gateway import Gateway
from mcp_gateway.model.call import Request
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, Tool


@dataclass(frozen=True, slots=True)
class Seen:
    """What a principal may see of one kind, as far as it can be told from every other answer."""

    mark: int
    valid_until: float | None
    """Epoch seconds after which it may change by itself."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A resource whose updates somebody may be told."""

    server: str
    uri: str
    """The upstream's own."""


@dataclass(frozen=True, slots=True)
class Watch:
    gateway: Gateway

    async def listen(self, request: Request, principal: Principal, told: Sequence[str]) -> None:
        """Record that a stream opens on which lists of these names are told to have changed."""
        async with self.gateway.journal.entry(request, "subscriptions/listen", principal) as entry:
            entry.note(lists=" ".join(told))

    async def subscribe(self, request: Request, principal: Principal, uri: str) -> Watched:
        """Decide and record it like a read; raises what a read would."""
        async with self.gateway.journal.entry(request, "resources/subscribe", principal, {"uri": uri}) as entry:
            item, own, arguments = self.gateway.readable(request, principal, uri)
            entry.tool = item
            entry.decision = decision = await self.gateway.authorization.decide(
                principal, item, arguments, now=time.time(), request=request
            )
            admit(request, principal, item, arguments, decision)
            if not self.gateway.upstreams.watchable(item.server):
                raise BadRequest("the server of this resource tells of no changes", code="resource.not_watchable")
            return Watched(item.server, own)

    def offers(self, endpoint: str | None) -> bool:
        """Whether resources of `endpoint` can be watched."""
        servers = (endpoint,) if endpoint else self.gateway.catalog.upstreams
        return any(map(self.gateway.upstreams.watchable, servers))

    async def unsubscribe(self, request: Request, principal: Principal, uri: str) -> None:
        """Record it; who asks for less needs no right."""
        async with self.gateway.journal.entry(request, "resources/unsubscribe", principal, {"uri": uri}):
            pass

    async def may_read(self, request: Request, principal: Principal, uri: str) -> bool:
        """Now; whatever is not a clear yes is no."""
        try:
            await self.gateway.follow()
            item, _, arguments = self.gateway.readable(request, principal, uri)
            decision = await self.gateway.authorization.decide(
                principal, item, arguments, now=time.time(), request=request
            )
        except GatewayError:
            return False
        return decision.allowed

    async def seen(self, request: Request, principal: Principal, kinds: Sequence[Kind]) -> Seen:
        """Of all `kinds` together; raises AuthorizationUnavailable."""
        shown: list[object] = []
        until: list[float] = []
        for kind in kinds:
            tools = self._items(request.endpoint, kind)
            visible = await self.gateway.authorization.visible(principal, tools, now=time.time(), request=request)
            depends = visible.depends_on_resource
            shown += [_shown(tool, depends=tool.id in depends) for tool in tools if tool.id in visible.ids]
            until += [] if visible.valid_until is None else [visible.valid_until]
        return Seen(hash(tuple(shown)), min(until, default=None))

    async def sees(self, request: Request, principal: Principal, kinds: Sequence[Kind], server: str) -> bool:
        """Whether anything of `server` is in what `list` would answer now; raises AuthorizationUnavailable."""
        for kind in kinds:
            tools = self._items(request.endpoint, kind)
            visible = await self.gateway.authorization.visible(principal, tools, now=time.time(), request=request)
            if any(tool.server == server and tool.id in visible.ids for tool in tools):
                return True
        return False

    async def ended(self, request: Request, principal: Principal) -> GatewayError | None:
        """What would refuse a stream that is open, but for its token's age; asks nobody outside this process."""
        if not self.gateway.has_endpoint(request.endpoint):
            return AccessDenied(None, code="server.unavailable")
        return await self.gateway.ended(principal)

    @property
    def generation(self) -> int:
        """Differs when registry or policies were read anew, which the store knows nothing of."""
        return self.gateway.catalog.listing(None).generation

    def _items(self, endpoint: str | None, kind: Kind) -> Sequence[Tool]:
        """Nothing for an endpoint that is gone: who listens there is about to hear of it."""
        return self.gateway.catalog.listing(endpoint, kind).tools if self.gateway.has_endpoint(endpoint) else ()

    async def follow(self) -> None:
        """See every change that was acknowledged by now."""
        await self.gateway.follow()


def _shown(tool: Tool, *, depends: bool) -> tuple[object, ...]:
    """Everything of a tool that its entry in a list is made of."""
    return tool.id, tool.exposed, tool.digest, tool.mapping, depends
