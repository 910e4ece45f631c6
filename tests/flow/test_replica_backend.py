"""A whole gateway on a replica: reads are decided by its copy, writes by the server, and neither by a copy too old."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest

from mcp_gateway.authorization.engine.model import load_model
from mcp_gateway.authorization.language.json_model import to_json
from tests.support.backends import publish
from tests.support.gateway import Installation, install, sample_tickets
from tests.support.openfga import TOKEN, OpenFgaServer, openfga, version
from tests.support.processes import ROOT, Running, tickets_server, wait_until
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
WAIT_SECONDS = 30.0
DELEGATION = ("user:local/mira", "delegator", f"agent:local/{AGENT}")


@dataclass(slots=True)
class World:
    gateway: Installation
    server: OpenFgaServer
    store: str
    running: Running
    policies: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    folder = tmp_path_factory.mktemp("world")
    with tickets_server() as url, openfga(folder / "openfga") as server:
        store = server.new_store()
        publish(server, store)
        policies = shutil.copytree(ROOT / "policies", folder / "policies")
        gateway = install(
            folder / "gateway",
            registry={"tickets": sample_tickets(url)},
            relationships=settings(folder, server, store),
            policies=str(policies),
        )
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.cli("access", "add", "user:mira", "editor", "ticket:tickets/T-391")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="write")
        with gateway.serving() as running:
            gateway.wait_for_tools("tickets", count=9)
            wait_until(lambda: "the replica has read" in running.output(), what="the replica's first read")
            yield World(gateway, server, store, running, policies)


def settings(folder: Path, server: OpenFgaServer, store: str) -> dict[str, object]:
    secret = folder / "openfga-token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    return {
        "backend": "replica",
        "url": server.url,
        "version": version(),
        "store_id": store,
        "token_file": str(secret),
        "network": ["127.0.0.0/8"],
        "max_staleness": 2,
    }


@pytest.fixture
async def client(world: World) -> AsyncGenerator[ModernClient]:
    token = world.gateway.token(user="mira", agent=AGENT, server="tickets")
    async with httpx2.AsyncClient(timeout=30) as http:
        yield ModernClient(http, world.gateway.endpoint("tickets"), token)


async def test_the_copy_and_the_server_decide_lists_reads_and_writes_alike(world: World, client: ModernClient) -> None:
    listed = set(await client.names())
    assert {"ticket_get", "ticket_comment"} <= listed
    assert "ticket_delete" not in listed
    assert "result" in (await read(client)).body
    assert "result" in (await write(client)).body
    assert (await client.call("ticket_delete", {"id": "T-391"})).reason == "tool.unavailable"
    assert (await client.call("ticket_get", {"id": "T-999"})).reason == "resource.denied"


async def test_a_revocation_of_ours_counts_with_the_next_call(world: World, client: ModernClient) -> None:
    assert "result" in (await read(client)).body
    await anyio.to_thread.run_sync(lambda: world.gateway.cli("delegation", "end", "--user", "mira", "--agent", AGENT))
    assert (await read(client)).reason == "tool.unavailable"
    assert (await write(client)).reason == "tool.unavailable"
    await anyio.to_thread.run_sync(lambda: world.gateway.cli("delegation", "add", "--user", "mira", "--agent", AGENT))
    assert "result" in (await read(client)).body


async def test_what_another_system_revokes_ends_writes_at_once_and_reads_and_lists_within_the_bound(
    world: World, client: ModernClient
) -> None:
    assert "result" in (await read(client)).body
    await anyio.to_thread.run_sync(lambda: world.server.delete(world.store, DELEGATION))
    assert (await write(client)).reason == "tool.unavailable"
    assert (await until(lambda: read(client), lambda answer: "error" in answer.body)).reason == "tool.unavailable"
    assert await client.names() == []
    await anyio.to_thread.run_sync(lambda: world.server.write(world.store, DELEGATION))
    await until(lambda: read(client), lambda answer: "result" in answer.body)


async def test_without_its_server_reads_go_on_until_the_bound_writes_end_and_both_come_back(
    world: World, client: ModernClient
) -> None:
    world.server.kill()
    try:
        assert "result" in (await read(client)).body
        refused = await write(client)
        assert (refused.status, refused.body["error"]["code"]) == (503, 1002)
        stale = await until(lambda: read(client), lambda answer: "error" in answer.body)
        assert (stale.status, stale.body["error"]["code"], stale.reason) == (503, 1002, "relationship.stale")
        assert (await client.request("tools/list")).reason == "relationship.stale"
    finally:
        world.server.begin()
    await until(lambda: read(client), lambda answer: "result" in answer.body)
    await until(lambda: write(client), lambda answer: "result" in answer.body)


async def test_another_model_brings_another_copy(world: World, client: ModernClient) -> None:
    copies = world.running.output().count("the replica has read")
    another = await anyio.to_thread.run_sync(another_model, world)
    # Its server has it first; a model the server lacks would not be adopted.
    await anyio.to_thread.run_sync(lambda: shutil.copytree(another, world.policies, dirs_exist_ok=True))
    with anyio.fail_after(WAIT_SECONDS):
        while world.running.output().count("the replica has read") == copies:
            assert "result" in (await read(client)).body
            await anyio.sleep(0.05)
    assert "result" in (await read(client)).body
    await anyio.to_thread.run_sync(lambda: world.server.delete(world.store, DELEGATION))
    await until(lambda: read(client), lambda answer: "error" in answer.body)
    await anyio.to_thread.run_sync(lambda: world.server.write(world.store, DELEGATION))
    await until(lambda: read(client), lambda answer: "result" in answer.body)


def another_model(world: World) -> Path:
    """The policies with one more type, which the server has."""
    folder = world.policies.parent / "another"
    shutil.copytree(world.policies, folder)
    module = folder / "gateway.fga"
    text = module.read_text(encoding="utf-8").replace("type user\n", "type user\n\ntype planet\n")
    module.write_text(text, encoding="utf-8")
    model = to_json(load_model(folder).document)
    assert "code" not in world.server.post(f"/stores/{world.store}/authorization-models", model)
    return folder


async def read(client: ModernClient) -> Answered:
    return await client.call("ticket_get", {"id": "T-391"})


async def write(client: ModernClient) -> Answered:
    return await client.call("ticket_comment", {"id": "T-391", "text": "seen"})


async def until(ask: Callable[[], Awaitable[Answered]], wanted: Callable[[Answered], bool]) -> Answered:
    with anyio.fail_after(WAIT_SECONDS):
        while not wanted(answer := await ask()):
            await anyio.sleep(0.05)
    return answer
