"""The fixtures as one MCP server on the official SDK: streamable HTTP, both protocol eras or one of them."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias, TypeVar

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from starlette.types import ASGIApp

from examples.conformance import contents, eras, pushes, rounds, tasks
from examples.conformance.announcements import Announcements
from examples.conformance.asking import answered

CallAnswer: TypeAlias = types.CallToolResult | types.InputRequiredResult

_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


def _one_string(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


_WITH_HEADER: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region", "description": "Repeated in a header"}},
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    # The header scenario calls the first tool of the list without arguments, and a gateway may list by name.
    "a_tool_without_arguments": _NOTHING,
    **dict.fromkeys(contents.CONTENT_TOOLS, _NOTHING),
    **dict.fromkeys(rounds.ROUND_TOOLS, _NOTHING),
    **dict.fromkeys(
        [
            "test_error_handling",
            "test_tool_with_progress",
            "test_tool_with_logging",
            "test_logging_tool",
            "test_reconnection",
            "test_missing_capability",
            "test_streaming_elicitation",
            "test_input_required_result_capabilities",
            "test_trigger_tool_change",
            "test_trigger_prompt_change",
            "test_trigger_resource_change",
        ],
        _NOTHING,
    ),
    "test_sampling": _one_string("prompt"),
    "test_elicitation": _one_string("message"),
    "test_trigger_resource_update": _one_string("uri"),
    "test_x_mcp_header": _WITH_HEADER,
    "json_schema_2020_12_tool": contents.SCHEMA_2020_12,
    "greet": _one_string("name"),
    **tasks.TASK_TOOLS,
}
TOOLS = [
    types.Tool(name=name, description=f"Conformance fixture {name}", input_schema=schema)
    for name, schema in _SCHEMAS.items()
]
MORE_TOOLS = [types.Tool(name="test_tool_that_comes_and_goes", description="Listed at times", input_schema=_NOTHING)]
MoreT = TypeVar("MoreT")


class Fixtures:
    """The handlers of one server."""

    def __init__(self) -> None:
        self.announcements = Announcements()
        self.tasks = tasks.Tasks()

    def _grown(self, what: str, more: list[MoreT]) -> list[MoreT]:
        return more if what in self.announcements.grown else []

    async def list_tools(
        self, _ctx: ServerRequestContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[*TOOLS, *self._grown("tools", MORE_TOOLS)])

    async def call_tool(self, ctx: ServerRequestContext, params: types.CallToolRequestParams) -> Any:
        """A CallAnswer, or what the Tasks extension answers in its place."""
        if params.name in tasks.TASK_TOOLS:
            return await self.tasks.call(ctx, params)
        if params.name in contents.CONTENT_TOOLS:
            return types.CallToolResult(content=contents.CONTENT_TOOLS[params.name][1])
        if params.name in rounds.ROUND_TOOLS:
            return await answered(ctx, params, rounds.ROUND_TOOLS[params.name])
        return await self._behave(ctx, params)

    async def _behave(self, ctx: ServerRequestContext, params: types.CallToolRequestParams) -> CallAnswer:
        given = params.arguments or {}
        match params.name:
            case "test_error_handling":
                words = contents.text("This tool intentionally returns an error for testing")
                return types.CallToolResult(content=[words], is_error=True)
            case "test_tool_with_progress":
                return await pushes.progress(ctx)
            case "test_tool_with_logging" | "test_logging_tool":
                return await pushes.logging(ctx)
            case "test_reconnection":
                return await pushes.reconnection(ctx)
            case "test_missing_capability":
                return await pushes.missing_capability(ctx, params)
            case "test_streaming_elicitation":
                return await pushes.streaming_elicitation(ctx, params)
            case "test_input_required_result_capabilities":
                return await answered(ctx, params, partial(rounds.within_capabilities, ctx))
            case "test_trigger_tool_change":
                return await self.announcements.changed("tools")
            case "test_trigger_prompt_change":
                return await self.announcements.changed("prompts")
            case "test_trigger_resource_change":
                return await self.announcements.changed("resources")
            case "test_trigger_resource_update":
                return await self.announcements.updated(str(given.get("uri", "")))
            case "greet":
                return rounds.done(f"Hello, {given.get('name')}!")
            case (
                "test_tool_that_comes_and_goes"
                | "a_tool_without_arguments"
                | "test_x_mcp_header"
                | "json_schema_2020_12_tool"
            ):
                return rounds.done(f"Received {sorted(given)}")
            case _:
                raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")

    async def list_resources(
        self, _ctx: ServerRequestContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[*contents.RESOURCES, *self._grown("resources", contents.MORE_RESOURCES)]
        )

    async def list_templates(
        self, _ctx: ServerRequestContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=contents.TEMPLATES)

    async def read_resource(
        self, _ctx: ServerRequestContext, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        content = contents.read(params.uri)
        if content is None:
            raise MCPError(code=types.INVALID_PARAMS, message="Resource not found", data={"uri": params.uri})
        return types.ReadResourceResult(contents=[content])

    async def set_level(self, _ctx: ServerRequestContext, _params: types.SetLevelRequestParams) -> types.EmptyResult:
        return types.EmptyResult()

    async def list_prompts(
        self, _ctx: ServerRequestContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[*contents.PROMPTS, *self._grown("prompts", contents.MORE_PROMPTS)])

    async def get_prompt(
        self, ctx: ServerRequestContext, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult | types.InputRequiredResult:
        if params.name == "test_input_required_result_prompt":
            return await answered(ctx, params, rounds.by_prompt)
        blocks = contents.prompt(params.name, params.arguments or {})
        if blocks is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown prompt: {params.name}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in blocks])

    async def complete(self, _ctx: ServerRequestContext, params: types.CompleteRequestParams) -> types.CompleteResult:
        words = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
        return types.CompleteResult(completion=types.Completion(values=words, total=len(words), has_more=False))


class _Replay(EventStore):
    """Events of every stream, for clients that come back; unbounded, so only for tests."""

    def __init__(self) -> None:
        self._events: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        if not last_event_id.isdecimal() or not 0 < int(last_event_id) <= len(self._events):
            return None
        wanted = self._events[int(last_event_id) - 1][0]
        for number, (stream, message) in enumerate(self._events[int(last_event_id) :], start=int(last_event_id) + 1):
            if stream == wanted and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return wanted


class _Server(Server[Any]):
    """Says in the handshake that it announces changes; the SDK's default says it does not."""

    def create_initialization_options(
        self, notification_options: NotificationOptions | None = None, *more: Any, **named: Any
    ) -> InitializationOptions:
        announced = notification_options or NotificationOptions(True, True, True)
        return super().create_initialization_options(announced, *more, **named)


def make_server() -> Server[Any]:
    fixtures = Fixtures()
    changes = fixtures.announcements
    server = _Server(
        "conformance-fixtures",
        version="1.0.0",
        cache_hints=dict.fromkeys(
            [
                "server/discover",
                "tools/list",
                "prompts/list",
                "resources/list",
                "resources/templates/list",
                "resources/read",
            ],
            CacheHint(ttl_ms=1000, scope="public"),
        ),
        get_tool_input_schema=_SCHEMAS.get,
        on_list_tools=fixtures.list_tools,
        on_call_tool=fixtures.call_tool,
        on_list_resources=fixtures.list_resources,
        on_list_resource_templates=fixtures.list_templates,
        on_read_resource=fixtures.read_resource,
        on_subscribe_resource=changes.subscribe,
        on_unsubscribe_resource=changes.unsubscribe,
        on_subscriptions_listen=ListenHandler(changes.bus),
        on_list_prompts=fixtures.list_prompts,
        on_get_prompt=fixtures.get_prompt,
        on_completion=fixtures.complete,
    )
    # The constructor's parameter for it warns: logging is deprecated in the modern era, required by the legacy one.
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, fixtures.set_level)
    server.add_notification_handler("notifications/initialized", types.NotificationParams, changes.joined)
    tasks.serve(server, fixtures.tasks)
    return server


def make_app(era: eras.Era = "both") -> ASGIApp:
    """The ASGI application, at `/mcp`."""
    return eras.pinned(make_server().streamable_http_app(event_store=_Replay(), retry_interval=100), era)
