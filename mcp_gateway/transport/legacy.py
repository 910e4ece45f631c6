"""MCP 2024-11-05 to 2025-11-25: `initialize`, then requests in a session."""

from __future__ import annotations

from typing import Any

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.tool import Kind
from mcp_gateway.protocol import LATEST_LEGACY_VERSION, LEGACY_VERSIONS
from mcp_gateway.transport import listening
from mcp_gateway.transport.exchange import Exchange, unknown_method
from mcp_gateway.transport.modern import CAPABILITIES, SERVER_INFO


async def answer(exchange: Exchange) -> None:
    """Answer a request of the session era."""
    method = exchange.message["method"]
    if method == "initialize":
        await _initialize(exchange)
        return
    session = exchange.session()
    exchange.flight.key = (session.digest, exchange.message["id"])
    exchange.parts.inflight.name(exchange.flight)
    request = exchange.request(session.protocol_version, session)
    match method:
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
        case "resources/subscribe":
            await listening.subscribe(exchange, request, session)
        case "resources/unsubscribe":
            await listening.unsubscribe(exchange, request, session)
        case "logging/setLevel":
            await listening.set_level(exchange, session)
        case "ping":
            await exchange.reply.result({})
        case _:
            raise unknown_method()


async def _initialize(exchange: Exchange) -> None:
    """Agree on a version: the client's if we know it, else our newest (2025-11-25 basic/lifecycle)."""
    asked: Any = exchange.params.get("protocolVersion")
    if not isinstance(asked, str):
        raise BadRequest("params.protocolVersion must be text")
    version = asked if asked in LEGACY_VERSIONS else LATEST_LEGACY_VERSION
    capabilities: Any = exchange.params.get("capabilities", {})
    if not isinstance(capabilities, dict):
        raise BadRequest("params.capabilities must be an object")
    session_id = exchange.parts.sessions.create(exchange.principal, version, capabilities)  # pyright: ignore[reportUnknownArgumentType] JSON objects have text keys
    offered = listening.capabilities(exchange, {**CAPABILITIES, "logging": {}})
    result: dict[str, Any] = {"protocolVersion": version, "capabilities": offered, "serverInfo": SERVER_INFO}
    await exchange.reply.result(result, headers=[(b"mcp-session-id", session_id.encode())])
