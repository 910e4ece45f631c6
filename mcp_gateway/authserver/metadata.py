"""The authorization server's self-description (RFC 8414). Pure."""

from __future__ import annotations

from typing import Any

from mcp_gateway.authserver.tokens import SCOPES

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
AUTHORIZE, TOKEN, REGISTER, REVOKE, JWKS = (
    f"/oauth/{name}" for name in ("authorize", "token", "register", "revoke", "jwks")
)


def openid_configuration(issuer: str, *, registration: bool, documents: bool) -> dict[str, Any]:
    """The same for clients that look under the OpenID name; their parsers insist on two members more."""
    described = metadata(issuer, registration=registration, documents=documents)
    return described | {"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"]}


def metadata(issuer: str, *, registration: bool, documents: bool) -> dict[str, Any]:
    """`documents`: client ID metadata documents are accepted. Members that do not apply are left out."""
    described: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "revocation_endpoint": issuer + REVOKE,
        "jwks_uri": issuer + JWKS,
        "service_documentation": f"{issuer}/auth.md",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": documents,
    }
    if registration:
        described["registration_endpoint"] = issuer + REGISTER
    return described
