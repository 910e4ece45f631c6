"""What we take from the MCP SDK's pure parts, behind one door: versions, header codec, request ladder.

No I/O. The SDK's servers and clients are not used on the call path; they drop unknown fields and
cost many times the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.shared.inbound import (
    InboundLadderRejection,
    classify_inbound_request,
    find_invalid_x_mcp_header,
    validate_mcp_param_headers,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

from mcp_gateway.errors import BadRequest

LEGACY_VERSIONS = frozenset(HANDSHAKE_PROTOCOL_VERSIONS)
LATEST_LEGACY_VERSION: str = LATEST_HANDSHAKE_VERSION
MODERN_VERSIONS: tuple[str, ...] = tuple(MODERN_PROTOCOL_VERSIONS)
MODERN_VERSION = MODERN_VERSIONS[-1]

META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_SERVER_INFO = "io.modelcontextprotocol/serverInfo"

_CODES = {
    -32602: "request.malformed",
    -32020: "request.header_mismatch",
    -32021: "request.missing_capability",
    -32022: "request.unsupported_version",
}


def check_modern(body: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The protocol version of a modern request whose `_meta` and headers are complete and agree with its body.

    Raises BadRequest with the ladder's first failure (MCP 2026-07-28 basic/transports/streamable-http).
    """
    verdict = classify_inbound_request(body, headers=headers)
    if isinstance(verdict, InboundLadderRejection):
        raise _refusal(verdict)
    return verdict.protocol_version


def unsupported_version(requested: str) -> BadRequest:
    return BadRequest(
        "this protocol version is not supported",
        code="request.unsupported_version",
        data={"supported": list(MODERN_VERSIONS), "requested": requested},
    )


def check_param_headers(input_schema: Any, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Raise BadRequest unless each `Mcp-Param-*` header the schema asks for equals its argument."""
    rejection = validate_mcp_param_headers(input_schema, arguments, headers)
    if rejection is not None:
        raise _refusal(rejection)


def invalid_header_annotation(input_schema: Any) -> str | None:
    """Why HTTP clients would have to drop a tool with this schema, or None."""
    return find_invalid_x_mcp_header(input_schema)


def _refusal(rejection: InboundLadderRejection) -> BadRequest:
    data: Any = rejection.data
    return BadRequest(
        rejection.message,
        code=_CODES.get(rejection.code, "request.malformed"),
        data=data if isinstance(data, dict) else None,  # pyright: ignore[reportUnknownArgumentType]
        jsonrpc=rejection.code,
    )
