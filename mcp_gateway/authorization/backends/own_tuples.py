"""The path by which something is allowed, as far as our own store tells it. For people; decides nothing.

A server answers yes or no and not by what path. What administration wrote lies in our store as well, so
the embedded engine can name the path there; what only other systems wrote, it cannot.
"""

from __future__ import annotations

from sqlalchemy import func, select

from mcp_gateway.authorization.backends.embedded import EmbeddedRelationships
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.relationships import InContext
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Database, schema
from mcp_gateway.storage.feed import newest_revision

_MOST_TUPLES = 50_000
"""More would hold up everything else for longer than an explanation is worth."""


class OwnTuples:
    def __init__(self, model: Model, database: Database) -> None:
        self._model = model
        self._database = database
        self._engine: EmbeddedRelationships | None = None

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        """The tuples that make `check` true; empty when our store alone does not."""
        engine = await self._present()
        return () if engine is None else await engine.witness(check, in_context=in_context, now=now)

    async def _present(self) -> EmbeddedRelationships | None:
        if self._engine is not None and self._engine.revision == await newest_revision(self._database):
            return self._engine
        async with self._database.read() as connection:
            count = (await connection.execute(select(func.count()).select_from(schema.tuples))).scalar()
        if int(count or 0) > _MOST_TUPLES:
            return None
        engine = EmbeddedRelationships(self._model)
        await engine.load(self._database)
        self._engine = engine
        return engine
