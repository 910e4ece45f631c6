"""Where to get a token: RFC 9728 metadata and `WWW-Authenticate` challenges. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.errors import GatewayError, InsufficientScope
from mcp_gateway.model.reasons import sentence

WELL_KNOWN = "/.well-known/oauth-protected-resource"
READ_SCOPE = "mcp:read"
WRITE_SCOPE = "mcp:write"
ALL_SCOPES = f"{READ_SCOPE} {WRITE_SCOPE}"


def endpoint_path(endpoint: str | None) -> str:
    return f"/mcp/{endpoint}" if endpoint else "/mcp"


def resource_metadata(origin: str, endpoint: str | None, authorization_servers: list[str]) -> dict[str, Any]:
    """RFC 9728 §2; `resource` is the exact URL clients call, and the audience of its tokens."""
    name = f"MCP gateway: {endpoint}" if endpoint else "MCP gateway"
    return {
        "resource": origin + endpoint_path(endpoint),
        "authorization_servers": authorization_servers,
        "scopes_supported": [READ_SCOPE, WRITE_SCOPE],
        "bearer_methods_supported": ["header"],
        "resource_name": name,
        "resource_documentation": f"{origin}/auth.md",
    }


def challenge(error: GatewayError, *, origin: str, endpoint: str | None) -> str:
    """The `WWW-Authenticate` value for a 401 or 403 (RFC 6750 §3, RFC 9728 §5.1)."""
    parameters: dict[str, str] = {}
    if isinstance(error, InsufficientScope):
        parameters["error"] = "insufficient_scope"
    elif error.code != "token.missing":
        # RFC 6750 §3.1: no error code when no credentials were sent.
        parameters["error"] = "invalid_token"
    if "error" in parameters:
        parameters["error_description"] = sentence(error.code)
    parameters["scope"] = error.scope if isinstance(error, InsufficientScope) else ALL_SCOPES
    parameters["resource_metadata"] = f"{origin}{WELL_KNOWN}{endpoint_path(endpoint)}"
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def unauthenticated_body(error: GatewayError, *, origin: str, request_id: str) -> Mapping[str, Any]:
    """What a person or agent without a token reads."""
    return {
        "error": error.code,
        "message": sentence(error.code),
        "request_id": request_id,
        "documentation": f"{origin}/auth.md",
    }
