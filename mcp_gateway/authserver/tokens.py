"""Make an access token: RFC 9068, five minutes at most, for one resource, user and client.

The token endpoint and the command line mint with the same function, so both carry the same claims.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from joserfc import jwt
from joserfc.jwk import ECKey

from mcp_gateway.authserver.keys import ALGORITHM
from mcp_gateway.storage.oauth import ACCESS_SECONDS

READ_SCOPE = "mcp:read"
WRITE_SCOPE = "mcp:write"
SCOPES = (READ_SCOPE, WRITE_SCOPE)
ALL_SCOPES = " ".join(SCOPES)
TOKEN_TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class Minted:
    token: str
    token_id: str
    """`jti`."""
    expires_at: int
    """Seconds since the epoch."""


def mint(
    key: ECKey,
    *,
    issuer: str,
    user: str,
    client_id: str,
    resource: str,
    scope: str,
    family: str,
    now: float,
    seconds: int = ACCESS_SECONDS,
) -> Minted:
    """`user` is the bare name (`mira`), `resource` the endpoint's URL, `seconds` at most 300."""
    if not 0 < seconds <= ACCESS_SECONDS:
        raise ValueError(f"an access token lives 1 to {ACCESS_SECONDS} seconds")
    token_id, issued_at = secrets.token_urlsafe(16), int(now)
    claims = {
        "iss": issuer,
        "sub": user,
        "aud": resource,
        "client_id": client_id,
        "scope": scope,
        "iat": issued_at,
        "exp": issued_at + seconds,
        "jti": token_id,
        "fam": family,
    }
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
    return Minted(jwt.encode(header, claims, key, algorithms=[ALGORITHM]), token_id, issued_at + seconds)


def new_family() -> str:
    return secrets.token_urlsafe(16)


def narrowed(asked: str | None, within: str = ALL_SCOPES) -> str:
    """The scopes asked for that are ours and within `within`; all of it when none was asked. May be empty."""
    allowed = set(within.split())
    if WRITE_SCOPE in allowed:
        allowed.add(READ_SCOPE)  # writing implies reading
    if not asked or not asked.split():
        return within
    return " ".join(scope for scope in SCOPES if scope in asked.split() and scope in allowed)
