"""A SpiceDB server as the relationship backend: experimental. Importing this needs the extra `spicedb`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread

from mcp_gateway.authorization import Relationships
from mcp_gateway.authorization.backends.relay import LOCK_FILE, Relay
from mcp_gateway.authorization.backends.spicedb import SpiceDbRelationships, Unusable
from mcp_gateway.authorization.backends.spicedb_client import SpiceDbClient
from mcp_gateway.authorization.backends.spicedb_schema import translate
from mcp_gateway.authorization.backends.spicedb_tuples import SpiceDbSink, Tuples
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError
from mcp_gateway.model.reasons import REASONS
from mcp_gateway.settings import SpiceDbSettings, is_loopback
from mcp_gateway.storage import Database
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.storage.relationships import RelationshipTuple
from mcp_gateway.storage.secret_file import secret_of

_log = logging.getLogger(__name__)


class SpiceDb:
    """A `Backend`, and where the relay brings our changes: written as the model in force has it."""

    def __init__(self, settings: SpiceDbSettings, client: SpiceDbClient, database: Database, data_dir: DataDir) -> None:
        self.settings = settings
        self._client = client
        self.relay = Relay(database, self, target=f"spicedb:{settings.endpoint}", lock=data_dir.root / LOCK_FILE)
        self._current: SpiceDbRelationships | None = None

    def of(self, model: Model) -> Relationships:
        """Raises OperatorError when the model has no translation."""
        schema = translate(model)
        sink = SpiceDbSink(self._client, Tuples(model, schema))
        made = SpiceDbRelationships(model, schema, self._client, relay=self.relay, sink=sink)
        self._current = self._current or made
        return made

    async def require(self, relationships: Relationships | None = None) -> None:
        wanted = relationships if isinstance(relationships, SpiceDbRelationships) else self._current
        if wanted is None:
            return
        try:
            await wanted.verify()
        except Unusable as exc:
            raise OperatorError(str(exc), where="relationships", remedy=REASONS[exc.reason].remedy) from exc
        except AuthorizationUnavailable as exc:
            _log.error("everything is denied until the relationship server can be asked: %s", exc)
        self._current = wanted

    async def run(self, changed: Callable[[], None]) -> None:
        while self._current is not None:  # nothing is kept of what the server answers, so there is nothing to tell
            await self._current.look()

    async def verify(self) -> None:
        """Raises AuthorizationUnavailable when the relationships in force cannot be decided by now."""
        if self._current is not None:
            await self._current.verify()

    async def publish(self, model: Model) -> None:
        """Give the server the schema of `model`; its relationships must fit, or it refuses."""
        await self._client.write_schema(translate(model).text)

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        if self._current is None:
            raise AuthorizationUnavailable("no model is in force yet")
        await self._current.sink.apply(deletes, writes)


@asynccontextmanager
async def spicedb(settings: SpiceDbSettings, data_dir: DataDir, database: Database) -> AsyncGenerator[SpiceDb]:
    """Every change of tuples in `database` is relayed to the server as long as this is open."""
    token = await anyio.to_thread.run_sync(secret_of, settings.token_file)
    in_the_clear = is_loopback(settings.endpoint.rpartition(":")[0].strip("[]"))
    client = SpiceDbClient(settings.endpoint, token=token, in_the_clear=in_the_clear, timeout_seconds=settings.timeout)
    try:
        made = SpiceDb(settings, client, database, data_dir)
        database.settle = made.relay.after_write
        yield made
    finally:
        await client.aclose()
