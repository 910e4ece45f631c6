"""What the upstream room takes from the MCP SDK: how a client mirrors a call into HTTP headers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from mcp.shared.inbound import encode_header_value, find_invalid_x_mcp_header, mcp_param_headers, x_mcp_header_map

from mcp_gateway.errors import UpstreamProtocolError

HeaderMap: TypeAlias = Mapping[tuple[str, ...], str]
"""Path of a property in the arguments → token of its `Mcp-Param-*` header."""

__all__ = ["HeaderMap", "encode_header_value", "mirrored", "mirrored_properties"]


def mirrored_properties(definition: Mapping[str, Any]) -> HeaderMap:
    """The properties a tool wants mirrored; raises when its annotations are invalid (such a tool MUST NOT be called)."""
    schema = definition.get("inputSchema")
    if find_invalid_x_mcp_header(schema) is not None:
        raise UpstreamProtocolError("the tool's x-mcp-header annotations are invalid")
    return x_mcp_header_map(schema)


def mirrored(properties: HeaderMap, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(mcp_param_headers(properties, arguments).items())
