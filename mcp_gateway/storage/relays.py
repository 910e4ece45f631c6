"""How far a relationship server outside has been told of the store's tuples, and the lock of who tells it.

The position is not a change of its own: moving it decides nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from mcp_gateway.storage import schema
from mcp_gateway.storage.database import TUPLE_KINDS, Database
from mcp_gateway.storage.feed import Change

_ACTOR = "gateway"
_POLL_SECONDS = 0.01


async def relayed_revision(database: Database, target: str) -> int:
    """The revision up to which `target` has everything; 0 when it was never told anything."""
    query = select(schema.relays.c.revision).where(schema.relays.c.target == target)
    async with database.read() as connection:
        return int((await connection.execute(query)).scalar() or 0)


async def put_relayed(database: Database, target: str, revision: int) -> None:
    """`target` has everything up to `revision`; never moves back."""
    table = schema.relays
    async with database.write(_ACTOR) as transaction:
        values = {"revision": revision, "at": transaction.now}
        statement = insert(table).values(target=target, **values)
        await transaction.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["target"], set_=values, where=table.c.revision < statement.excluded.revision
            )
        )


async def newest_tuple_revision(database: Database) -> int:
    """The revision of the last change of a tuple."""
    query = select(func.max(schema.changes.c.revision)).where(schema.changes.c.kind.in_(TUPLE_KINDS))
    async with database.read() as connection:
        return int((await connection.execute(query)).scalar() or 0)


async def count_tuple_changes(database: Database, *, after: int) -> int:
    table = schema.changes
    query = select(func.count()).where(table.c.revision > after, table.c.kind.in_(TUPLE_KINDS))
    async with database.read() as connection:
        return int((await connection.execute(query)).scalar() or 0)


async def tuple_changes(database: Database, *, after: int, limit: int) -> list[Change]:
    """The next changes of tuples, oldest first."""
    table = schema.changes
    query = select(table).where(table.c.revision > after, table.c.kind.in_(TUPLE_KINDS))
    async with database.read() as connection:
        rows = await connection.execute(query.order_by(table.c.revision).limit(limit))
        return [Change(row.revision, row.at, row.actor, row.kind, json.loads(row.payload_json)) for row in rows]


@asynccontextmanager
async def exclusively(path: Path) -> AsyncGenerator[None]:
    """One process of this machine at a time; the caller sets the deadline. A process that dies lets go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(descriptor):
            await anyio.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
