"""What is measured: upstreams called directly, gateways in front of them, and the floor. All on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.load import ID_PLACE
from bench.upstream import tool_name
from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import Running, free_port, listening, running

AGENT = "bench"
USER = "bench"
MODERN = "2026-07-28"
ADMITS_ALL = {"patience": 0}
"""Closed loops ask for more than there is; where cost is measured, nothing is shed. bench.overload measures shedding."""
SERVED_CORE = 0
OTHER_CORE = 1
READY_SECONDS = 120.0
"""A machine that does something else meanwhile makes a start long, not wrong."""


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
    tool: str = tool_name(3)
    version: str = ""
    """Of a peer: what it is, as installed."""

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
        return self.request("tools/call", {"name": self.tool, "arguments": {"query": "foxes", "limit": 5}})

    def listing(self) -> tuple[dict[str, str], str]:
        return self.request("tools/list", {})

    def signed_in(self) -> Target:
        """With a fresh token, as one lives five minutes at most."""
        if self.gateway is None:
            return self
        token = self.gateway.token(user=USER, agent=AGENT, server=self.server)
        headers = {**self.headers, "authorization": f"Bearer {token}"}
        return replace(self, headers=headers)


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
    with running(pinned(command, OTHER_CORE), ready=listening(port)) as process:
        yield Target(f"direct {kind}", process.pid, port, "/mcp", {}, True, load_core=SERVED_CORE)


@contextlib.contextmanager
def gateway(
    folder: Path,
    upstreams: dict[str, tuple[Target, int]],
    *,
    module: str = "mcp_gateway",
    prepare: Callable[[Installation], None] = lambda made: None,
    **settings: Any,
) -> Generator[dict[str, Target]]:
    """A gateway before `upstreams` (name to server and its number of tools); a target per upstream.

    `module` is the program it runs as, `prepare` is called before it starts.
    """
    made = prepared(folder, upstreams, **settings)
    prepare(made)
    command = [sys.executable, "-m", module, "--config", str(made.config), "serve", "--quiet"]
    with running(pinned(command, SERVED_CORE), ready=listening(made.port), seconds=READY_SECONDS) as process:
        for name, (_, count) in upstreams.items():
            made.wait_for_tools(name, count=count, seconds=READY_SECONDS)
        yield {name: gateway_target(made, process, name) for name in upstreams}


def prepared(folder: Path, upstreams: dict[str, tuple[Target, int]], **settings: Any) -> Installation:
    """A gateway's folder, with a user and an agent who may call everything."""
    entries = {name: http_entry(name, f"http://127.0.0.1:{up.port}/mcp") for name, (up, _) in upstreams.items()}
    limits = {"concurrency_per_principal": 256}
    made = install(folder, registry=entries, limits=limits, **settings)
    first, *others = upstreams
    made.add_user(USER, calls=first)
    for name in others:
        made.cli("access", "add", f"user:{USER}", "caller", f"server:{name}")
    for name in upstreams:
        made.let_agent_act(AGENT, USER, server=name)
    return made


def gateway_target(made: Installation, process: Running, name: str) -> Target:
    path = made.endpoint(name).removeprefix(made.origin)
    return Target(f"gateway, {name}", process.pid, made.port, path, {}, True, OTHER_CORE, made, name)


@contextlib.contextmanager
def floor(before: Target) -> Generator[Target]:
    """The gateway's server and HTTP client around nothing."""
    port = free_port()
    upstream_url = f"http://127.0.0.1:{before.port}{before.path}"
    command = [sys.executable, "-m", "bench.floor", "--port", str(port), "--upstream", upstream_url]
    with running(pinned(command, SERVED_CORE), ready=listening(port)) as process:
        yield Target("no checks", process.pid, port, "/mcp", {}, True, load_core=OTHER_CORE)
