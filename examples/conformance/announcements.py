"""Changes lists and tells clients of both eras: listeners of a subscription, and the sessions of legacy clients."""

from __future__ import annotations

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from examples.conformance.contents import text

_SESSION = "mcp-session-id"
_LISTS = {
    "tools": (ToolsListChanged, types.ToolListChangedNotification),
    "prompts": (PromptsListChanged, types.PromptListChangedNotification),
    "resources": (ResourcesListChanged, types.ResourceListChangedNotification),
}


class Announcements:
    """Sessions are remembered by their id for the life of the process; ended ones drop what they are sent."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.grown: set[str] = set()
        """Lists that have one more entry for now."""
        self._sessions: dict[str, ServerSession] = {}
        self._watched: dict[str, set[str]] = {}

    async def joined(self, ctx: ServerRequestContext, _params: types.NotificationParams) -> None:
        """A legacy client finished its handshake."""
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS and (session := _session_of(ctx)):
            self._sessions[session] = ctx.session

    async def subscribe(self, ctx: ServerRequestContext, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self._watched.setdefault(params.uri, set()).add(_session_of(ctx))
        return types.EmptyResult()

    async def unsubscribe(self, ctx: ServerRequestContext, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self._watched.get(params.uri, set()).discard(_session_of(ctx))
        return types.EmptyResult()

    async def changed(self, what: str) -> types.CallToolResult:
        """Let the list `what`, a key of _LISTS, grow or shrink by one, and say so."""
        self.grown ^= {what}
        event, notification = _LISTS[what]
        await self.bus.publish(event())
        for session in self._sessions.values():
            await session.send_notification(notification())
        return types.CallToolResult(content=[text(f"Changed the {what}.")])

    async def updated(self, uri: str) -> types.CallToolResult:
        await self.bus.publish(ResourceUpdated(uri))
        for session in self._watched.get(uri, set()) & self._sessions.keys():
            await self._sessions[session].send_resource_updated(uri)
        return types.CallToolResult(content=[text(f"Changed {uri}.")])


def _session_of(ctx: ServerRequestContext) -> str:
    return ctx.request.headers.get(_SESSION, "") if ctx.request is not None else ""
