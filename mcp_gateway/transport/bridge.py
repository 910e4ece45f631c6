"""What must be added to or dropped from a result so that a client of one era understands it. Pure.

Unknown fields always pass. Sources: MCP 2026-07-28 basic/index (resultType), 2025-11-25 server/tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.model.call import Era
from mcp_gateway.model.tool import JsonObject

_MODERN_ONLY = ("resultType", "ttlMs", "cacheScope")


def call_result(result: JsonObject, *, client: Era) -> JsonObject:
    """A `tools/call` result as the client's era has it."""
    if client is Era.MODERN:
        return result if "resultType" in result else {**result, "resultType": "complete"}
    structured = result.get("structuredContent")
    foreign = "structuredContent" in result and not isinstance(structured, Mapping)
    if not foreign and not any(key in result for key in _MODERN_ONLY):
        return result
    dropped = {*_MODERN_ONLY, *(("structuredContent",) if foreign else ())}
    return {key: value for key, value in result.items() if key not in dropped}


def tool_definition(definition: JsonObject, *, name: str, client: Era) -> dict[str, Any]:
    """A tool as one endpoint lists it: its exposed name, everything else as the upstream said it."""
    shown = {**definition, "name": name}
    if client is Era.MODERN:
        shown.pop("execution", None)
        return shown
    output: Any = shown.get("outputSchema")
    if output is not None and not (isinstance(output, Mapping) and output.get("type") == "object"):
        del shown["outputSchema"]
    return shown
