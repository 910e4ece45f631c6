"""One audited change: recorded durably before it commits, so no change is ever without its record."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from mcp_gateway.administration.rules import Vocabulary
from mcp_gateway.errors import GatewayError, Unavailable
from mcp_gateway.storage import Database, Transaction


class Journal(Protocol):
    """Where administration is recorded."""

    async def event(self, kind: str, actor: str, **named: object) -> object:
        """Durable when it returns; raises AuditUnavailable when it cannot be."""
        ...


class Changes:
    """Makes changes that follow their audit record."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    @asynccontextmanager
    async def open(self, kind: str, actor: str, **named: object) -> AsyncGenerator[Transaction]:
        """A write to the store. A body that raises leaves neither change nor record.

        A commit that fails after the record was made gets a second record saying so.
        """
        recorded = False
        try:
            async with self._database.write(actor) as transaction:
                yield transaction
                at = {"revision": transaction.revisions[-1]} if transaction.revisions else {}
                await self._journal.event(kind, actor, **named, **at)
                recorded = True
        except SQLAlchemyError as exc:
            if recorded:
                await self._journal.event(f"{kind}.failed", actor, **named)
            raise Unavailable("the store did not take the change; nothing was changed") from exc

    @asynccontextmanager
    async def around(self, kind: str, actor: str, **named: object) -> AsyncGenerator[None]:
        """A change outside the store, or a room's own transaction: recorded first, and again if it fails."""
        await self._journal.event(kind, actor, **named)
        try:
            yield
        except (GatewayError, OSError, SQLAlchemyError):
            await self._journal.event(f"{kind}.failed", actor, **named)
            raise


class Part:
    """What every part of the façade works with."""

    def __init__(self, database: Database, journal: Journal, vocabulary: Vocabulary) -> None:
        self._database = database
        self._changes = Changes(database, journal)
        self._vocabulary = vocabulary
