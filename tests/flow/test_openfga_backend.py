"""A whole gateway on a real OpenFGA server: it decides, what is revoked is gone, and without it nothing is forwarded."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.backends import publish
from tests.support.gateway import CommandFailed, Installation, install, sample_tickets
from tests.support.openfga import TOKEN, OpenFgaServer, openfga, version
from tests.support.processes import ROOT, Running, tickets_server
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
RECOVERY_SECONDS = 40.0


@dataclass(slots=True)
class World:
    gateway: Installation
    server: OpenFgaServer
    store: str
    running: Running


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    folder = tmp_path_factory.mktemp("world")
    with tickets_server() as url, openfga(folder / "openfga") as server:
        store = server.new_store()
        publish(server, store)
        gateway = install(
            folder / "gateway", registry={"tickets": sample_tickets(url)}, relationships=settings(folder, server, store)
        )
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
        with gateway.serving() as running:
            gateway.wait_for_tools("tickets", count=9)
            yield World(gateway, server, store, running)


def settings(folder: Path, server: OpenFgaServer, store: str) -> dict[str, object]:
    secret = folder / "openfga-token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    return {
        "backend": "openfga",
        "url": server.url,
        "version": version(),
        "store_id": store,
        "token_file": str(secret),
        "network": ["127.0.0.0/8"],
    }


@pytest.fixture
async def client(world: World) -> AsyncGenerator[ModernClient]:
    token = world.gateway.token(user="mira", agent=AGENT, server="tickets")
    async with httpx2.AsyncClient(timeout=30) as http:
        yield ModernClient(http, world.gateway.endpoint("tickets"), token)


async def test_the_server_decides_lists_and_calls_alike(world: World, client: ModernClient) -> None:
    listed = await client.names()
    assert set(listed) == {"project_get", "project_list", "ticket_get", "ticket_list", "ticket_search"}
    assert (await client.call("ticket_get", {"id": "T-391"})).result["structuredContent"]["id"] == "T-391"
    assert (await client.call("ticket_delete", {"id": "T-391"})).reason == "tool.unavailable"
    assert (await client.call("ticket_get", {"id": "T-999"})).reason == "resource.denied"


async def test_what_another_system_deletes_on_the_server_is_gone_with_the_next_call(
    world: World, client: ModernClient
) -> None:
    delegation = ("user:local/mira", "delegator", f"agent:local/{AGENT}")
    await anyio.to_thread.run_sync(lambda: world.server.delete(world.store, delegation))
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"
    await anyio.to_thread.run_sync(lambda: world.server.write(world.store, delegation))
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body


async def test_explain_asks_the_server_every_side(world: World) -> None:
    asked = ("--user", "mira", "--agent", AGENT, "--tool", "tickets/ticket_delete")
    said = await anyio.to_thread.run_sync(lambda: world.gateway.json("explain", *asked))
    assert (said["allowed"], [one["code"] for one in said["reasons"]]) == (False, ["agent.not_granted"])
    assert any(check["relation"] == "user_can_call" and check["answer"] for check in said["checks"])


async def test_a_gateway_whose_server_is_not_the_right_one_does_not_start(world: World, tmp_path: Path) -> None:
    other = world.server.new_store()
    wrong = install(tmp_path / "gateway", registry={}, relationships="embedded")
    whole = json.loads(wrong.config.read_text())
    relationships = settings(tmp_path, world.server, other)
    wrong.config.write_text(json.dumps({**whole, "relationships": relationships}))
    with pytest.raises(CommandFailed, match=r"(?s)ended with 1.*relationships publish") as raised:
        await anyio.to_thread.run_sync(lambda: wrong.cli("serve", "--quiet"))
    assert "Traceback" not in str(raised.value)


async def test_a_revocation_is_on_the_server_when_the_command_returns(world: World, client: ModernClient) -> None:
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body
    world.gateway.cli("delegation", "end", "--user", "mira", "--agent", AGENT)
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"
    world.gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body


async def test_a_server_that_is_gone_denies_and_back_again_decides_without_a_restart(
    world: World, client: ModernClient
) -> None:
    world.server.kill()
    try:
        refused = await client.call("ticket_get", {"id": "T-391"})
        assert (refused.status, refused.body["error"]["code"]) == (503, 1002)
        assert refused.reason == "authorization.unavailable"
        assert (await client.request("tools/list")).reason == "authorization.unavailable"
    finally:
        world.server.begin()
    assert (await until_decided(client)).result["structuredContent"]["id"] == "T-391"


async def test_a_change_made_while_the_server_is_gone_is_not_acknowledged_and_wins_when_it_is_back(
    world: World, client: ModernClient
) -> None:
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body
    world.server.kill()
    try:
        with pytest.raises(CommandFailed, match="ended with 3"):
            world.gateway.cli("delegation", "end", "--user", "mira", "--agent", AGENT)
    finally:
        world.server.begin()
    # Nobody repeats the command: the gateway brings the change to the server before it decides.
    assert (await until_decided(client)).reason == "tool.unavailable"
    world.gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body


async def test_who_a_request_is_stored_on_the_server_denies_everything_until_it_is_deleted(
    world: World, client: ModernClient
) -> None:
    stored = ("user:local/mira", "in_context", "agent:local/another-agent")
    await anyio.to_thread.run_sync(lambda: world.server.write(world.store, stored))
    # The gateway looks every few seconds.
    refused = await until(client, lambda answer: answer.status == 503)
    await anyio.to_thread.run_sync(lambda: world.server.delete(world.store, stored))
    assert refused.reason == "authorization.unavailable"
    assert "result" in (await until_decided(client)).body


async def until_decided(client: ModernClient) -> Answered:
    """The first answer that rests on a decision."""
    return await until(client, lambda answer: answer.status != 503)


async def until(client: ModernClient, wanted: Callable[[Answered], bool]) -> Answered:
    with anyio.fail_after(RECOVERY_SECONDS):
        while not wanted(answer := await client.call("ticket_get", {"id": "T-391"})):
            await anyio.sleep(0.05)
    return answer
