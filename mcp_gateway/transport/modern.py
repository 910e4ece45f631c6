"""MCP 2026-07-28: stateless requests. Each method maps to one gateway verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway import __version__
from mcp_gateway.model.tool import Kind
from mcp_gateway.protocol import META_SERVER_INFO, MODERN_VERSIONS
from mcp_gateway.transport import listening
from mcp_gateway.transport.exchange import Exchange, unknown_method
from mcp_gateway.transport.tasks import EXTENSION

SERVER_INFO = {"name": "mcp-gateway", "title": "MCP gateway", "version": __version__}
CAPABILITIES: Mapping[str, Any] = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
"""Served at every endpoint; a list may be empty."""

_DISCOVERY: Mapping[str, Any] = {
    "resultType": "complete",
    "supportedVersions": list(MODERN_VERSIONS),
    "capabilities": {**CAPABILITIES, "extensions": {EXTENSION: {}}},
    "ttlMs": 0,
    "cacheScope": "private",
    "_meta": {META_SERVER_INFO: SERVER_INFO},
}


async def answer(exchange: Exchange) -> None:
    """Answer a request whose headers and `_meta` have been checked."""
    request = exchange.request(exchange.headers["mcp-protocol-version"])
    match exchange.message["method"]:
        case "tools/call":
            await exchange.call_tool(request)
        case "tools/list":
            await exchange.list(request, Kind.TOOL)
        case "resources/read":
            await exchange.read_resource(request)
        case "prompts/get":
            await exchange.get_prompt(request)
        case "completion/complete":
            await exchange.complete(request)
        case "prompts/list":
            await exchange.list(request, Kind.PROMPT)
        case "resources/list":
            await exchange.list(request, Kind.RESOURCE)
        case "resources/templates/list":
            await exchange.list(request, Kind.TEMPLATE)
        case "tasks/get" | "tasks/update" | "tasks/cancel" as method:
            await exchange.use_task(request, method)
        case "subscriptions/listen":
            await listening.listen(exchange, request)
        case "server/discover":
            capabilities = listening.capabilities(exchange, _DISCOVERY["capabilities"])
            await exchange.reply.result({**_DISCOVERY, "capabilities": capabilities})
        case _:
            raise unknown_method()
