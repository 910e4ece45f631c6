"""How a client mirrors a call into HTTP headers (MCP 2026-07-28 streamable-http). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.protocol import HeaderMap, encode_header_value, header_map, invalid_header_annotation, param_headers

__all__ = ["HeaderMap", "encode_header_value", "mirrored", "mirrored_properties"]


def mirrored_properties(definition: Mapping[str, Any]) -> HeaderMap:
    """The properties a tool wants mirrored; raises when its annotations are invalid (such a tool MUST NOT be called)."""
    schema = definition.get("inputSchema")
    if invalid_header_annotation(schema) is not None:
        raise UpstreamProtocolError("the tool's x-mcp-header annotations are invalid")
    return header_map(schema)


def mirrored(properties: HeaderMap, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(param_headers(properties, arguments).items())
