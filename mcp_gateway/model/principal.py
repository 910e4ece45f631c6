"""Who is asking. A `Principal` always has a user and an agent; there is no anonymous one."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_gateway.model.ids import AgentId, UserId


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified (user, agent) pair: the token's subject and the OAuth client acting for it (RFC 8693 §4.1)."""

    user: UserId
    agent: AgentId
    scopes: frozenset[str]
    """A ceiling, never a right."""
    audience: str
    """The endpoint URL the token was issued for (RFC 8707)."""
    token_id: str
    """`jti`, for audit and revocation."""
    expires_at: int
    """Seconds since the epoch."""
    issued_at: float = 0.0
    """Seconds since the epoch; a revocation ends what was issued before it."""
    sign_in: str = ""
    """Which sign-in the token descends from (`fam` of the built-in login), for revocation."""
    memberships: tuple[tuple[str, str], ...] = ()
    """What the verified token says the user belongs to, as (relation, object): `("member", "group:okta/eng")`.

    Sorted, bounded, and only of the issuer's own namespace; never stored.
    """


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in user without an agent: the first-party pages and API. Cannot call a tool."""

    user: UserId
    session_id: str
    """A public digest of the login session; never the cookie's value."""
