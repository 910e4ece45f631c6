"""Connections and transactions. A write is one short transaction that also moves the revision.

Whoever gives up waits for the end of what it began here: cancelled once more while it closes a connection, as a
cancel scope does, the driver waits for ever, and then the program cannot end. Every block has a deadline.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import event, insert
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from mcp_gateway.storage import schema

HEAD = "0004"
"""The newest migration; a test compares it with the scripts."""

_BUSY_SECONDS = 10
"""How long a writer waits for another process's short transaction."""

_READ_SECONDS = 120.0
"""For a whole store of millions of rows; whoever keeps a call waiting says less."""
_WRITE_SECONDS = 30.0

TUPLE_KINDS = frozenset({"tuple.written", "tuple.deleted"})
"""The changes a relationship server outside must be told of."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One write in progress; everything in it commits together or not at all."""

    connection: AsyncConnection
    actor: str
    now: float
    tuples_changed: list[int] = field(default_factory=list[int])
    """Revisions of the changes of tuples it made."""
    revisions: list[int] = field(default_factory=list[int])
    """Of every change it made."""

    async def changed(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Append to the changelog; returns the revision this change commits as."""
        result = await self.connection.execute(
            insert(schema.changes).values(
                at=self.now, actor=self.actor, kind=kind, payload_json=json.dumps(payload, sort_keys=True)
            )
        )
        revision = int(str(result.lastrowid))
        self.revisions.append(revision)
        if kind in TUPLE_KINDS:
            self.tuples_changed.append(revision)
        return revision


class Database:
    """The store of one data directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settle: Callable[[int], Awaitable[None]] | None = None
        """Called with the revision of every committed change of tuples, before the writer goes on."""
        self._engine = create_async_engine(
            f"sqlite+aiosqlite:///{path}",
            connect_args={"timeout": _BUSY_SECONDS},
            # An error that reaches a log must not bring values along.
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "connect", _on_connect)
        event.listen(self._engine.sync_engine, "begin", _on_begin)

    @asynccontextmanager
    async def read(self, *, seconds: float = _READ_SECONDS) -> AsyncGenerator[AsyncConnection]:
        """A consistent snapshot; TimeoutError after `seconds`."""
        with anyio.fail_after(seconds, shield=True):
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, actor: str) -> AsyncGenerator[Transaction]:
        """An exclusive transaction in the name of `actor`, committed on a clean exit."""
        with anyio.fail_after(_WRITE_SECONDS, shield=True):
            async with self._engine.connect() as plain:
                connection = await plain.execution_options(write=True)
                async with connection.begin():
                    transaction = Transaction(connection, actor, time.time())
                    yield transaction
        if self.settle is not None and transaction.tuples_changed:
            await self.settle(transaction.tuples_changed[-1])

    async def close(self) -> None:
        await self._engine.dispose()


def migrate(path: Path) -> None:
    """Bring the store at `path` to the newest schema, creating it where there is none."""
    if _schema_of(path) == HEAD:
        return
    # Takes a quarter of a second to import, which a store that is up to date need not pay.
    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}".replace("%", "%%"))
    command.upgrade(config, "head")
    # From the first connection on, or whoever watches for commits would find no wal-index.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _schema_of(path: Path) -> str | None:
    """The migration a store is at, None when there is none."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return str(row[0]) if row else None


def _on_connect(dbapi_connection: Any, _record: ConnectionPoolEntry) -> None:
    # The driver's own implicit BEGIN would start writers in shared mode and deadlock them on upgrade.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
