"""Grants and delegations: what an agent may use, and who lets it act."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from mcp_gateway.administration.changes import Part
from mcp_gateway.administration.rules import Level, SelfGrant, granted_relation, ticked_relation, validate
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import AgentId, UserId, grant_id, server_id
from mcp_gateway.model.tool import Risk
from mcp_gateway.storage.grants import (
    GrantRow,
    GrantState,
    Target,
    expiring,
    extend_grant,
    grant_rows,
    put_grant,
    revoke_grant,
    tuples_of,
)
from mcp_gateway.storage.oauth import end_sign_ins
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, matching, write_tuple

_DELEGATOR = "delegator"
_CONSENT = "consent"
"""The reason of a grant a user gave on the consent page."""


@dataclass(frozen=True, slots=True)
class Delegation:
    user: str
    """`user:…`, or a group's members."""
    agent: str
    expires_at: str | None
    """RFC 3339; None = until ended."""
    state: Literal["active", "expired"]


class Grants(Part):
    async def grant_add(
        self,
        agent: AgentId,
        on: str,
        *,
        level: Level | None,
        audience: str,
        until: float | None,
        reason: str,
        granted_by: str,
    ) -> str:
        """Let `agent` use `on` for `audience` until `until` (seconds since the epoch); returns the grant's id.

        A grant is one side of a decision: the user still needs access, and must let the agent act.
        """
        if not reason.strip():
            raise OperatorError("a grant needs a reason", where="--reason")
        if until is not None and until <= time.time():
            raise OperatorError("the grant would already have ended", where="--until")
        row = _row(agent, (Target(on, granted_relation(on, level)),), audience, granted_by, reason.strip(), until)
        self._validate(row)
        async with self._changes.open("grant.added", granted_by, **_named(row)) as transaction:
            await put_grant(transaction, row)
        return row.id

    async def grant_list(
        self,
        *,
        agent: str | None = None,
        audience: str | None = None,
        on: str | None = None,
        state: GrantState | None = None,
    ) -> list[GrantRow]:
        """Every grant ever made that agrees with all arguments given, oldest first; `on` is one of its targets."""
        now = time.time()
        return [
            row
            for row in await grant_rows(self._database)
            if agent in (None, row.agent)
            and audience in (None, row.audience)
            and (on is None or any(target.object == on for target in row.targets))
            and state in (None, row.state(now))
        ]

    async def grant_show(self, grant: str) -> GrantRow:
        """Raises OperatorError when there was never such a grant."""
        row = next((row for row in await grant_rows(self._database) if row.id == grant), None)
        if row is None:
            raise OperatorError("there is no such grant", where=grant, remedy="mcp-gateway grant list --all")
        return row

    async def grant_revoke(self, grant: str, *, actor: str) -> bool:
        """End a grant for the next call; False when it was revoked before."""
        row = await self.grant_show(grant)
        if row.revoked_at is not None:
            return False
        await self._revoke(row, actor)
        return True

    async def grants_revoke(self, *, agent: str | None, audience: str | None, actor: str) -> list[str]:
        """End every grant of an agent, with an audience, or both, that is in force; returns their ids."""
        if agent is None and audience is None:
            raise OperatorError("name a grant, an agent or an audience", remedy="mcp-gateway grant list")
        rows = await self.grant_list(agent=agent, audience=audience, state="active")
        for row in rows:
            # Each with a record of its own: what it covered can be read there.
            await self._revoke(row, actor)
        return [row.id for row in rows]

    async def grant_extend(self, grant: str, *, until: float | None, actor: str) -> GrantRow:
        """Move the end of a grant in force, to a later or an earlier moment; None = until it is revoked."""
        row = await self.grant_show(grant)
        now = time.time()
        if row.state(now) != "active":
            raise OperatorError(f"the grant is {row.state(now)}", where=grant, remedy="mcp-gateway grant add")
        if until is not None and until <= now:
            raise OperatorError("this moment is over", where="--until", remedy=f"mcp-gateway grant revoke {grant}")
        if row.granted_by == row.audience and (until is None or until > (row.expires_at or until)):
            raise OperatorError(
                "the user gave this grant by consent; only the user can prolong it",
                where=grant,
                remedy="the user signs in through the agent again",
            )
        after = replace(row, expires_at=until)
        async with self._changes.open(
            "grant.extended", actor, **_named(after), formerly_expires_at=row.expires_at
        ) as transaction:
            await extend_grant(transaction, row, until)
        return after

    async def _revoke(self, row: GrantRow, actor: str) -> None:
        async with self._changes.open("grant.revoked", actor, **_named(row)) as transaction:
            await revoke_grant(transaction, row)

    async def approve_consent(
        self, user: UserId, agent: AgentId, ticks: Mapping[str, Risk], *, self_grant: SelfGrant, until: float
    ) -> str | None:
        """Write what `user` ticked (server name → highest risk): the delegation, and one grant for this user alone.

        A new consent replaces the user's earlier one for this agent. Returns the grant's id, None without ticks.
        """
        targets = tuple(Target(server_id(name), ticked_relation(ticks[name], self_grant)) for name in sorted(ticks))
        row = _row(agent, targets, user, user, _CONSENT, until)
        self._validate(row)
        earlier = await self._consents(user, agent)
        async with self._changes.open("consent.granted", user, **_named(row)) as transaction:
            await write_tuple(transaction, _delegation(user, agent, None))
            for grant in earlier:
                await revoke_grant(transaction, grant)
            if targets:
                await put_grant(transaction, row)
        return row.id if targets else None

    async def delegation_add(self, user: str, agent: AgentId, *, until: float | None, actor: str) -> bool:
        """Let `agent` act for `user`; False when it may already."""
        row = _delegation(user, agent, until)
        validate(self._vocabulary, row)
        async with self._changes.open(
            "delegation.added", actor, user=user, agent=agent, expires_at=until
        ) as transaction:
            return await write_tuple(transaction, row)

    async def delegation_list(self, *, user: str | None = None, agent: str | None = None) -> list[Delegation]:
        rows = await matching(self._database, object=agent, relation=_DELEGATOR, subject=user)
        now = time.time()
        return [Delegation(row.subject, row.object, _expiry(row), _state(row, now)) for row in rows]

    async def delegation_end(self, user: str, agent: AgentId, *, actor: str) -> bool:
        """Stop `agent` acting for `user`, end what the user granted it and its sign-ins; False if nothing was there."""
        earlier = await self._consents(user, agent)
        async with self._changes.open("delegation.ended", actor, user=user, agent=agent) as transaction:
            ended = await delete_tuple(transaction, _delegation(user, agent, None))
            await end_sign_ins(transaction, user, agent)
            for grant in earlier:
                await revoke_grant(transaction, grant)
        return ended or bool(earlier)

    async def delegations_end(self, *, user: str | None, agent: str | None, actor: str) -> list[tuple[str, str]]:
        """End every delegation of a user, to an agent, or both; returns the (user, agent) pairs that were ended."""
        if user is None and agent is None:
            raise OperatorError("name a user, an agent, or both", remedy="mcp-gateway delegation list")
        pairs = {(row.user, row.agent) for row in await self.delegation_list(user=user, agent=agent)}
        # What a user granted by consent may outlast an ended delegation and would count again with a new one.
        pairs |= {
            (row.audience, row.agent)
            for row in await self.grant_list(agent=agent, audience=user, state="active")
            if row.audience == row.granted_by
        }
        return [pair for pair in sorted(pairs) if await self.delegation_end(pair[0], AgentId(pair[1]), actor=actor)]

    async def _consents(self, user: str, agent: str) -> list[GrantRow]:
        rows = await grant_rows(self._database)
        mine = (row for row in rows if row.agent == agent and row.audience == row.granted_by == user)
        return [row for row in mine if row.revoked_at is None]

    def _validate(self, row: GrantRow) -> None:
        for fact in tuples_of(row):
            validate(self._vocabulary, fact)


def _row(
    agent: str, targets: tuple[Target, ...], audience: str, granted_by: str, reason: str, until: float | None
) -> GrantRow:
    now = time.time()
    return GrantRow(
        id=grant_id(now, secrets.token_bytes(10)),
        agent=agent,
        targets=targets,
        audience=audience,
        granted_by=granted_by,
        reason=reason,
        created_at=now,
        expires_at=until,
        revoked_at=None,
        revoked_by=None,
    )


def _named(row: GrantRow) -> dict[str, object]:
    return {
        "grant": row.id,
        "agent": row.agent,
        "on": [f"{target.relation} {target.object}" for target in row.targets],
        "audience": row.audience,
        "reason": row.reason,
        "expires_at": row.expires_at,
    }


def _delegation(user: str, agent: str, until: float | None) -> RelationshipTuple:
    return RelationshipTuple(agent, _DELEGATOR, user, expiring(until))


def _state(row: RelationshipTuple, now: float) -> Literal["active", "expired"]:
    expiry = _expiry(row)
    return "expired" if expiry is not None and datetime.fromisoformat(expiry).timestamp() <= now else "active"


def _expiry(row: RelationshipTuple) -> str | None:
    return str(row.condition.context["expires_at"]) if row.condition else None
