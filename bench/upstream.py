"""The servers that are called: one on the official SDK, one that does next to nothing. N tools, over HTTP or stdio."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import mcp_types as types
import orjson
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

ANSWER = "The quick brown fox jumps over the lazy dog."
_VERSION = "2026-07-28"


def tool_name(number: int) -> str:
    return f"look_up_{number:04d}"


def definition(number: int) -> dict[str, Any]:
    """A tool of ordinary size."""
    return {
        "name": tool_name(number),
        "title": f"Look up {number}",
        "description": f"Look something up in collection {number} and answer what was found, as text.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "maxLength": 200, "description": "What to look for"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many to answer"},
            },
            "required": ["query"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


def sdk_server(count: int) -> Server[Any]:
    tools = [types.Tool.model_validate(definition(number)) for number in range(count)]
    schemas = {tool.name: tool.input_schema for tool in tools}
    answer = types.CallToolResult(content=[types.TextContent(type="text", text=ANSWER)])

    async def list_tools(
        _ctx: ServerRequestContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(_ctx: ServerRequestContext, _params: types.CallToolRequestParams) -> types.CallToolResult:
        return answer

    return Server(
        "bench", version="1", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=schemas.get
    )


Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BareServer:
    """Just enough of the modern era for a gateway to list and call: no validation, no sessions."""

    def __init__(self, count: int) -> None:
        envelope = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "bare"}}}
        cached = {"ttlMs": 60_000, "cacheScope": "public"}
        self._results: dict[str, dict[str, Any]] = {
            "server/discover": {"supportedVersions": [_VERSION], "capabilities": {"tools": {}}, **envelope, **cached},
            "tools/list": {"tools": [definition(number) for number in range(count)], **envelope, **cached},
            "tools/call": {"content": [{"type": "text", "text": ANSWER}], "isError": False, **envelope},
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, answer = self._answer(orjson.loads(body) if body else {})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        result = self._results.get(request.get("method", ""))
        if result is None:
            error = {"code": -32601, "message": "Method not found"}
            return 404, orjson.dumps({"jsonrpc": "2.0", "id": request.get("id"), "error": error})
        return 200, orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


async def over_stdio(count: int) -> None:
    server = sdk_server(count)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("kind", choices=["sdk", "bare", "stdio"])
    parser.add_argument("--tools", type=int, default=10)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.kind == "stdio":
        anyio.run(over_stdio, options.tools)
        return
    app: Any = sdk_server(options.tools).streamable_http_app() if options.kind == "sdk" else BareServer(options.tools)
    lifespan = "on" if options.kind == "sdk" else "off"
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False, lifespan=lifespan)


if __name__ == "__main__":
    main()
