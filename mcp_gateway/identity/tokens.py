"""A JWT access token → its claims, after every check that needs no knowledge of users (RFC 9068 §4)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from mcp_gateway.errors import Unauthenticated
from mcp_gateway.identity.memberships import MembershipClaims

MAX_TOKEN_BYTES = 16_384
_MAX_HEADER_BYTES = 2_048

VerificationKey = ECKey | RSAKey | OKPKey


class KeySource(Protocol):
    """The public keys of one issuer.

    `key` returns the key a token header names; raises Unauthenticated when the issuer has none such,
    AuthorizationUnavailable when its keys cannot be had.
    """

    async def key(self, kid: str | None) -> VerificationKey: ...


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """Whose tokens count, and how strictly. Nothing here has a default that widens."""

    alias: str
    issuer: str
    audiences: tuple[str, ...]
    """Accepted besides the endpoint's URL; empty for the built-in login."""
    algorithms: tuple[str, ...]
    token_types: tuple[str, ...]
    leeway_seconds: float
    keys: KeySource
    memberships: MembershipClaims | None = None
    """Which claims say what the user belongs to; None = none of them counts."""


def parse_header(token: str) -> Mapping[str, Any]:
    """The unverified header, only to select key and algorithm; never trusted for more."""
    if len(token) > MAX_TOKEN_BYTES or token.count(".") != 2:
        raise Unauthenticated("not a JWT")
    header = _json_part(token.partition(".")[0], limit=_MAX_HEADER_BYTES)
    if "crit" in header:
        raise Unauthenticated("the token has critical extensions")
    return header


def unverified_issuer(token: str) -> str:
    """Only to find the configured issuer record, whose keys then decide."""
    issuer = _json_part(token.split(".")[1], limit=MAX_TOKEN_BYTES).get("iss")
    if not isinstance(issuer, str):
        raise Unauthenticated("the claim iss is missing")
    return issuer


async def verify(token: str, header: Mapping[str, Any], issuer: TrustedIssuer) -> Mapping[str, Any]:
    """The claims of a token whose signature, algorithm and type are as `issuer` demands."""
    if header.get("alg") not in issuer.algorithms:
        raise Unauthenticated("the token's algorithm is not accepted")
    if not _type_accepted(header.get("typ"), issuer.token_types):
        raise Unauthenticated("the token's type is not accepted")
    kid = header.get("kid")
    key = await issuer.keys.key(kid if isinstance(kid, str) else None)
    try:
        decoded = jwt.decode(token, key, algorithms=list(issuer.algorithms))
    except (JoseError, ValueError, TypeError) as exc:
        raise Unauthenticated("the token's signature does not verify") from exc
    claims = cast("Mapping[str, Any]", decoded.claims)
    if claims.get("iss") != issuer.issuer:
        raise Unauthenticated("the token's issuer is not the one its keys belong to")
    return claims


def _type_accepted(value: Any, accepted: Sequence[str]) -> bool:
    return isinstance(value, str) and value.lower().removeprefix("application/") in {name.lower() for name in accepted}


def _json_part(part: str, *, limit: int) -> Mapping[str, Any]:
    if len(part) > limit:
        raise Unauthenticated("a part of the token is too long")
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError) as exc:
        raise Unauthenticated("not a JWT") from exc
    if not isinstance(value, dict):
        raise Unauthenticated("not a JWT")
    return cast("Mapping[str, Any]", value)
