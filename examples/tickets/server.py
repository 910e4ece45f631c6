"""The ticket board as an MCP server on the official SDK: streamable HTTP, both protocol eras."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeAlias

import jsonschema_rs
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette

from examples.tickets.board import Board, NotFound, sample_board
from examples.tickets.definitions import TOOLS

Report: TypeAlias = Callable[[float, float, str], Awaitable[None]]
"""Tells the caller how far we are: done, total, message."""


class TicketTools:
    """One method per tool: arguments that fit the schema in, structured content out."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def ticket_get(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        return asdict(self._board.ticket(arguments["id"]))

    async def ticket_list(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        tickets = self._board.tickets(arguments["project"], status=arguments.get("status"))
        return {"tickets": [asdict(ticket) for ticket in tickets]}

    async def ticket_search(self, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        projects: list[str] = arguments["projects"]
        found: list[dict[str, Any]] = []
        for done, project in enumerate(projects, start=1):
            found += [asdict(ticket) for ticket in self._board.matching(project, arguments["query"])]
            await report(done, len(projects), f"searched {project}")
        return {"tickets": found}

    async def project_get(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        return asdict(self._board.project(arguments["id"]))

    async def project_list(self, _arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        return {"projects": [asdict(project) for project in self._board.projects()]}

    async def ticket_create(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        ticket = self._board.create(
            arguments["project"],
            title=arguments["title"],
            description=arguments.get("description", ""),
            priority=arguments.get("priority", "normal"),
        )
        return asdict(ticket)

    async def ticket_comment(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        author = arguments.get("author", "unknown")
        return asdict(self._board.comment(arguments["id"], author=author, text=arguments["text"]))

    async def ticket_update(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        changes = {name: value for name, value in arguments.items() if name != "id"}
        return asdict(self._board.update(arguments["id"], **changes))

    async def ticket_delete(self, arguments: dict[str, Any], _report: Report) -> dict[str, Any]:
        return {"deleted": self._board.delete(arguments["id"]).id}


def make_server(board: Board | None = None) -> Server[Any]:
    tools = TicketTools(board or sample_board())
    schemas = {tool.name: tool.input_schema for tool in TOOLS}
    validators = {name: jsonschema_rs.validator_for(schema) for name, schema in schemas.items()}

    async def list_tools(_ctx: ServerRequestContext, _params: types.PaginatedRequestParams | None):
        return types.ListToolsResult(tools=list(TOOLS), ttl_ms=60_000, cache_scope="public")

    async def call_tool(ctx: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
        validator = validators.get(params.name)
        if validator is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
        arguments = params.arguments or {}
        if (mistake := next(validator.iter_errors(arguments), None)) is not None:
            location = "/".join(str(step) for step in mistake.instance_path)
            return _failure(f"argument /{location} does not fit the schema")
        try:
            return _success(await getattr(tools, params.name)(arguments, ctx.session.report_progress))
        except NotFound as missing:
            return _failure(str(missing))

    # Without `get_tool_input_schema` the SDK lists all tools again on each call.
    return Server(
        "tickets",
        version="1.0.0",
        title="Tickets",
        instructions="Tickets are named T-<number>; projects by a short code such as PAY.",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=schemas.get,
    )


def make_app() -> Starlette:
    """The ASGI application, at `/mcp`; the SDK refuses hosts and origins that are not loopback."""
    return make_server().streamable_http_app(streamable_http_path="/mcp", host="127.0.0.1")


def _success(value: dict[str, Any]) -> types.CallToolResult:
    text = types.TextContent(type="text", text=json.dumps(value, ensure_ascii=False))
    return types.CallToolResult(content=[text], structured_content=value)


def _failure(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)
