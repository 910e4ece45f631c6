"""Grants in the store: "agent A may use X for audience Z until T", as rows for people and tuples for decisions.

A grant's rows and tuples change in one transaction. Change kinds: `grant.written`, `grant.extended` and
`grant.revoked`, payload `{grant}`. Revoking removes every tuple of the grant and keeps its rows as history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import insert, select, update

from mcp_gateway.storage import schema
from mcp_gateway.storage.database import Database, Transaction
from mcp_gateway.storage.relationships import Condition, RelationshipTuple, delete_tuple, write_tuple

EXPIRY = "grant_expiry"
"""The model's condition on a relationship that ends by itself."""

GrantState: TypeAlias = Literal["active", "expired", "revoked"]

_EVERYONE = "user:*"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing a grant covers: `relation` on `object`, e.g. `agent_reader` on `server:tickets`."""

    object: str
    relation: str


@dataclass(frozen=True, slots=True)
class GrantRow:
    id: str
    agent: str
    targets: tuple[Target, ...]
    audience: str
    """For whom the agent may use it: `user:…`, `user:*`, `group:…#member`, `role:…#assignee` or `tenant:…#member`."""
    granted_by: str
    reason: str
    created_at: float
    expires_at: float | None
    """Seconds since the epoch; None = until revoked."""
    revoked_at: float | None
    revoked_by: str | None

    def state(self, now: float) -> GrantState:
        """What it is at `now`, in seconds since the epoch; a revoked grant stays revoked when its time is over too."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


async def put_grant(transaction: Transaction, row: GrantRow) -> None:
    """Store a new, active grant."""
    await transaction.connection.execute(
        insert(schema.grants).values(
            id=row.id,
            agent=row.agent,
            audience=row.audience,
            granted_by=row.granted_by,
            reason=row.reason,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
    )
    for target in row.targets:
        await transaction.connection.execute(
            insert(schema.grant_targets).values(grant=row.id, object=target.object, relation=target.relation)
        )
    for fact in tuples_of(row):
        await write_tuple(transaction, fact)
    await transaction.changed("grant.written", {"grant": row.id})


async def revoke_grant(transaction: Transaction, row: GrantRow) -> None:
    """End a grant; what it covered stays readable."""
    for fact in tuples_of(row):
        await delete_tuple(transaction, fact)
    await transaction.connection.execute(
        update(schema.grants)
        .where(schema.grants.c.id == row.id)
        .values(revoked_at=transaction.now, revoked_by=transaction.actor)
    )
    await transaction.changed("grant.revoked", {"grant": row.id})


async def extend_grant(transaction: Transaction, row: GrantRow, until: float | None) -> None:
    """Move a grant's end; everything else of it stays."""
    await write_tuple(transaction, _active(row.id, until))
    await transaction.connection.execute(
        update(schema.grants).where(schema.grants.c.id == row.id).values(expires_at=until)
    )
    await transaction.changed("grant.extended", {"grant": row.id})


def tuples_of(row: GrantRow) -> Iterator[RelationshipTuple]:
    """The relationships that make `row` effective. `granted_by` is one only when a user, not the machine's owner, granted."""
    yield RelationshipTuple(row.id, "agent", row.agent)
    yield RelationshipTuple(row.id, "audience", row.audience)
    if row.granted_by.startswith("user:"):
        yield RelationshipTuple(row.id, "granted_by", row.granted_by)
    for target in row.targets:
        yield RelationshipTuple(target.object, target.relation, f"{row.id}#effective")
    yield _active(row.id, row.expires_at)


def _active(grant: str, until: float | None) -> RelationshipTuple:
    return RelationshipTuple(grant, "active", _EVERYONE, expiring(until))


def expiring(until: float | None) -> Condition | None:
    """The condition that ends a relationship at `until` (seconds since the epoch); None when it does not end."""
    if until is None:
        return None
    # RFC 3339 in UTC, as a condition's `timestamp` parameter reads it.
    return Condition(EXPIRY, {"expires_at": datetime.fromtimestamp(until, UTC).isoformat().replace("+00:00", "Z")})


async def grant_rows(database: Database) -> list[GrantRow]:
    """Every grant ever made, oldest first."""
    async with database.read() as connection:
        rows = (await connection.execute(select(schema.grants).order_by(schema.grants.c.id))).all()
        targets = (
            await connection.execute(
                select(schema.grant_targets).order_by(schema.grant_targets.c.object, schema.grant_targets.c.relation)
            )
        ).all()
    covered: dict[str, list[Target]] = {}
    for target in targets:
        covered.setdefault(target.grant, []).append(Target(target.object, target.relation))
    return [_grant_row(row, covered) for row in rows]


def _grant_row(row: Any, covered: Mapping[str, Sequence[Target]]) -> GrantRow:
    return GrantRow(
        id=row.id,
        agent=row.agent,
        targets=tuple(covered.get(row.id, ())),
        audience=row.audience,
        granted_by=row.granted_by,
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )
