"""Legacy sessions that were ended before they expired. Change kind: `session.ended`, payload `{digest, until}`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from mcp_gateway.storage import schema
from mcp_gateway.storage.database import Database
from mcp_gateway.storage.feed import Change


class EndedSessions:
    """The ended ones, in memory and in the store; every process learns of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._until: dict[str, float] = {}

    async def load(self) -> None:
        async with self._database.read() as connection:
            rows = await connection.execute(select(schema.ended_sessions))
            self._until = {row.digest: row.until for row in rows}

    async def follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.kind == "session.ended":
                self._until[str(change.payload["digest"])] = float(change.payload["until"])

    def __contains__(self, digest: str) -> bool:
        return digest in self._until

    async def add(self, digest: str, seconds: float) -> None:
        """End a session for as long as its id would otherwise be accepted."""
        table = schema.ended_sessions
        async with self._database.write("gateway") as transaction:
            until = transaction.now + seconds
            await transaction.connection.execute(delete(table).where(table.c.until < transaction.now))
            await transaction.connection.execute(
                insert(table).values(digest=digest, until=until).on_conflict_do_nothing(index_elements=["digest"])
            )
            await transaction.changed("session.ended", {"digest": digest, "until": until})
        self._until = {known: at for known, at in self._until.items() if at > time.time()}
        self._until[digest] = until
