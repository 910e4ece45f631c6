"""npm server-everything over HTTP+SSE behind the whole gateway, declared as such and found out."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway import Installation, http_entry, install
from tests.support.node import require_node
from tests.support.processes import free_port, listening, running
from tests.support.wire import ModernClient

pytestmark = [pytest.mark.anyio, pytest.mark.node]

AGENT = "docs-assistant"
SERVERS = ("declared", "found")


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Installation]:
    node, port = require_node(), free_port()
    env = {**node.environment(), "PORT": str(port)}
    with running(node.package("mcp-server-everything", "sse"), ready=listening(port), env=env):
        url = f"http://127.0.0.1:{port}/sse"
        transport = {"type": "sse", "url": url, "network": ["127.0.0.0/8"]}
        entries = {
            "declared": http_entry("declared", url, transport=transport, sessions="per_principal"),
            "found": http_entry("found", url, sessions="per_principal"),
        }
        made = install(tmp_path, registry=entries)
        made.cli("user", "add", "mira", "--password-stdin", stdin="correct horse battery staple")
        for server in SERVERS:
            made.cli("access", "add", "user:mira", "caller", f"server:{server}")
            made.let_agent_act(AGENT, "mira", server=server)
        with made.serving():
            for server in SERVERS:
                made.wait_for_tools(server, count=8)
            yield made


async def test_a_server_of_the_oldest_transport_is_listed_and_called(gateway: Installation) -> None:
    async with httpx2.AsyncClient(timeout=20) as http:
        for server in SERVERS:
            token = gateway.token(user="mira", agent=AGENT, server=server)
            client = ModernClient(http, gateway.endpoint(server), token)
            assert "echo" in await client.names()
            said = await client.call("get-sum", {"a": 19, "b": 23})
            assert "42" in said.result["content"][0]["text"]
