"""Real clients sign in through their own OAuth flow, with no hand-made token, and call a tool through the gateway.

Each registers itself; the user Mira logs in and ticks "read tickets" on the real pages. So each sees
the five reading tools of nine and reads a ticket of a project Mira may see.
"""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import threading
from collections.abc import Generator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.support.gateway import PASSWORD, Installation, install, sample_tickets
from tests.support.node import Node, browser_environment, merged, require_node
from tests.support.processes import ROOT, free_port, tickets_server
from tests.support.sign_in import Browser, Person

READING = ["project_get", "project_list", "ticket_get", "ticket_list", "ticket_search"]
TICK = "tickets:read"
TOOL, ARGUMENTS = "ticket_get", {"id": "T-391"}
_CLIENT_SECONDS = 90


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    with tickets_server() as url:
        made = install(tmp_path_factory.mktemp("gateway"), registry={"tickets": sample_tickets(url)})
        made.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        made.add_user("mira", calls="tickets")
        with made.serving():
            made.wait_for_tools("tickets", count=9)
        yield made


@pytest.fixture
def gateway(installation: Installation) -> Generator[Installation]:
    """Started for each test: it lets only so many clients register themselves in a while."""
    with installation.serving():
        yield installation


@pytest.fixture
def node() -> Node:
    return require_node()


@pytest.fixture
def signing_in(tmp_path: Path, node: Node) -> dict[str, str]:
    """The environment of a Node client whose browser is Mira."""
    return merged(node.environment(), browser_environment(tmp_path, user="mira", password=PASSWORD, tick=TICK))


def run(command: Sequence[str], env: dict[str, str]) -> Any:
    """Run a client to its end; what it printed last, as JSON."""
    done = subprocess.run(
        command, env=env, cwd=env["HOME"], capture_output=True, text=True, timeout=_CLIENT_SECONDS, check=False
    )
    log = Path(env["GATEWAY_BROWSER_LOG"])
    browser = log.read_text() if log.exists() else "(the browser was not started)"
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}\nbrowser: {browser}"
    return json.loads(done.stdout[done.stdout.index("{") :])


class _Tokens:
    """What the Python SDK keeps of a sign-in; forgotten at the end."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class _Callback(ThreadingHTTPServer):
    """A client's loopback redirect target."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _CallbackPage)
        self.landed: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/callback"


class _CallbackPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Callback)
        self.server.landed.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def callback() -> Generator[_Callback]:
    made = _Callback()
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "spoken"), [("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_the_python_sdk_signs_in_and_calls(
    gateway: Installation, callback: _Callback, mode: Any, spoken: str
) -> None:
    async def redirect(url: str) -> None:
        person = Person("mira", PASSWORD, frozenset({TICK}))
        await anyio.to_thread.run_sync(Browser().sign_in, url, person)

    async def answer() -> AuthorizationCodeResult:
        query = {name: values[0] for name, values in parse_qs(urlsplit(callback.landed.pop()).query).items()}
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    url = gateway.endpoint("tickets")
    metadata = OAuthClientMetadata.model_validate({"client_name": "Python SDK", "redirect_uris": [callback.url]})
    provider = OAuthClientProvider(url, metadata, _Tokens(), redirect, answer)
    with anyio.fail_after(_CLIENT_SECONDS):
        async with (
            httpx2.AsyncClient(auth=provider, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            listed = await client.list_tools()
            result = await client.call_tool(TOOL, ARGUMENTS)
            assert client.protocol_version == spoken
    assert [tool.name for tool in listed.tools] == READING
    assert result.structured_content["project"] == "PAY"


@pytest.mark.node
@pytest.mark.parametrize(
    ("script", "mode", "spoken"),
    [
        ("ts_v1.mjs", (), "2025-11-25"),
        ("ts_v2.mjs", ("legacy",), "2025-11-25"),
        ("ts_v2.mjs", ("auto",), "2026-07-28"),
        ("ts_v2.mjs", ("2026-07-28",), "2026-07-28"),
    ],
)
def test_the_typescript_sdk_signs_in_and_calls(
    gateway: Installation, node: Node, signing_in: dict[str, str], script: str, mode: tuple[str, ...], spoken: str
) -> None:
    command = node.script(script, gateway.endpoint("tickets"), TOOL, json.dumps(ARGUMENTS), *mode)
    seen = run(command, signing_in)
    assert seen["protocol"] == spoken
    assert seen["tools"] == READING
    assert seen["result"]["structuredContent"]["project"] == "PAY"


@pytest.mark.node
@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
def test_the_inspector_signs_in_and_calls(
    gateway: Installation, node: Node, signing_in: dict[str, str], era: str
) -> None:
    env = {**signing_in, "MCP_AUTO_OPEN_ENABLED": "true"}
    callback = ["--callback-url", f"http://127.0.0.1:{free_port()}/oauth/callback"]
    endpoint = ["--cli", gateway.endpoint("tickets"), "--transport", "http", "--protocol-era", era]
    call = ["--method", "tools/call", "--tool-name", TOOL, "--tool-args-json", json.dumps(ARGUMENTS)]
    result = run(node.package("mcp-inspector", *endpoint, *call, *callback, "--format", "json"), env)
    assert '"project": "PAY"' in json.dumps(result)


@pytest.mark.anyio
@pytest.mark.node
@pytest.mark.parametrize("bridge", [(), ("--protocol", "auto")])
async def test_mcp_remote_signs_in_and_carries_a_call_for_a_local_client(
    gateway: Installation, node: Node, signing_in: dict[str, str], bridge: tuple[str, ...]
) -> None:
    command, *arguments = node.package("mcp-remote", gateway.endpoint("tickets"), *bridge)
    server = StdioServerParameters(command=command, args=arguments, env=signing_in)
    with anyio.fail_after(_CLIENT_SECONDS):
        async with Client(server, mode="legacy") as client:
            listed = await client.list_tools()
            result = await client.call_tool(TOOL, ARGUMENTS)
    assert [tool.name for tool in listed.tools] == READING
    assert result.structured_content["project"] == "PAY"


@pytest.mark.node
@pytest.mark.chromium
def test_a_person_signs_in_with_chromium(
    gateway: Installation, node: Node, signing_in: dict[str, str], tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium; apt-get install chromium")
    browser = tmp_path / "chromium"
    browser.write_text(f'#!/bin/sh\nexec {" ".join(node.script("chromium_sign_in.mjs"))} "$@"\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    env = {**signing_in, "BROWSER": str(browser), "CHROMIUM": chromium}
    seen = run(node.script("ts_v2.mjs", gateway.endpoint("tickets"), TOOL, json.dumps(ARGUMENTS), "auto"), env)
    assert seen["tools"] == READING
    assert seen["result"]["structuredContent"]["project"] == "PAY"


@pytest.mark.node
def test_a_sign_in_and_its_calls_are_on_record_without_the_password(
    gateway: Installation, node: Node, signing_in: dict[str, str]
) -> None:
    run(node.script("ts_v2.mjs", gateway.endpoint("tickets"), TOOL, json.dumps(ARGUMENTS), "auto"), signing_in)
    told = gateway.cli("audit", "tail", "-n", "50", "--json")
    for word in ("consent", "user:local/mira", "tool:tickets/ticket_get"):
        assert word in told
    assert PASSWORD not in told
