"""What a client asks for at the authorization endpoint, checked. Pure but for the two look-ups handed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from mcp_gateway.authserver import redirects
from mcp_gateway.authserver.clients import Client
from mcp_gateway.authserver.fields import one, required
from mcp_gateway.authserver.problems import OAuthProblem
from mcp_gateway.authserver.tokens import narrowed

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_MAX_STATE = 1024

KnownResource = Callable[[str], str | None]
"""An endpoint's URL as its tokens carry it, None for a URL that is not one of ours."""


@dataclass(frozen=True, slots=True)
class Asked:
    client_id: str
    redirect_uri: str
    state: str | None
    scope: str
    resource: str
    code_challenge: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of_json(content: Mapping[str, Any]) -> Asked:
        return Asked(**content)


def redirect_of(fields: Mapping[str, list[str]], client: Client) -> str:
    """The address to answer to. Until this has passed, nothing may be sent anywhere."""
    uri = required(fields, "redirect_uri", limit=redirects.MAX_URI_LENGTH)
    if not redirects.allowed(uri, client.redirect_uris):
        raise OAuthProblem("invalid_request", "The redirect URI is not one the client has registered.")
    return uri


def state_of(fields: Mapping[str, list[str]]) -> str | None:
    return one(fields, "state", limit=_MAX_STATE)


def parse(
    fields: Mapping[str, list[str]], client: Client, *, redirect_uri: str, issuer: str, known_resource: KnownResource
) -> Asked:
    """Raises OAuthProblem with the error the client is to be told."""
    if required(fields, "response_type") != "code":
        raise OAuthProblem("unsupported_response_type", "Only the response type code is offered.")
    if one(fields, "response_mode") not in {None, "query"}:
        raise OAuthProblem("invalid_request", "Only the response mode query is offered.")
    if one(fields, "code_challenge_method") != "S256":
        raise OAuthProblem("invalid_request", "PKCE with code_challenge_method S256 is needed.")
    challenge = required(fields, "code_challenge")
    if not _CHALLENGE.match(challenge):
        raise OAuthProblem("invalid_request", "The code_challenge is not a SHA-256 in base64url.")
    scope = narrowed(one(fields, "scope"))
    if not scope:
        raise OAuthProblem("invalid_scope", "None of the scopes asked for exists here.")
    resource = resource_of(fields, issuer=issuer, known_resource=known_resource)
    return Asked(client.client_id, redirect_uri, state_of(fields), scope, resource, challenge)


def resource_of(fields: Mapping[str, list[str]], *, issuer: str, known_resource: KnownResource) -> str:
    """RFC 8707: the endpoint the token is for; clients that name none mean the one that has everything."""
    if len(fields.get("resource", [])) > 1:
        raise OAuthProblem("invalid_target", "A token is for one resource.")
    found = known_resource(one(fields, "resource") or f"{issuer}/mcp")
    if found is None:
        raise OAuthProblem("invalid_target", "The resource is not an endpoint of this gateway.")
    return found


def answer_url(redirect_uri: str, issuer: str, **parameters: str | None) -> str:
    """The redirect URI with the answer; `iss` tells the client who answers (RFC 9207)."""
    given = {name: value for name, value in parameters.items() if value is not None}
    separator = "&" if urlsplit(redirect_uri).query else "?"
    return redirect_uri.removesuffix("?") + separator + urlencode(given | {"iss": issuer})
