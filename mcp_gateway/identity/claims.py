"""Verified claims → `Principal`, or the reason why not. Pure; `now` is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mcp_gateway.errors import Unauthenticated
from mcp_gateway.identity.memberships import MembershipClaims, memberships
from mcp_gateway.model.ids import agent_id, user_id
from mcp_gateway.model.principal import Principal

_MAX_CLAIM_LENGTH = 1024
_CLOCK_SKEW_SECONDS = 60


def identify(
    claims: Mapping[str, Any],
    *,
    alias: str,
    audience: str,
    accepted: Sequence[str],
    now: float,
    leeway: float,
    membership_claims: MembershipClaims | None = None,
) -> Principal:
    """Who a token of issuer `alias` speaks for at `audience`.

    `accepted` are the `aud` values that stand for this endpoint. Time is in epoch seconds.
    Raises Unauthenticated with `token.expired`, `token.wrong_audience` or `token.invalid`.
    """
    expires_at = _time(claims, "exp")
    if expires_at + leeway <= now:
        raise Unauthenticated(code="token.expired")
    issued_at = _time(claims, "iat")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued_at
    if max(issued_at, not_before) > now + _CLOCK_SKEW_SECONDS:
        raise Unauthenticated("the token is not valid yet")
    # RFC 8707 §2 and RFC 9068 §4: exact membership, no prefixes.
    if not any(value in accepted for value in _audiences(claims)):
        raise Unauthenticated(code="token.wrong_audience")
    return Principal(
        user=user_id(alias, _text(claims, "sub")),
        agent=agent_id(alias, _actor(claims)),
        scopes=_scopes(claims),
        audience=audience,
        token_id=_text(claims, "jti") if "jti" in claims else "",
        expires_at=int(expires_at),
        issued_at=issued_at,
        sign_in=_text(claims, "fam") if "fam" in claims else "",
        memberships=memberships(claims, membership_claims, alias=alias) if membership_claims else (),
    )


def _actor(claims: Mapping[str, Any]) -> str:
    """The agent: the outermost `act` (RFC 8693 §4.1), else the OAuth client."""
    actor = claims.get("act")
    if isinstance(actor, Mapping):
        return _text(cast("Mapping[str, Any]", actor), "sub")
    if actor is not None:
        raise Unauthenticated("the claim act is not an object")
    return _text(claims, "client_id") if "client_id" in claims else _text(claims, "azp")


def revocation_keys(principal: Principal) -> tuple[tuple[str, str], ...]:
    """What a revocation may name: (`user` | `agent` | `jti` | `family`, value)."""
    keys = [("user", str(principal.user)), ("agent", str(principal.agent))]
    keys += [(kind, value) for kind, value in (("jti", principal.token_id), ("family", principal.sign_in)) if value]
    return tuple(keys)


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    audience = claims.get("aud")
    values = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
    return [value for value in values if isinstance(value, str)]


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise Unauthenticated("the claim scope is not text")
    return frozenset(scope.split())


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > _MAX_CLAIM_LENGTH:
        raise Unauthenticated(f"the claim {name} is missing or not text")
    return value


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unauthenticated(f"the claim {name} is missing or not a number")
    return float(value)
