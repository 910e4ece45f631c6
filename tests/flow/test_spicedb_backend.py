"""A whole gateway on a SpiceDB server: its schema is published, it decides, and what is revoked is gone. Experimental."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import CommandFailed, Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server
from tests.support.spicedb import TOKEN, spicedb
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"


@dataclass(slots=True)
class World:
    gateway: Installation


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    folder = tmp_path_factory.mktemp("world")
    secret = folder / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with tickets_server() as url, spicedb() as endpoint:
        settings = {"backend": "spicedb", "endpoint": endpoint, "token_file": str(secret)}
        published(folder / "first", settings)
        gateway = install(folder / "gateway", registry={"tickets": sample_tickets(url)}, relationships=settings)
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            yield World(gateway)


def published(folder: Path, relationships: dict[str, str]) -> None:
    """The schema comes before anything is written: a command of a gateway nobody has set up yet."""
    folder.mkdir()
    gateway = Installation(folder, port=0)
    settings = {"data_dir": str(folder / "data"), "policies": str(ROOT / "policies"), "relationships": relationships}
    gateway.config.write_text(json.dumps(settings))
    with pytest.raises(CommandFailed, match="does not have it yet"):
        gateway.cli("setup")
    assert status(gateway)["state"] == "unusable"
    gateway.cli("relationships", "publish")
    assert status(gateway)["state"] == "usable"


def status(gateway: Installation) -> dict[str, object]:
    return json.loads(gateway.cli("relationships", "status", "--json"))


@pytest.fixture
async def client(world: World) -> AsyncGenerator[ModernClient]:
    token = world.gateway.token(user="mira", agent=AGENT, server="tickets")
    async with httpx2.AsyncClient(timeout=30) as http:
        yield ModernClient(http, world.gateway.endpoint("tickets"), token)


async def test_a_spicedb_server_decides_lists_and_calls_alike(world: World, client: ModernClient) -> None:
    said = await anyio.to_thread.run_sync(status, world.gateway)
    assert (said["backend"], said["state"], said["changes_not_relayed"]) == ("spicedb (experimental)", "usable", 0)
    listed = await client.names()
    assert set(listed) == {"project_get", "project_list", "ticket_get", "ticket_list", "ticket_search"}
    assert (await read(client)).result["structuredContent"]["id"] == "T-391"
    assert (await client.call("ticket_delete", {"id": "T-391"})).reason == "tool.unavailable"
    assert (await client.call("ticket_get", {"id": "T-999"})).reason == "resource.denied"


async def test_a_revocation_is_on_the_spicedb_server_when_the_command_returns(
    world: World, client: ModernClient
) -> None:
    assert "result" in (await read(client)).body
    await anyio.to_thread.run_sync(lambda: world.gateway.cli("delegation", "end", "--user", "mira", "--agent", AGENT))
    assert (await read(client)).reason == "tool.unavailable"
    await anyio.to_thread.run_sync(lambda: world.gateway.let_agent_act(AGENT, "mira", server="tickets", access="read"))
    assert "result" in (await read(client)).body


async def read(client: ModernClient) -> Answered:
    return await client.call("ticket_get", {"id": "T-391"})
