"""`make demo`: the story of one grant, told against a running gateway with a data directory of its own."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from examples.run import ROOT
from examples.sign_in import sign_in

AGENT = "docs-assistant"
REDIRECT = "http://127.0.0.1/callback"
_PASSWORD = "correct horse battery staple"
_READY_SECONDS = 30
_PYTHON = sys.executable


def main() -> None:
    os.chdir(ROOT)
    anyio.run(demo)


async def demo() -> None:
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-demo-") as folder:
        stage = await Stage.build(Path(folder))
        async with stage.running():
            await story(stage)


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway of its own: configuration, registry, data directory, free ports."""

    config: Path
    port: int
    tickets_port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @staticmethod
    async def build(folder: Path) -> Stage:
        port, tickets_port = _free_port(), _free_port()
        registry = folder / "registry"
        registry.mkdir()
        entry = (ROOT / "registry" / "tickets.yaml").read_text().replace(":8101/", f":{tickets_port}/")
        (registry / "tickets.yaml").write_text(entry)
        config = folder / "gateway.yaml"
        settings = {
            "listen": f"127.0.0.1:{port}",
            "data_dir": str(folder / "data"),
            "registry": str(registry),
            "policies": str(ROOT / "policies"),
            "agents": {"registered": [{"id": AGENT, "redirect_uris": [REDIRECT]}]},
        }
        config.write_text(json.dumps(settings))
        return Stage(config, port, tickets_port)

    async def cli(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run a command as a person would; what it prints."""
        command = [_PYTHON, "-m", "mcp_gateway", "--config", str(self.config), *arguments]
        done = await anyio.run_process(command, input=stdin.encode() if stdin else None, check=False)
        if check and done.returncode != 0:
            sys.exit(done.stderr.decode() or f"{arguments} failed")
        return done.stdout.decode().rstrip()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        tickets = [_PYTHON, "-m", "examples.tickets", "--port", str(self.tickets_port)]
        gateway = [_PYTHON, "-m", "mcp_gateway", "--config", str(self.config), "serve", "--quiet"]
        await self.cli("setup")
        async with _process(tickets, self.tickets_port), _process(gateway, self.port):
            yield


async def story(stage: Stage) -> None:
    scene("An administrator lets Mira use the ticket server, and imports who may see which project.")
    await say(stage, "user", "add", "mira", "--password-stdin", stdin=_PASSWORD)
    await say(stage, "access", "import", "examples/tickets/relationships.yaml")
    await say(stage, "access", "add", "user:mira", "caller", "server:tickets")
    await _until_discovered(stage)

    scene(f"Mira signs in through the agent {AGENT} and ticks: read tickets.")
    async with httpx2.AsyncClient() as http:
        token = await sign_in(
            http,
            stage.origin,
            client_id=AGENT,
            redirect_uri=REDIRECT,
            resource=f"{stage.origin}/mcp/tickets",
            user="mira",
            password=_PASSWORD,
            tick=["tickets:read"],
        )
    async with agent(stage, str(token["access_token"])) as client:
        listed = await client.list_tools()
        total = len(json.loads(await stage.cli("server", "show", "tickets", "--json"))["tools"])
        print(f"   {AGENT} sees {len(listed.tools)} of {total} tools: {', '.join(tool.name for tool in listed.tools)}")

        scene("The agent reads ticket T-391.")
        await call(client, "ticket_get", {"id": "T-391"})
        scene("It tries to delete it: reading is all the agent was granted.")
        await call(client, "ticket_delete", {"id": "T-391"})
        scene("It tries to read T-999: the agent may read tickets, but Mira may not see this one.")
        await call(client, "ticket_get", {"id": "T-999"})

        scene("The administrator revokes the grant.")
        grants = cast("list[dict[str, Any]]", json.loads(await stage.cli("grant", "list", "--json")))
        await say(stage, "grant", "revoke", str(grants[0]["id"]))
        scene("The very next call is refused.")
        await call(client, "ticket_get", {"id": "T-391"})

    scene("Why?")
    arguments = ["--user", "mira", "--agent", AGENT, "--tool", "tickets/ticket_get", "--arguments", '{"id": "T-391"}']
    await say(stage, "explain", *arguments, check=False)
    scene("And all of it is on record.")
    await say(stage, "audit", "tail", "-n", "30")


@asynccontextmanager
async def agent(stage: Stage, token: str) -> AsyncGenerator[Client]:
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{stage.origin}/mcp/tickets", http_client=http)
        async with Client(transport, mode="2026-07-28") as client:
            yield client


async def call(client: Client, tool: str, arguments: dict[str, Any]) -> None:
    print(f"   {tool}({json.dumps(arguments)})")
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as exc:
        data = cast("dict[str, Any]", exc.error.data or {})
        print(f"   refused: {exc.error.message} [{data.get('reason')}, {exc.error.code}]")
    else:
        print(f"   allowed: {json.dumps(result.structured_content, ensure_ascii=False)[:160]}")


async def say(stage: Stage, *arguments: str, stdin: str | None = None, check: bool = True) -> None:
    """Show a command and what it prints."""
    print(f"   $ mcp-gateway {shlex.join(arguments)}")
    for line in (await stage.cli(*arguments, stdin=stdin, check=check)).splitlines():
        print(f"   {line}")


def scene(text: str) -> None:
    print(f"\n▸ {text}", flush=True)


async def _until_discovered(stage: Stage) -> None:
    with anyio.fail_after(_READY_SECONDS):
        while not json.loads(await stage.cli("server", "show", "tickets", "--json"))["tools"]:
            await anyio.sleep(0.2)


@asynccontextmanager
async def _process(command: Sequence[str], port: int) -> AsyncGenerator[None]:
    async with await anyio.open_process(command, stdin=None, stdout=None, stderr=None) as process:
        try:
            with anyio.fail_after(_READY_SECONDS):
                while not await _listening(port):
                    await anyio.sleep(0.05)
            yield
        finally:
            process.terminate()


async def _listening(port: int) -> bool:
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
