"""What is measured: direct upstreams, gateways in front of them, and the proxies others use. All on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import ID_PLACE
from bench.upstream import tool_name
from tests.support.environments import Unavailable, environment
from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import ROOT, ProcessFailed, Running, free_port, listening, running

AGENT = "bench"
USER = "bench"
MODERN = "2026-07-28"
LEGACY = "2025-06-18"
_SERVED_CORE = 0
_OTHER_CORE = 1


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    pid: int
    """Whose processor time counts."""
    port: int
    path: str
    headers: dict[str, str]
    modern: bool
    load_core: int
    gateway: Installation | None = None
    server: str = ""

    def request(self, method: str, params: dict[str, Any]) -> tuple[dict[str, str], str]:
        """Headers and body of one request; the body's id is left open."""
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **self.headers}
        if self.modern:
            version: dict[str, Any] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            params = {**params, "_meta": version}
            headers |= {"mcp-protocol-version": MODERN, "mcp-method": method}
            if "name" in params:
                headers["mcp-name"] = params["name"]
        # Without spaces, as the clients in the field write.
        message = {"jsonrpc": "2.0", "id": ID_PLACE, "method": method, "params": params}
        body = json.dumps(message, separators=(",", ":"))
        return headers, body.replace(f'"{ID_PLACE}"', ID_PLACE)

    def call(self) -> tuple[dict[str, str], str]:
        return self.request("tools/call", {"name": tool_name(3), "arguments": {"query": "foxes", "limit": 5}})

    def listing(self) -> tuple[dict[str, str], str]:
        return self.request("tools/list", {})

    def signed_in(self) -> Target:
        """With a fresh token, as one lives five minutes at most."""
        if self.gateway is None:
            return self
        token = self.gateway.token(user=USER, agent=AGENT, server=self.server)
        headers = {**self.headers, "authorization": f"Bearer {token}"}
        return Target(
            self.name, self.pid, self.port, self.path, headers, self.modern, self.load_core, self.gateway, self.server
        )


def pinned(command: Sequence[str], core: int) -> list[str]:
    """On one core, where there are two and `taskset` is installed."""
    if (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        return list(command)
    return ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def upstream(kind: str, *, tools: int = 10) -> Generator[Target]:
    """A server on the other core than the gateways; called directly, the load takes the gateways' core."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", kind, "--tools", str(tools), "--port", str(port)]
    with running(pinned(command, _OTHER_CORE), ready=listening(port)) as process:
        yield Target(f"direct {kind}", process.pid, port, "/mcp", {}, True, load_core=_SERVED_CORE)


@contextlib.contextmanager
def gateway(folder: Path, upstreams: dict[str, tuple[Target, int]], **settings: Any) -> Generator[dict[str, Target]]:
    """A gateway before `upstreams` (name to server and its number of tools); a target per upstream."""
    entries = {name: http_entry(name, f"http://127.0.0.1:{up.port}/mcp") for name, (up, _) in upstreams.items()}
    limits = {"concurrency_per_principal": 256}
    made = install(folder, registry=entries, limits=limits, **settings)
    first, *others = upstreams
    made.add_user(USER, calls=first)
    for name in others:
        made.cli("access", "add", f"user:{USER}", "caller", f"server:{name}")
    for name in upstreams:
        made.let_agent_act(AGENT, USER, server=name)
    with made.serving(prefix=pinned([], _SERVED_CORE)) as process:
        for name, (_, count) in upstreams.items():
            made.wait_for_tools(name, count=count)
        yield {name: _gateway_target(made, process, name) for name in upstreams}


def _gateway_target(made: Installation, process: Running, name: str) -> Target:
    path = made.endpoint(name).removeprefix(made.origin)
    return Target(f"gateway, {name}", process.pid, made.port, path, {}, True, _OTHER_CORE, made, name)


@contextlib.contextmanager
def floor(before: Target) -> Generator[Target]:
    """The gateway's server and HTTP client around nothing."""
    port = free_port()
    upstream_url = f"http://127.0.0.1:{before.port}{before.path}"
    command = [sys.executable, "-m", "bench.floor", "--port", str(port), "--upstream", upstream_url]
    with running(pinned(command, _SERVED_CORE), ready=listening(port)) as process:
        yield Target("no checks", process.pid, port, "/mcp", {}, True, load_core=_OTHER_CORE)


@contextlib.contextmanager
def fastmcp_proxy(target: Target) -> Generator[Target]:
    python = environment("fastmcp", "fastmcp==4.1.2")
    port = free_port()
    code = (
        "from fastmcp.server import create_proxy\n"
        f"create_proxy('http://127.0.0.1:{target.port}/mcp').run("
        f"transport='http', host='127.0.0.1', port={port}, show_banner=False, log_level='error')"
    )
    with _peer("FastMCP proxy", [str(python), "-c", code], port) as process:
        yield Target("FastMCP proxy", process.pid, port, "/mcp", {}, True, load_core=_OTHER_CORE)


@contextlib.contextmanager
def mcp_proxy() -> Generator[Target]:
    """Speaks the legacy era in front of a stdio server; all connections share one session."""
    python = environment("mcp-proxy", "mcp-proxy==0.13.0")
    port = free_port()
    server = [sys.executable, "-m", "bench.upstream", "stdio", "--tools", "10"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "ERROR", "--cwd", str(ROOT)]
    command = [str(python.with_name("mcp-proxy")), *options, "--", *server]
    with _peer("mcp-proxy", command, port) as process:
        headers = _open_session(f"http://127.0.0.1:{port}/mcp")
        yield Target("mcp-proxy", process.pid, port, "/mcp", headers, False, load_core=_OTHER_CORE)


@contextlib.contextmanager
def _peer(name: str, command: list[str], port: int) -> Generator[Running]:
    try:
        with running(pinned(command, _SERVED_CORE), ready=listening(port)) as process:
            yield process
    except ProcessFailed as exc:
        raise Unavailable(f"{name} did not start: {str(exc)[-300:]}") from exc


def _open_session(url: str) -> dict[str, str]:
    client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    session = _post(url, message, {})
    headers = {"mcp-protocol-version": LEGACY, "mcp-session-id": session}
    _post(url, {"jsonrpc": "2.0", "method": "notifications/initialized"}, headers)
    return headers


def _post(url: str, message: dict[str, Any], headers: dict[str, str]) -> str:
    accept = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    request = urllib.request.Request(url, json.dumps(message).encode(), {**accept, **headers})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as response:
        response.read()
        return response.headers.get("mcp-session-id", "")
