"""Servers and what they offer in the store, with its review state and the tuples that follow from it.

Tools, prompts, resources and templates are kept alike; a `ToolRow` is any of them.
Change kinds: `catalog.server` (payload `{server}`) and `catalog.tool` (payload `{server, kind, tool, state}`).
An item's state and its `server`, `enabled`, `read_only` and `writable` tuples change in one transaction. What is
switched off has no `enabled` tuple, whatever its review state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from mcp_gateway.model.ids import ToolId, item_id, server_id
from mcp_gateway.model.tool import JsonObject, Kind, ReviewState, Risk
from mcp_gateway.storage import schema
from mcp_gateway.storage.database import Database, Transaction
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, write_tuple
from mcp_gateway.storage.switches import is_off

ADMINISTRATORS = "group:admins#member"
"""May operate and call every server from its first appearance; `access remove` takes it away."""

_EVERYONE = "user:*"


@dataclass(frozen=True, slots=True)
class ServerRow:
    name: str
    enabled: bool
    """Follows from the server's switch whenever the row is written."""
    protocol_version: str | None
    last_seen_at: float | None
    """Seconds since the epoch."""
    last_error: str | None
    """Reason code of the last failed discovery, None when it succeeded."""


@dataclass(frozen=True, slots=True)
class ToolRow:
    server: str
    name: str
    state: ReviewState
    risk: Risk
    digest: str
    definition: JsonObject
    approved_digest: str | None
    approved_by: str | None
    approved_at: float | None
    finding: str | None
    """Why it is quarantined or changed, for reviewers."""
    first_seen_at: float
    kind: Kind = Kind.TOOL

    @property
    def id(self) -> ToolId:
        return item_id(self.kind, self.server, self.name)


async def server_rows(database: Database) -> list[ServerRow]:
    async with database.read() as connection:
        rows = await connection.execute(select(schema.servers).order_by(schema.servers.c.name))
        return [_server_row(row) for row in rows]


async def tool_rows(database: Database, server: str | None = None) -> list[ToolRow]:
    """Everything on offer, or by one server, ordered by server, kind and name; tools come first."""
    query = _offered()
    if server is not None:
        query = query.where(schema.tools.c.server == server)
    async with database.read() as connection:
        return [_tool_row(row) for row in await connection.execute(query)]


async def tools_in(transaction: Transaction, server: str) -> list[ToolRow]:
    """What the server offers, as the transaction sees it, in the same order."""
    query = _offered().where(schema.tools.c.server == server)
    return [_tool_row(row) for row in await transaction.connection.execute(query)]


async def put_server(transaction: Transaction, row: ServerRow) -> None:
    """Write the row, enabled unless its switch is off; when a server first appears the administrators get access."""
    table = schema.servers
    known = (await transaction.connection.execute(select(table.c.name).where(table.c.name == row.name))).first()
    # Asked here and not of the row, which may have been read before the switch was turned.
    enabled = not await is_off(transaction, server_id(row.name))
    values = {
        "enabled": enabled,
        "protocol_version": row.protocol_version,
        "last_seen_at": row.last_seen_at,
        "last_error": row.last_error,
    }
    await transaction.connection.execute(
        insert(table).values(name=row.name, **values).on_conflict_do_update(index_elements=["name"], set_=values)
    )
    await _set_fact(transaction, RelationshipTuple(server_id(row.name), "enabled", _EVERYONE), holds=enabled)
    if known is None:
        for relation in ("operator", "caller"):
            await write_tuple(transaction, RelationshipTuple(server_id(row.name), relation, ADMINISTRATORS))
    await transaction.changed("catalog.server", {"server": row.name})


async def put_tool(transaction: Transaction, row: ToolRow) -> None:
    """Write the row and make the tuples say the same."""
    values: dict[str, Any] = {
        "state": row.state.value,
        "risk": row.risk.value,
        "digest": row.digest,
        "definition_json": json.dumps(row.definition, ensure_ascii=False),
        "approved_digest": row.approved_digest,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
        "finding": row.finding,
        "first_seen_at": row.first_seen_at,
    }
    await transaction.connection.execute(
        insert(schema.tools)
        .values(server=row.server, kind=row.kind.value, name=row.name, **values)
        .on_conflict_do_update(index_elements=["server", "kind", "name"], set_=values)
    )
    if row.state is ReviewState.APPROVED or not await _namesake_approved(transaction, row):
        await _set_facts(transaction, row)
    payload = {"server": row.server, "kind": row.kind.value, "tool": row.name, "state": row.state.value}
    await transaction.changed("catalog.tool", payload)


async def forget_tool(transaction: Transaction, row: ToolRow) -> None:
    """Remove something on offer and the facts about it; access, grants and a switch on it stay, for when it is back."""
    if not await _namesake_approved(transaction, row):
        await _delete_facts(transaction, row)
    table = schema.tools.c
    this = (table.server == row.server) & (table.kind == row.kind.value) & (table.name == row.name)
    await transaction.connection.execute(delete(schema.tools).where(this))
    payload = {"server": row.server, "kind": row.kind.value, "tool": row.name, "state": ReviewState.MISSING.value}
    await transaction.changed("catalog.tool", payload)


async def follow_switch(transaction: Transaction, object: str) -> None:
    """Make the facts of a server or of something it offers, given by its id, say what its switch says now."""
    server = object.partition(":")[2].partition("/")[0]
    for row in await tools_in(transaction, server):
        if row.id == object:
            await put_tool(transaction, row)
    table = schema.servers
    known = (await transaction.connection.execute(select(table).where(table.c.name == server))).first()
    if known is not None and server_id(known.name) == object:
        await put_server(transaction, _server_row(known))


async def forget_server(transaction: Transaction, name: str) -> None:
    """Remove a server, what it offers and the facts about it; access and grants on it stay, and reach nothing."""
    for row in await tools_in(transaction, name):
        await _delete_facts(transaction, row)
    await delete_tuple(transaction, RelationshipTuple(server_id(name), "enabled", _EVERYONE))
    await transaction.connection.execute(delete(schema.tools).where(schema.tools.c.server == name))
    await transaction.connection.execute(delete(schema.servers).where(schema.servers.c.name == name))
    await transaction.changed("catalog.server", {"server": name})


async def _namesake_approved(transaction: Transaction, row: ToolRow) -> bool:
    """Whether the facts are another row's: a text that is no URI may be a template's, and they share one id."""
    if row.kind not in (Kind.RESOURCE, Kind.TEMPLATE):
        return False
    table, other = schema.tools.c, Kind.TEMPLATE if row.kind is Kind.RESOURCE else Kind.RESOURCE
    query = select(table.state).where(table.server == row.server, table.kind == other.value, table.name == row.name)
    found = (await transaction.connection.execute(query)).first()
    return found is not None and found.state == ReviewState.APPROVED.value


async def _set_facts(transaction: Transaction, row: ToolRow) -> None:
    await write_tuple(transaction, RelationshipTuple(row.id, "server", server_id(row.server)))
    facts = {
        "enabled": row.state is ReviewState.APPROVED and not await is_off(transaction, row.id),
        "read_only": row.risk is Risk.READ,
        "writable": row.risk is Risk.WRITE,
    }
    for relation, holds in facts.items():
        await _set_fact(transaction, RelationshipTuple(row.id, relation, _EVERYONE), holds=holds)


async def _delete_facts(transaction: Transaction, row: ToolRow) -> None:
    await delete_tuple(transaction, RelationshipTuple(row.id, "server", server_id(row.server)))
    for relation in ("enabled", "read_only", "writable"):
        await delete_tuple(transaction, RelationshipTuple(row.id, relation, _EVERYONE))


def _offered() -> Any:
    table = schema.tools
    return select(table).order_by(table.c.server, table.c.kind != Kind.TOOL.value, table.c.kind, table.c.name)


async def _set_fact(transaction: Transaction, fact: RelationshipTuple, *, holds: bool) -> None:
    if holds:
        await write_tuple(transaction, fact)
    else:
        await delete_tuple(transaction, fact)


def _server_row(row: Any) -> ServerRow:
    return ServerRow(row.name, row.enabled, row.protocol_version, row.last_seen_at, row.last_error)


def _tool_row(row: Any) -> ToolRow:
    return ToolRow(
        server=row.server,
        name=row.name,
        state=ReviewState(row.state),
        risk=Risk(row.risk),
        digest=row.digest,
        definition=json.loads(row.definition_json),
        approved_digest=row.approved_digest,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        finding=row.finding,
        first_seen_at=row.first_seen_at,
        kind=Kind(row.kind),
    )
