"""`Mcp-Param-*` headers equal the arguments they mirror (MCP 2026-07-28 streamable-http, custom headers).

Whoever routes on the header and whoever acts on the body would otherwise see different calls.
"""

from __future__ import annotations

from mcp_gateway.model.call import Answer, Caller, Era, Forward, Permit
from mcp_gateway.model.tool import Tool
from mcp_gateway.protocol import check_param_headers, header_map


async def param_headers(permit: Permit, caller: Caller, proceed: Forward) -> Answer:
    """Raise BadRequest `request.header_mismatch` on any disagreement; legacy clients send no such headers."""
    if permit.request.era is Era.MODERN and permit.method == "tools/call" and _is_annotated(permit.tool):
        check_param_headers(permit.tool.definition.get("inputSchema"), permit.arguments, permit.request.param_headers)
    return await proceed(permit, caller)


def _is_annotated(tool: Tool) -> bool:
    """Few tools mirror anything, and walking a schema costs more than the rest of the guards."""
    known = _annotated.get(tool.digest)
    if known is None:
        if len(_annotated) >= _KEPT:
            _annotated.clear()
        known = _annotated[tool.digest] = bool(header_map(tool.definition.get("inputSchema")))
    return known


_KEPT = 20_000
_annotated: dict[str, bool] = {}
