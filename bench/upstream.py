"""The servers that are called: one on the official SDK, and bare ones that do next to nothing, for either era,
answering in JSON or as an event stream. N tools, over HTTP or stdio.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
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
_LEGACY_VERSION = "2025-06-18"
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream")


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

    def __init__(self, count: int, *, events: bool = False) -> None:
        self._events = events
        self._results = self._of(count)

    def _of(self, count: int) -> dict[str, dict[str, Any]]:
        envelope = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "bare"}}}
        cached = {"ttlMs": 60_000, "cacheScope": "public"}
        return {
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
        if self._events and status == 200:
            # As the SDK writes it: the length is not known when the stream begins.
            headers, answer = [_EVENTS], b"event: message\ndata: " + answer + b"\n\n"
        else:
            headers = [_JSON, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers + self._more(status)})
        await send({"type": "http.response.body", "body": answer})

    def _more(self, _status: int) -> list[tuple[bytes, bytes]]:
        return []

    def _answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        result = self._results.get(request.get("method", ""))
        if result is None:
            error = {"code": -32601, "message": "Method not found"}
            return 404, orjson.dumps({"jsonrpc": "2.0", "id": request.get("id"), "error": error})
        return 200, orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


class LegacyBareServer(BareServer):
    """The same for the era of `initialize`; one session id for everybody, nothing kept for it."""

    def _of(self, count: int) -> dict[str, dict[str, Any]]:
        info = {"name": "bare", "version": "1"}
        hello: dict[str, Any] = {"protocolVersion": _LEGACY_VERSION, "capabilities": {"tools": {}}, "serverInfo": info}
        return {
            "initialize": hello,
            "ping": {},
            "tools/list": {"tools": [definition(number) for number in range(count)]},
            "tools/call": {"content": [{"type": "text", "text": ANSWER}], "isError": False},
        }

    def _more(self, status: int) -> list[tuple[bytes, bytes]]:
        return [(b"mcp-session-id", b"bare")] if status == 200 else []

    def _answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        if not request:  # a GET: no stream of its own
            return 405, b""
        if "id" not in request:
            return 202, b""
        # A 404 would say that the server is of the other era and lacks the method.
        status, answer = super()._answer(request)
        return min(status, 400), answer


BARE: Mapping[str, Callable[[int], BareServer]] = {
    "bare": BareServer,
    "bare-events": partial(BareServer, events=True),
    "legacy": LegacyBareServer,
    "legacy-events": partial(LegacyBareServer, events=True),
}


async def over_stdio(count: int) -> None:
    server = sdk_server(count)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("kind", choices=["sdk", "stdio", *BARE])
    parser.add_argument("--tools", type=int, default=10)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.kind == "stdio":
        anyio.run(over_stdio, options.tools)
        return
    bare = BARE.get(options.kind)
    app: Any = bare(options.tools) if bare else sdk_server(options.tools).streamable_http_app()
    lifespan = "on" if options.kind == "sdk" else "off"
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False, lifespan=lifespan)


if __name__ == "__main__":
    main()
