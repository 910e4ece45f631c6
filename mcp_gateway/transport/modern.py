"""MCP 2026-07-28: stateless requests. Each method maps to one gateway verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway import __version__
from mcp_gateway.protocol import META_SERVER_INFO, MODERN_VERSIONS
from mcp_gateway.transport.exchange import Exchange, unknown_method

SERVER_INFO = {"name": "mcp-gateway", "title": "MCP gateway", "version": __version__}

_DISCOVERY: Mapping[str, Any] = {
    "resultType": "complete",
    "supportedVersions": list(MODERN_VERSIONS),
    "capabilities": {"tools": {}},
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
            await exchange.list_tools(request)
        case "server/discover":
            await exchange.reply.result(_DISCOVERY)
        case _:
            raise unknown_method()
