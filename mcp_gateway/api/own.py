"""A person's own delegations and grants: which agents act for them, with what, and a way to end each.

Ending is all a person can do here; what an agent may use is given on the consent page or by an administrator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import Request

from mcp_gateway.api.signed_in import desk_of
from mcp_gateway.errors import AccessDenied, BadRequest, OperatorError
from mcp_gateway.model.ids import GATEWAY, AgentId
from mcp_gateway.model.principal import Person

MAX_ID = 600


@dataclass(frozen=True, slots=True)
class OwnDelegation:
    agent: str
    name: str
    """What the agent calls itself; nobody vouches for it."""
    expires_at: str | None
    """RFC 3339; None = until ended."""
    state: Literal["active", "expired"]


@dataclass(frozen=True, slots=True)
class OwnGrant:
    id: str
    agent: str
    name: str
    covers: tuple[str, ...]
    """Such as `agent_reader server:tickets`."""
    audience: str
    granted_by: str
    reason: str
    expires_at: float | None
    """Seconds since the epoch; None = until revoked."""
    revocable: bool
    """By this person."""


@dataclass(frozen=True, slots=True)
class OwnAccess:
    delegations: tuple[OwnDelegation, ...]
    grants: tuple[OwnGrant, ...]
    """Those in force that are for this person alone, or that this person gave."""


@dataclass(frozen=True, slots=True)
class Ended:
    changed: bool


async def own_access(request: Request, person: Person) -> OwnAccess:
    administration = desk_of(request).administration
    names = {row.id: row.name for row in await administration.agent_list()}
    delegations = [
        OwnDelegation(row.agent, names.get(AgentId(row.agent), row.agent), row.expires_at, row.state)
        for row in await administration.delegation_list(user=person.user)
    ]
    grants = [
        OwnGrant(
            id=row.id,
            agent=row.agent,
            name=names.get(AgentId(row.agent), row.agent),
            covers=tuple(f"{target.relation} {target.object}" for target in row.targets),
            audience=row.audience,
            granted_by=row.granted_by,
            reason=row.reason,
            expires_at=row.expires_at,
            revocable=await _may_revoke(request, person, row.id),
        )
        for row in await administration.grant_list(state="active")
        if person.user in (row.audience, row.granted_by)
    ]
    return OwnAccess(tuple(delegations), tuple(grants))


async def end_delegation(request: Request, person: Person, agent: str) -> Ended:
    """The agent no longer acts for this person, and what the person granted it ends too."""
    refuse_foreign_site(request)
    return Ended(await desk_of(request).administration.delegation_end(person.user, AgentId(agent), actor=person.user))


async def revoke_grant(request: Request, person: Person, grant: str) -> Ended:
    """Whoever gave it, administers its agent or administers the gateway may; to all others it does not exist."""
    refuse_foreign_site(request)
    identifier = f"grant:{grant.removeprefix('grant:')}"
    if not await _may_revoke(request, person, identifier):
        raise AccessDenied(None, code="grant.unknown")
    try:
        return Ended(await desk_of(request).administration.grant_revoke(identifier, actor=person.user))
    except OperatorError as exc:
        raise AccessDenied(None, code="grant.unknown") from exc


def refuse_foreign_site(request: Request) -> None:
    """A cookie travels with other sites' forms, an Origin of ours does not; a bearer token is sent by nobody else."""
    if "authorization" in request.headers:
        return
    origin = request.headers.get("origin", "")
    if origin not in desk_of(request).origins or urlsplit(origin).netloc != request.headers.get("host", "").lower():
        raise BadRequest("the request was sent from another site", code="request.origin_refused")


async def _may_revoke(request: Request, person: Person, grant: str) -> bool:
    inspection = desk_of(request).inspection
    return await inspection.may(person, "can_revoke", grant) or await inspection.may(person, "administrator", GATEWAY)
