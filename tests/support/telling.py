"""A real upstream that tells what changes: an SDK server whose tools and resources change while it runs, in either era.

    async with telling_upstream() as upstream: ... await upstream.grow("another"); await upstream.touch(BOARD)

As a child process (`telling_command`) its tools `grow` and `touch` do the same.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeAlias, cast

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.session import ServerSession
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ToolsListChanged
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.upstreams import until

BOARD = "board://today"
ROOM = "room://{number}"
MODERN = b"2026-07-28"
Era: TypeAlias = Literal["modern", "legacy"]
_Context: TypeAlias = ServerRequestContext[dict[str, Any]]
_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}, "uri": {"type": "string"}}}


class Telling:
    """What it serves, who listens, and the changes a test makes."""

    def __init__(self, era: Era = "modern") -> None:
        self.era = era
        self.url = ""
        self.tools = ["grow", "touch"]
        self.listens: list[list[str]] = []
        """The watched resources of every modern stream that was opened, in order."""
        self.gets = 0
        self.subscribed: list[str] = []
        self.asked: list[str] = []
        self.forget = False
        """Assign True: everything with a session or a stream is cut and refused once."""
        self._bus = InMemorySubscriptionBus()
        self.streams = ListenHandler(self._bus)
        self._sessions: list[ServerSession] = []

    async def grow(self, name: str) -> None:
        """Another tool, and everybody is told."""
        self.tools.append(name)
        await self.announce()

    async def announce(self) -> None:
        """Say that the tools changed."""
        await self._bus.publish(ToolsListChanged())
        for session in self._sessions:
            with suppress(Exception):
                await session.send_tool_list_changed()

    async def touch(self, uri: str) -> None:
        """A resource changed; whoever subscribed is told."""
        await self._bus.publish(ResourceUpdated(uri=uri))
        for session in self._sessions:
            with suppress(Exception):
                await session.send_resource_updated(uri)

    def server(self) -> Server[dict[str, Any]]:
        server = _Server(
            "telling",
            version="1",
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read,
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_subscriptions_listen=self._listen,
        )
        server.add_notification_handler("notifications/initialized", types.NotificationParams, self._initialized)
        return server

    async def _initialized(self, ctx: _Context, _params: object) -> None:
        self._sessions.append(ctx.session)

    async def _list_tools(self, _ctx: _Context, _params: object) -> types.ListToolsResult:
        self.asked.append("tools/list")
        tools = [types.Tool(name=name, input_schema=_SCHEMA) for name in self.tools]
        return types.ListToolsResult(tools=tools, ttl_ms=0, cache_scope="private")

    async def _call_tool(self, _ctx: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = params.arguments or {}
        if params.name == "grow":
            await self.grow(str(arguments["name"]))
        elif params.name == "touch":
            await self.touch(str(arguments["uri"]))
        return types.CallToolResult(content=[types.TextContent(type="text", text="done")])

    async def _list_resources(self, _ctx: _Context, _params: object) -> types.ListResourcesResult:
        resource = types.Resource(uri=BOARD, name="board")
        return types.ListResourcesResult(resources=[resource], ttl_ms=0, cache_scope="private")

    async def _list_templates(self, _ctx: _Context, _params: object) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(uri_template=ROOM, name="room")
        return types.ListResourceTemplatesResult(resource_templates=[template], ttl_ms=0, cache_scope="private")

    async def _read(self, _ctx: _Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        content = types.TextResourceContents(uri=params.uri, text="text")
        return types.ReadResourceResult(contents=[content], ttl_ms=0, cache_scope="private")

    async def _subscribe(self, _ctx: _Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self.subscribed.append(str(params.uri))
        return types.EmptyResult()

    async def _unsubscribe(self, _ctx: _Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self.subscribed.remove(str(params.uri))
        return types.EmptyResult()

    async def _listen(
        self, ctx: _Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        self.listens.append(sorted(params.notifications.resource_subscriptions or []))
        return await self.streams(ctx, params)


class _Server(Server[dict[str, Any]]):
    """Says in the session era, too, that it tells when its tools change."""

    def create_initialization_options(self, *args: Any, **more: Any) -> InitializationOptions:
        return super().create_initialization_options(NotificationOptions(tools_changed=True))


@asynccontextmanager
async def telling_upstream(era: Era = "modern") -> AsyncGenerator[Telling]:
    """Over HTTP on a free loopback port, in the test's own loop."""
    telling = Telling(era)
    app = _Door(telling, telling.server().streamable_http_app())
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        try:
            await until(lambda: server.started)
            telling.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
            yield telling
        finally:
            telling.streams.close()
            server.should_exit = True
            server.force_exit = True


class _Door:
    """Makes the server one of a single era, and notes who listens."""

    def __init__(self, telling: Telling, app: ASGIApp) -> None:
        self._telling = telling
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        telling = self._telling
        if scope["type"] == "http":
            headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
            modern = headers.get(b"mcp-protocol-version") == MODERN
            if scope["method"] == "GET":
                telling.gets += 1
            if modern != (telling.era == "modern"):
                await _refuse(send, 400)
                return
            if telling.forget and b"mcp-session-id" in headers:
                telling.forget = False
                await _refuse(send, 404)
                return
        await self._app(scope, receive, send)


async def _refuse(send: Send, status: int) -> None:
    body = b'{"jsonrpc": "2.0", "id": "x", "error": {"code": -32600, "message": "no"}}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def telling_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.support.telling")


async def _serve_stdio() -> None:
    server = Telling().server()
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        anyio.run(_serve_stdio)
