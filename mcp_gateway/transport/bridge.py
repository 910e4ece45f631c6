"""What must be added to or dropped from a result so that a client of one era understands it. Pure.

Unknown fields always pass. Sources: MCP 2026-07-28 basic/index (resultType), 2025-11-25 server/tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.model.call import Era
from mcp_gateway.model.tool import JsonObject, Kind

_MODERN_ONLY = ("resultType", "ttlMs", "cacheScope")
_NAMED_BY = {Kind.PROMPT: "name", Kind.RESOURCE: "uri", Kind.TEMPLATE: "uriTemplate"}
_OLD_NOT_FOUND = -32002
_INVALID_PARAMS = -32602
_INVALID_REQUEST = -32600
_MISSING_CAPABILITY = -32021
"""Of the modern era (2026-07-28 basic/index)."""


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


def read_result(result: JsonObject, *, client: Era) -> JsonObject:
    """A `resources/read` result; modern ones say how long they may be kept (2026-07-28 server/utilities/caching)."""
    if client is Era.LEGACY:
        return _without(result, _MODERN_ONLY)
    ttl: object = result.get("ttlMs")
    # Read by the right of one principal: whatever the upstream says of it, nobody else may have the copy.
    kept = {"ttlMs": ttl if type(ttl) is int and ttl >= 0 else 0, "cacheScope": "private"}
    return {"resultType": "complete", **result, **kept}


def plain_result(result: JsonObject, *, client: Era) -> JsonObject:
    """A result of any other method."""
    if client is Era.LEGACY:
        return _without(result, _MODERN_ONLY)
    return result if "resultType" in result else {**result, "resultType": "complete"}


def error(found: JsonObject, *, client: Era) -> JsonObject:
    """An upstream's error in the codes of the client's era (2026-07-28 basic/index: resource not found is -32602)."""
    if client is Era.MODERN and found.get("code") == _OLD_NOT_FOUND:
        return {**found, "code": _INVALID_PARAMS}
    if client is Era.LEGACY and found.get("code") == _MISSING_CAPABILITY:
        return {**found, "code": _INVALID_REQUEST}
    return found


def definition(definition: JsonObject, kind: Kind, *, name: str, client: Era) -> JsonObject:
    """An item as one endpoint lists it: its exposed name, everything else as the upstream said it."""
    if kind is Kind.TOOL:
        return tool_definition(definition, name=name, client=client)
    return {**definition, _NAMED_BY[kind]: name}


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


def _without(result: JsonObject, names: tuple[str, ...]) -> JsonObject:
    if not any(name in result for name in names):
        return result
    return {key: value for key, value in result.items() if key not in names}
