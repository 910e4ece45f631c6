"""The authorization server's part of the store: agents, codes, refresh tokens, revocations.

Codes and refresh tokens are stored by SHA-256 only. Everything one sign-in leads to shares a
`family`, so that ending it ends all of it. Change kinds: `agent.registered` and `agent.removed`
(payload `{agent, kind}`), `token.revoked` (payload `{kind, value, not_before, until}`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.storage import schema
from mcp_gateway.storage.database import Database, Transaction

AgentKind: TypeAlias = Literal["registered", "added", "cimd", "self"]
"""In the settings, added by an operator, known by its metadata document, registered by itself."""
AgentState: TypeAlias = Literal["new", "active", "disabled"]
RevocationKind: TypeAlias = Literal["family", "jti", "user", "agent"]

ACCESS_SECONDS = 300
"""Lifetime of an access token, and so how long a revocation must be remembered."""
_CODE_KEPT_SECONDS = 86_400
"""How long a used code stays known, so that its replay ends the family."""
_CLOCK_SLACK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class AgentRow:
    id: AgentId
    client_id: str
    kind: AgentKind
    state: AgentState
    """`new`: registered itself and nobody has approved it yet. `disabled`: its switch is off."""
    name: str
    metadata: Mapping[str, Any]
    created_at: float
    last_used_at: float | None
    """Seconds since the epoch; the last sign-in a user approved."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a user approved: this client, at this resource, within this scope."""

    family: str
    client_id: str
    user: UserId
    scope: str
    resource: str


@dataclass(frozen=True, slots=True)
class Code:
    sign_in: SignIn
    redirect_uri: str
    code_challenge: str
    expires_at: float
    used: bool = False


@dataclass(frozen=True, slots=True)
class Refresh:
    sign_in: SignIn
    expires_at: float
    used: bool = False


async def agent_of(database: Database, client_id: str) -> AgentRow | None:
    async with database.read() as connection:
        row = (await connection.execute(_agents().where(schema.agents.c.client_id == client_id))).first()
        return _as_agent(row) if row else None


async def all_agents(database: Database) -> list[AgentRow]:
    async with database.read() as connection:
        rows = await connection.execute(_agents().order_by(schema.agents.c.id))
        return [_as_agent(row) for row in rows]


async def write_agent(transaction: Transaction, agent: AgentRow) -> None:
    """Store `agent`; one that stands there keeps its state and its times."""
    table = schema.agents
    values = {"kind": agent.kind, "name": agent.name, "metadata_json": json.dumps(agent.metadata, sort_keys=True)}
    first = {"state": agent.state, "created_at": agent.created_at, "last_used_at": agent.last_used_at}
    await transaction.connection.execute(
        upsert(table)
        .values(id=agent.id, client_id=agent.client_id, **values, **first)
        .on_conflict_do_update(index_elements=["id"], set_=values)
    )
    await transaction.changed("agent.registered", {"agent": agent.id, "kind": agent.kind})


async def approve_agent(transaction: Transaction, client_id: str) -> None:
    """A user approved a sign-in: a new agent becomes active; a disabled one stays disabled."""
    table = schema.agents
    of_client = table.c.client_id == client_id
    await transaction.connection.execute(update(table).where(of_client).values(last_used_at=transaction.now))
    await transaction.connection.execute(update(table).where(of_client, table.c.state == "new").values(state="active"))


async def drop_unused_agents(transaction: Transaction, *, older_than: float, keep: int) -> None:
    """Remove self-registered agents nobody approved: those made before `older_than`, then the oldest beyond `keep`."""
    table = schema.agents
    unused = select(table.c.id, table.c.created_at).where(table.c.kind == "self", table.c.state == "new")
    rows = (await transaction.connection.execute(unused.order_by(table.c.created_at.desc()))).all()
    for position, row in enumerate(rows):
        if position >= keep or row.created_at < older_than:
            await transaction.connection.execute(delete(table).where(table.c.id == row.id))
            await transaction.changed("agent.removed", {"agent": row.id, "kind": "self"})


async def registrations_since(database: Database, since: float) -> int:
    table = schema.agents
    query = select(func.count()).where(table.c.kind == "self", table.c.created_at >= since)
    async with database.read() as connection:
        return int((await connection.execute(query)).scalar() or 0)


async def write_code(transaction: Transaction, code: str, row: Code) -> None:
    await _sweep(transaction)
    await transaction.connection.execute(
        insert(schema.authorization_codes).values(
            digest=digest(code),
            redirect_uri=row.redirect_uri,
            code_challenge=row.code_challenge,
            expires_at=row.expires_at,
            **_columns(row.sign_in),
        )
    )


async def find_code(transaction: Transaction, code: str) -> Code | None:
    row = await _find(transaction, schema.authorization_codes, code)
    if row is None:
        return None
    return Code(_sign_in(row), row.redirect_uri, row.code_challenge, row.expires_at, row.used_at is not None)


async def write_refresh(transaction: Transaction, token: str, row: Refresh) -> None:
    await transaction.connection.execute(
        insert(schema.refresh_tokens).values(digest=digest(token), expires_at=row.expires_at, **_columns(row.sign_in))
    )


async def find_refresh(transaction: Transaction, token: str) -> Refresh | None:
    row = await _find(transaction, schema.refresh_tokens, token)
    return None if row is None else Refresh(_sign_in(row), row.expires_at, row.used_at is not None)


async def use(transaction: Transaction, secret: str) -> None:
    """Mark a code or refresh token as used."""
    for table in (schema.authorization_codes, schema.refresh_tokens):
        await transaction.connection.execute(
            update(table).where(table.c.digest == digest(secret)).values(used_at=transaction.now)
        )


async def end_family(transaction: Transaction, family: str) -> None:
    """Nothing of this sign-in counts any more: codes, refresh tokens, access tokens."""
    await _end_where(transaction, "family", family)
    # A family never comes back, so its tokens are refused whenever they were issued.
    await _revoke(transaction, "family", family, not_before=transaction.now + ACCESS_SECONDS + _CLOCK_SLACK_SECONDS)


async def revoke_user(transaction: Transaction, user: UserId) -> None:
    """End every sign-in of `user` so far; a later one counts."""
    await _end_where(transaction, "user", user)
    await _revoke(transaction, "user", user, not_before=transaction.now)


async def revoke_agent(transaction: Transaction, agent: AgentId, client_id: str) -> None:
    """End every sign-in through `agent` so far; a later one counts."""
    await _end_where(transaction, "client_id", client_id)
    await _revoke(transaction, "agent", agent, not_before=transaction.now)


async def end_sign_ins(transaction: Transaction, user: str, agent: AgentId) -> None:
    """Codes and refresh tokens of `user` through `agent` give no new token; an access token lives to its end."""
    clients = select(schema.agents.c.client_id).where(schema.agents.c.id == agent)
    for table in (schema.authorization_codes, schema.refresh_tokens):
        of_both = (table.c.user == user, table.c.client_id.in_(clients), table.c.expires_at > transaction.now)
        # Run out, not used: using one that was used is what a thief does, and alarms.
        await transaction.connection.execute(update(table).where(*of_both).values(expires_at=transaction.now))


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def _end_where(transaction: Transaction, column: str, value: str) -> None:
    for table in (schema.authorization_codes, schema.refresh_tokens):
        await transaction.connection.execute(
            update(table).where(table.c[column] == value, table.c.used_at.is_(None)).values(used_at=transaction.now)
        )


async def _revoke(transaction: Transaction, kind: RevocationKind, value: str, *, not_before: float) -> None:
    until = max(not_before, transaction.now) + ACCESS_SECONDS + _CLOCK_SLACK_SECONDS
    times = {"not_before": not_before, "until": until}
    await transaction.connection.execute(
        upsert(schema.revocations)
        .values(kind=kind, value=value, **times)
        .on_conflict_do_update(index_elements=["kind", "value"], set_=times)
    )
    await transaction.changed("token.revoked", {"kind": kind, "value": value, **times})


async def _sweep(transaction: Transaction) -> None:
    now, run = transaction.now, transaction.connection.execute
    codes, tokens, revocations = schema.authorization_codes, schema.refresh_tokens, schema.revocations
    await run(delete(codes).where(codes.c.expires_at < now - _CODE_KEPT_SECONDS))
    await run(delete(tokens).where(tokens.c.expires_at < now))
    await run(delete(revocations).where(revocations.c.until < now))


async def _find(transaction: Transaction, table: Any, secret: str) -> Any:
    return (await transaction.connection.execute(select(table).where(table.c.digest == digest(secret)))).first()


def _columns(sign_in: SignIn) -> dict[str, str]:
    return {
        "family": sign_in.family,
        "client_id": sign_in.client_id,
        "user": sign_in.user,
        "scope": sign_in.scope,
        "resource": sign_in.resource,
    }


def _sign_in(row: Any) -> SignIn:
    return SignIn(row.family, row.client_id, UserId(row.user), row.scope, row.resource)


def _agents() -> Any:
    off = schema.switches.c
    return select(schema.agents, off.off_at).join_from(
        schema.agents,
        schema.switches,
        (off.object == schema.agents.c.id) & off.on_at.is_(None),
        isouter=True,
    )


def _as_agent(row: Any) -> AgentRow:
    return AgentRow(
        AgentId(row.id),
        row.client_id,
        row.kind,
        row.state if row.off_at is None else "disabled",
        row.name,
        json.loads(row.metadata_json),
        row.created_at,
        row.last_used_at,
    )
