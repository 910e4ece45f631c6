"""One relationship backend of each kind over a store of its own, for tests that all of them must pass.

`Bench.write` and `delete` do what administration does: they return when the change is acknowledged. A
backend joins the contract suite by a function here that enters with a `Bench`, and a line in `BACKENDS`.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio

from mcp_gateway.authorization.backends.embedded import EmbeddedRelationships
from mcp_gateway.authorization.backends.openfga import OpenFgaRelationships
from mcp_gateway.authorization.backends.openfga_admin import OpenFgaAdmin
from mcp_gateway.authorization.backends.openfga_client import Credential, OpenFgaClient
from mcp_gateway.authorization.backends.openfga_credentials import TokenFile
from mcp_gateway.authorization.backends.relay import Relay
from mcp_gateway.authorization.backends.replica import Pace, ReplicaRelationships
from mcp_gateway.authorization.backends.replica_source import OpenFgaSource
from mcp_gateway.authorization.backends.spicedb import SpiceDbRelationships
from mcp_gateway.authorization.backends.spicedb_client import SpiceDbClient
from mcp_gateway.authorization.backends.spicedb_schema import translate
from mcp_gateway.authorization.backends.spicedb_tuples import SpiceDbSink, Tuples
from mcp_gateway.authorization.engine.model import Model, load_model
from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.json_model import to_json
from mcp_gateway.authorization.relationships import Relationships
from mcp_gateway.storage import ChangeFeed, Database
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, write_tuple
from tests.support.openfga import TOKEN, OpenFgaServer, openfga
from tests.support.processes import ROOT
from tests.support.spicedb import TOKEN as SPICEDB_TOKEN
from tests.support.spicedb import spicedb

POLICIES = ROOT / "policies"
ACTOR = "os:test"
ANSWER_SECONDS = 5.0
FILL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Bench:
    relationships: Relationships
    model: Model
    database: Database
    feed: ChangeFeed

    async def write(self, *rows: RelationshipTuple) -> None:
        """Store them as administration does, and let the backend follow."""
        async with self.database.write(ACTOR) as transaction:
            for row in rows:
                await write_tuple(transaction, row)
        await self.feed.catch_up()

    async def delete(self, *rows: RelationshipTuple) -> None:
        async with self.database.write(ACTOR) as transaction:
            for row in rows:
                await delete_tuple(transaction, row)
        await self.feed.catch_up()


@dataclass(frozen=True, slots=True)
class OpenFgaBench(Bench):
    server: OpenFgaServer
    store: str
    relay: Relay
    client: OpenFgaClient
    openfga: OpenFgaRelationships


@dataclass(frozen=True, slots=True)
class ReplicaBench(Bench):
    remote: OpenFgaBench
    source: OpenFgaSource
    changed: list[Callable[[], None]]
    """Called when the replica has seen a change."""


@dataclass(frozen=True, slots=True)
class SpiceDbBench(Bench):
    client: SpiceDbClient
    spicedb: SpiceDbRelationships


class Servers:
    """Real servers that several tests share, each with a store of its own there; started when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._openfga: OpenFgaServer | None = None

    def openfga(self) -> OpenFgaServer:
        if self._openfga is None:
            self._openfga = self._running.enter_context(openfga(self._folder / "openfga", datastore_engine="memory"))
        return self._openfga

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


Begin = Callable[[Path, Servers], AbstractAsyncContextManager[Bench]]


@functools.cache
def _new_store() -> bytes:
    """A migrated store; making one takes longer than most tests with it."""
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-test-") as folder:
        path = Path(folder, "gateway.db")
        migrate(path)
        return path.read_bytes()


@asynccontextmanager
async def store(folder: Path) -> AsyncGenerator[tuple[Database, ChangeFeed]]:
    """A new store and its feed."""
    path = folder / "gateway.db"
    path.write_bytes(_new_store())
    database = Database(path)
    feed = ChangeFeed(database)
    try:
        yield database, feed
    finally:
        feed.close()
        await database.close()


@asynccontextmanager
async def embedded(folder: Path, _servers: Servers) -> AsyncGenerator[Bench]:
    model = load_model(POLICIES)
    async with store(folder) as (database, feed):
        relationships = EmbeddedRelationships(model)
        await relationships.load(database)
        feed.add(relationships)
        yield Bench(relationships, model, database, feed)


@asynccontextmanager
async def openfga_server(folder: Path, servers: Servers) -> AsyncGenerator[OpenFgaBench]:
    """A new store on the shared server, with the policies' model."""
    server = servers.openfga()
    identifier = server.new_store()
    publish(server, identifier)
    async with openfga_at(folder, server, identifier) as bench:
        yield bench


@asynccontextmanager
async def openfga_at(folder: Path, server: OpenFgaServer, identifier: str) -> AsyncGenerator[OpenFgaBench]:
    """The backend for a store of `server`."""
    async with remote(folder, server.url, identifier) as far:
        bench = far.bench
        yield OpenFgaBench(
            bench.relationships,
            bench.model,
            bench.database,
            bench.feed,
            server,
            identifier,
            far.relay,
            far.client,
            far.openfga,
        )


@dataclass(frozen=True, slots=True)
class Remote:
    """The backend for whatever answers at a URL, with its parts."""

    bench: Bench
    openfga: OpenFgaRelationships
    relay: Relay
    client: OpenFgaClient
    admin: OpenFgaAdmin


@asynccontextmanager
async def remote(
    folder: Path,
    url: str,
    identifier: str,
    *,
    credential: Credential | None = None,
    timeout_seconds: float = ANSWER_SECONDS,
    model: str | None = None,
    policies: Path = POLICIES,
) -> AsyncGenerator[Remote]:
    compiled = load_model(policies)
    said = credential or TokenFile(secret_file(folder))
    async with AsyncExitStack() as stack:
        database, feed = await stack.enter_async_context(store(folder))
        client = OpenFgaClient(url, credential=said, resolve=literal, timeout_seconds=timeout_seconds)
        stack.push_async_callback(client.aclose)
        admin = OpenFgaAdmin(
            url,
            store=identifier,
            credential=said,
            resolve=literal,
            timeout_seconds=timeout_seconds,
            pinned=lambda: relationships.pinned(),
        )
        stack.push_async_callback(admin.aclose)
        relay = Relay(database, admin, target=f"openfga:{identifier}", lock=folder / "relay.lock")
        relationships = OpenFgaRelationships(compiled, client, store=identifier, server_model=model, relay=relay)
        database.settle = relay.after_write
        await relationships.load(database)
        feed.add(relationships)
        yield Remote(Bench(relationships, compiled, database, feed), relationships, relay, client, admin)


def secret_file(folder: Path, secret: str = TOKEN) -> Path:
    path = folder / "token"
    path.write_text(secret)
    path.chmod(0o600)
    return path


@asynccontextmanager
async def replica(folder: Path, servers: Servers) -> AsyncGenerator[ReplicaBench]:
    """A copy of a server's tuples, looking all the time; the server as in `openfga_server`."""
    async with openfga_server(folder, servers) as remote, replica_of(remote) as bench:
        yield bench


@asynccontextmanager
async def replica_of(
    remote: OpenFgaBench, *, pace: Pace | None = None, filled: bool = True
) -> AsyncGenerator[ReplicaBench]:
    """Enters when it has read everything, or at once when that cannot be."""
    changed: list[Callable[[], None]] = []

    def told() -> None:
        for one in changed:
            one()

    source = OpenFgaSource(remote.client, store_id=remote.store, ready=remote.openfga.ready)
    relationships = ReplicaRelationships(
        remote.model,
        remote.openfga,
        source,
        pace=pace or Pace(max_staleness_seconds=5.0, look_seconds=0.05, reconcile_seconds=3600.0),
        changed=told,
    )
    await relationships.load(remote.database)
    remote.feed.add(relationships)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relationships.run)
        with anyio.fail_after(FILL_SECONDS):
            while filled and relationships.as_of is None:
                await anyio.sleep(0.01)
        yield ReplicaBench(relationships, remote.model, remote.database, remote.feed, remote, source, changed)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def spicedb_server(folder: Path, _servers: Servers, *, policies: Path = POLICIES) -> AsyncGenerator[SpiceDbBench]:
    """A server of its own, which has one schema and one set of relationships."""
    model = load_model(policies)
    schema = translate(model)
    with spicedb() as endpoint:
        async with AsyncExitStack() as stack:
            database, feed = await stack.enter_async_context(store(folder))
            client = SpiceDbClient(endpoint, token=SPICEDB_TOKEN, in_the_clear=True, timeout_seconds=ANSWER_SECONDS)
            stack.push_async_callback(client.aclose)
            await client.write_schema(schema.text)
            sink = SpiceDbSink(client, Tuples(model, schema))
            relay = Relay(database, sink, target="spicedb", lock=folder / "relay.lock")
            relationships = SpiceDbRelationships(model, schema, client, relay=relay, sink=sink)
            database.settle = relay.after_write
            await relationships.load(database)
            feed.add(relationships)
            yield SpiceDbBench(relationships, model, database, feed, client, relationships)


def publish(server: OpenFgaServer, identifier: str, text: str | None = None) -> str:
    """Write a model, by default the policies', into a store of the server; its id there."""
    document = parse(text) if text else load_model(POLICIES).document
    return str(server.post(f"/stores/{identifier}/authorization-models", to_json(document))["authorization_model_id"])


async def literal(host: str, port: int) -> Sequence[str]:
    """A resolver for URLs that hold an address."""
    return [host]


BACKENDS: dict[str, Begin] = {
    "embedded": embedded,
    "openfga": openfga_server,
    "replica": replica,
    "spicedb": spicedb_server,
}
