"""Published servers of every revision work behind the gateway: their tools are listed and one is called, in both eras."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.support import real_servers
from tests.support.gateway import Installation, install
from tests.support.node import Node, require_node
from tests.support.processes import free_port, listening, running
from tests.support.real_servers import RealServer

pytestmark = pytest.mark.anyio

_CALL_SECONDS = 60


ON_NODE: dict[str, Callable[[Node, Path], RealServer]] = {
    "github": lambda node, _: real_servers.github(node),
    "everything": lambda node, _: real_servers.everything(node),
    "filesystem": real_servers.filesystem,
    "memory": real_servers.memory,
    "notion": lambda node, _: real_servers.notion(node, free_port()),
    "playwright": lambda node, folder: real_servers.playwright(node, folder, free_port()),
}
ON_PYTHON: dict[str, Callable[[Path], RealServer]] = {
    "time": lambda _: real_servers.clock(),
    "git": real_servers.git,
    "sqlite": real_servers.sqlite,
}


async def used(gateway: Installation, server: RealServer, mode: Any) -> tuple[list[str], str]:
    """The tools' names, and what the call answers or why it failed."""
    token = gateway.token(user="mira", agent="probe", server=server.name)
    headers = {"Authorization": f"Bearer {token}"}
    with anyio.fail_after(_CALL_SECONDS):
        async with (
            httpx2.AsyncClient(headers=headers, timeout=_CALL_SECONDS) as http,
            Client(streamable_http_client(gateway.endpoint(server.name), http_client=http), mode=mode) as client,
        ):
            listed = await client.list_tools()
            try:
                said = (await client.call_tool(server.call, dict(server.arguments))).model_dump_json()
            except MCPError as exc:
                said = f"{exc.code} {exc.message}"
    return [tool.name for tool in listed.tools], said


def behind_a_gateway(stack: ExitStack, folder: Path, server: RealServer, env: dict[str, str]) -> Installation:
    if server.serve:
        stack.enter_context(running(server.serve, ready=listening(server.port), env=env))
    gateway = install(folder / "gateway", registry={server.name: server.entry})
    for name, secret in server.secrets.items():
        (gateway.folder / "data/secrets" / name).write_text(secret, encoding="utf-8")
    gateway.add_user("mira", calls=server.name)
    gateway.let_agent_act("probe", "mira", server=server.name)
    stack.enter_context(gateway.serving())
    gateway.wait_for_tools(server.name, count=server.tools)
    return gateway


async def works(tmp_path: Path, server: RealServer, env: dict[str, str]) -> None:
    with ExitStack() as stack:
        gateway = behind_a_gateway(stack, tmp_path, server, env)
        for mode in ("legacy", "2026-07-28"):
            tools, said = await used(gateway, server, mode)
            assert server.call in tools
            assert len(tools) >= server.tools
            assert re.search(server.says, said), said
        assert gateway.json("server", "show", server.name)["protocol_version"] == server.version


@pytest.mark.node
@pytest.mark.parametrize("name", ON_NODE)
async def test_a_published_node_server_is_listed_and_called(tmp_path: Path, name: str) -> None:
    node = require_node()
    await works(tmp_path, ON_NODE[name](node, tmp_path), node.environment())


@pytest.mark.parametrize("name", ON_PYTHON)
async def test_a_published_python_server_is_listed_and_called(tmp_path: Path, name: str) -> None:
    await works(tmp_path, ON_PYTHON[name](tmp_path), {})


async def test_the_fetch_server_reads_a_page_of_this_machine(tmp_path: Path) -> None:
    """The page is the gateway's own description of how agents sign in."""
    pages = install(tmp_path / "pages", registry={})
    with pages.serving():
        await works(tmp_path, real_servers.fetch(f"{pages.origin}/auth.md"), {})
