"""Published clients, each in the era it negotiates, list and call, read a resource, get a prompt and answer a question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client

from tests.support import environments
from tests.support.gateway import Installation, http_entry, install
from tests.support.node import Node, require_node
from tests.support.processes import ROOT, free_port, listening, running

LEGACY, MODERN = "2025-11-25", "2026-07-28"
READ = "This is the content of the static text resource."
PROMPTED = "This is a simple prompt for testing."
CALLED = "This is a simple text response for testing."
USER = {"username": "mira", "email": "mira@example.com"}
_CLIENT_SECONDS = 60


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    port = free_port()
    with running([sys.executable, "-m", "examples.conformance", "--port", str(port)], ready=listening(port)):
        entry = http_entry("fixtures", f"http://127.0.0.1:{port}/mcp", sessions="per_principal")
        made = install(tmp_path_factory.mktemp("gateway"), registry={"fixtures": entry})
        made.add_user("mira", calls="fixtures")
        made.let_agent_act("probe", "mira", server="fixtures")
        with made.serving():
            made.wait_for_tools("fixtures", count=30)
            yield made


@pytest.fixture
def url(gateway: Installation) -> str:
    return gateway.endpoint("fixtures")


@pytest.fixture(scope="module")
def bearer(gateway: Installation) -> str:
    return gateway.token(user="mira", agent="probe", server="fixtures")


@pytest.fixture
def node() -> Node:
    return require_node()


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=_CLIENT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}"
    return json.loads(done.stdout[done.stdout.index("{") :])


def saw_everything(seen: Mapping[str, Any], protocol: str) -> None:
    assert seen["protocol"] == protocol
    assert seen["tools"] > 30
    assert (seen["called"], seen["read"], seen["prompted"]) == (CALLED, READ, PROMPTED)
    assert "action=accept" in seen["elicited"]
    assert USER["email"] in seen["elicited"]


async def used(client: Client) -> dict[str, Any]:
    read = (await client.read_resource("test://static-text")).contents[0]
    prompted = (await client.get_prompt("test_simple_prompt")).messages[0].content
    elicited = await client.call_tool("test_elicitation", {"message": "Who are you?"})
    return {
        "protocol": client.protocol_version,
        "tools": len((await client.list_tools()).tools),
        "called": _text((await client.call_tool("test_simple_text", {})).content[0]),
        "read": read.text if isinstance(read, types.TextResourceContents) else "",
        "prompted": _text(prompted),
        "elicited": _text(elicited.content[0]),
    }


def _text(block: types.ContentBlock) -> str:
    assert isinstance(block, types.TextContent)
    return block.text


async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    del context, params
    return types.ElicitResult(action="accept", content=dict(USER))


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "spoken"), [("legacy", LEGACY), ("auto", MODERN), (MODERN, MODERN)])
async def test_the_python_sdk_uses_everything(url: str, bearer: str, mode: Any, spoken: str) -> None:
    with anyio.fail_after(_CLIENT_SECONDS):
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode, elicitation_callback=answer) as client,
        ):
            saw_everything(await used(client), spoken)


def test_the_first_python_sdk_uses_everything(url: str, bearer: str) -> None:
    python = environments.require(environments.OLD_CLIENT)
    saw_everything(run([str(python), "tests/clients/sdk_1.py", url, bearer]), LEGACY)


@pytest.mark.parametrize(("mode", "spoken"), [("legacy", LEGACY), ("auto", MODERN)])
def test_the_fastmcp_client_uses_everything(url: str, bearer: str, mode: str, spoken: str) -> None:
    python = environments.require(environments.FASTMCP)
    saw_everything(run([str(python), "tests/clients/fastmcp_4.py", url, bearer, mode]), spoken)


@pytest.mark.node
@pytest.mark.parametrize(
    ("sdk", "spoken"), [(("1",), LEGACY), (("2", "legacy"), LEGACY), (("2", "auto"), MODERN), (("2", MODERN), MODERN)]
)
def test_the_typescript_sdks_use_everything(
    url: str, bearer: str, node: Node, sdk: tuple[str, ...], spoken: str
) -> None:
    saw_everything(run(node.script("uses.mjs", url, bearer, *sdk), node.environment()), spoken)


@pytest.mark.node
@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
def test_the_inspector_reads_and_prompts(url: str, bearer: str, node: Node, era: str, tmp_path: Path) -> None:
    env = {**node.environment(), "HOME": str(tmp_path)}
    target = ["--cli", url, "--transport", "http", "--protocol-era", era, "--format", "json"]
    for method, told in {
        ("tools/call", "--tool-name", "test_simple_text"): CALLED,
        ("resources/read", "--uri", "test://static-text"): READ,
        ("prompts/get", "--prompt-name", "test_simple_prompt"): PROMPTED,
    }.items():
        asked = [*target, "--method", *method, "--header", f"Authorization: Bearer {bearer}"]
        assert told in json.dumps(run(node.package("mcp-inspector", *asked), env))


@pytest.mark.anyio
@pytest.mark.node
@pytest.mark.parametrize("bridge", [(), ("--protocol", "auto")])
async def test_mcp_remote_carries_everything_for_a_local_client(
    url: str, bearer: str, node: Node, bridge: tuple[str, ...], tmp_path: Path
) -> None:
    command, *arguments = node.package("mcp-remote", url, "--header", "Authorization:${BEARER}", *bridge)
    env = {**node.environment(), "HOME": str(tmp_path), "BEARER": f"Bearer {bearer}"}
    server = StdioServerParameters(command=command, args=arguments, env=env)
    with anyio.fail_after(_CLIENT_SECONDS):
        async with Client(server, mode="legacy", elicitation_callback=answer) as client:
            saw_everything(await used(client), LEGACY)
