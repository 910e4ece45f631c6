"""What we take from the MCP SDK's pure parts, behind one door: versions, header codec, request ladder.

No I/O but the import itself. The SDK's servers and clients are not used on the call path; they drop
unknown fields and cost many times the CPU. `import mcp.shared.inbound` would import all of them
(0.95 s of CPU instead of 0.25), so that one module is loaded by its place, on first use. The
constants below are compared with the SDK's by a test.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mcp_gateway.errors import BadRequest

if TYPE_CHECKING:
    from mcp.shared.inbound import InboundLadderRejection

LEGACY_VERSIONS = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})
LATEST_LEGACY_VERSION = "2025-11-25"
MODERN_VERSIONS = ("2026-07-28",)
MODERN_VERSION = MODERN_VERSIONS[-1]

META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_SERVER_INFO = "io.modelcontextprotocol/serverInfo"

HTTP_STATUS: Mapping[int, int] = MappingProxyType(
    {-32700: 400, -32600: 400, -32602: 400, -32020: 400, -32021: 400, -32022: 400, -32601: 404}
)
"""JSON-RPC error code of a modern answer → HTTP status; others are 200."""

HeaderMap: TypeAlias = Mapping[tuple[str, ...], str]
"""Path of a property in the arguments → token of its `Mcp-Param-*` header."""

_CODES = {
    -32602: "request.malformed",
    -32020: "request.header_mismatch",
    -32021: "request.missing_capability",
    -32022: "request.unsupported_version",
}


@cache
def load() -> ModuleType:
    """The SDK's module; call it ahead of the first request."""
    package = find_spec("mcp")
    if package is None or package.origin is None:
        raise ImportError("the package mcp is not installed")
    place = Path(package.origin).parent / "shared" / "inbound.py"
    spec = spec_from_file_location("mcp_gateway._inbound", place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def check_modern(body: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The protocol version of a modern request whose `_meta` and headers are complete and agree with its body.

    Raises BadRequest with the ladder's first failure (MCP 2026-07-28 basic/transports/streamable-http).
    """
    if _plainly_agrees(body, headers):
        return MODERN_VERSION
    verdict = load().classify_inbound_request(body, headers=headers)
    if hasattr(verdict, "code"):
        raise _refusal(verdict)
    return verdict.protocol_version


def _plainly_agrees(body: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """What the ladder certainly lets pass, for the two methods that make up the traffic; it judges everything else."""
    params = body.get("params")
    if not isinstance(params, dict):
        return False
    meta = cast("dict[str, Any]", params).get("_meta")
    if not isinstance(meta, dict):
        return False
    said = cast("dict[str, Any]", meta)
    if said.get(META_VERSION) != MODERN_VERSION or META_CAPABILITIES not in said:
        return False
    method = headers.get("mcp-method")
    if headers.get("mcp-protocol-version") != MODERN_VERSION or method != body.get("method"):
        return False
    if method == "tools/list":
        return True
    name: object = cast("dict[str, Any]", params).get("name")
    # A name in another spelling (`=?base64?…?=`) is for the ladder.
    return method == "tools/call" and isinstance(name, str) and name[:2] != "=?" and headers.get("mcp-name") == name


def unsupported_version(requested: str) -> BadRequest:
    return BadRequest(
        "this protocol version is not supported",
        code="request.unsupported_version",
        data={"supported": list(MODERN_VERSIONS), "requested": requested},
    )


def check_param_headers(input_schema: Any, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Raise BadRequest unless each `Mcp-Param-*` header the schema asks for equals its argument."""
    rejection = load().validate_mcp_param_headers(input_schema, arguments, headers)
    if rejection is not None:
        raise _refusal(rejection)


def invalid_header_annotation(input_schema: Any) -> str | None:
    """Why HTTP clients would have to drop a tool with this schema, or None."""
    return load().find_invalid_x_mcp_header(input_schema)


def header_map(input_schema: Any) -> HeaderMap:
    """The properties a tool wants mirrored into headers."""
    return load().x_mcp_header_map(input_schema)


def param_headers(properties: HeaderMap, arguments: Mapping[str, Any]) -> Mapping[str, str]:
    """The `Mcp-Param-*` headers of a call."""
    return load().mcp_param_headers(properties, arguments)


def encode_header_value(value: str) -> str:
    """A header value any HTTP hop carries unchanged."""
    return load().encode_header_value(value)


def decode_header_value(value: str) -> str | None:
    """What a header value stands for, in either spelling; None when it is not well encoded."""
    return load().decode_header_value(value)


def _refusal(rejection: InboundLadderRejection) -> BadRequest:
    data: Any = rejection.data
    return BadRequest(
        rejection.message,
        code=_CODES.get(rejection.code, "request.malformed"),
        data=data if isinstance(data, dict) else None,  # pyright: ignore[reportUnknownArgumentType]
        jsonrpc=rejection.code,
    )
