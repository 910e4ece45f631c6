"""Resource links in results: readable by the principal that was handed them, while the call itself is allowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import Installation, http_entry, install
from tests.support.upstreams import running_upstream
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
HIDDEN = "notes://unlisted"


class Stage:
    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, grant: str) -> None:
        self.gateway = gateway
        self.grant = grant
        self._http = http

    async def client(self, server: str | None = None, *, user: str = "mira", agent: str = AGENT) -> ModernClient:
        def token() -> str:
            return self.gateway.token(user=user, agent=agent, server=server)

        return ModernClient(self._http, self.gateway.endpoint(server), await anyio.to_thread.run_sync(token))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    def prepared(url: str) -> tuple[Installation, str]:
        gateway = install(tmp_path / "gateway", registry={"echo": http_entry("echo", url)})
        gateway.add_user("mira", calls="echo")
        gateway.add_user("noor", calls="echo")
        gateway.let_agent_act(AGENT, "noor", server="echo")
        return gateway, gateway.let_agent_act(AGENT, "mira", server="echo")

    (tmp_path / "upstream").mkdir()
    async with running_upstream(tmp_path / "upstream") as upstream, httpx2.AsyncClient(timeout=20) as http:
        gateway, grant = await anyio.to_thread.run_sync(prepared, upstream.url)
        with gateway.serving():
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("echo", count=5))
            yield Stage(gateway, http, grant)


async def read(client: ModernClient, uri: str) -> Answered:
    return await client.request("resources/read", {"uri": uri}, name=uri)


async def linked(client: ModernClient, tool: str, uri: str) -> str:
    return str((await client.call(tool, {"uri": uri})).result["content"][0]["uri"])


async def test_what_no_list_has_is_read_by_whoever_was_handed_the_link_and_nobody_else(stage: Stage) -> None:
    client, other = await stage.client("echo"), await stage.client("echo", user="noor")
    assert (await read(client, HIDDEN)).reason == "resource.unavailable"
    assert await linked(client, "link", HIDDEN) == HIDDEN
    assert (await read(client, HIDDEN)).result["contents"][0]["text"] == f"what {HIDDEN} says"
    assert (await read(other, HIDDEN)).reason == "resource.unavailable"
    merged = await stage.client()
    assert (await read(merged, f"echo+{HIDDEN}")).result["contents"][0]["uri"] == f"echo+{HIDDEN}"


async def test_on_the_endpoint_of_all_servers_a_link_carries_its_server_and_a_web_address_stays_one(
    stage: Stage,
) -> None:
    client = await stage.client()
    assert await linked(client, "echo__link", HIDDEN) == f"echo+{HIDDEN}"
    assert (await read(client, f"echo+{HIDDEN}")).result["contents"][0]["uri"] == f"echo+{HIDDEN}"
    assert (await read(client, HIDDEN)).reason == "resource.unavailable"
    web = "https://example.com/unlisted"
    assert (await read(client, web)).reason == "resource.unavailable"
    assert await linked(client, "echo__link", web) == web
    assert (await read(client, web)).result["contents"][0]["uri"] == web


async def test_a_link_is_worth_no_more_than_the_right_to_the_call_that_gave_it(stage: Stage) -> None:
    client = await stage.client("echo")
    await linked(client, "link", HIDDEN)
    await anyio.to_thread.run_sync(lambda: stage.gateway.cli("grant", "revoke", stage.grant, "--yes"))
    assert (await read(client, HIDDEN)).reason == "resource.unavailable"


async def test_a_link_reads_nothing_that_is_switched_off_by_name_whatever_its_scheme(stage: Stage) -> None:
    client, merged = await stage.client("echo"), await stage.client()
    web = "https://example.com/unlisted"
    for uri in (HIDDEN, web):
        await linked(client, "link", uri)
        off = ("resource", "disable", f"echo/{uri}", "--reason", "incident 9")
        await anyio.to_thread.run_sync(lambda off=off: stage.gateway.cli(*off))
        assert (await read(client, uri)).reason == "resource.unavailable"
    for uri in (f"echo+{HIDDEN}", f"echo+{web}", web):
        assert (await read(merged, uri)).reason == "resource.unavailable"
