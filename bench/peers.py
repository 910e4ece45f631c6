"""The proxies others use, in front of the same servers: each installed from its package, run with its own defaults.

Where a default makes a measurement impossible it is changed and said here: ContextForge's limit of 100
requests a minute, and its refusal of servers on this machine. Each has a Python environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

from bench.targets import OTHER_CORE, SERVED_CORE, Target, pinned
from bench.upstream import tool_name
from tests.support.environments import Unavailable, environment
from tests.support.processes import ROOT, ProcessFailed, Running, free_port, listening, running

LEGACY = "2025-06-18"
_START_SECONDS = 120.0
_REQUEST_SECONDS = 60
_ADMIN = "admin@example.com"

_FASTMCP = """
from fastmcp.server import create_proxy
create_proxy({url!r}).run(transport="http", host="127.0.0.1", port={port}, show_banner=False, log_level="error")
"""
_FASTMCP_SHARED = """
import asyncio
from fastmcp import Client
from fastmcp.server import create_proxy

async def main():
    async with Client({url!r}) as client:
        proxy = create_proxy(client)
        await proxy.run_http_async(
            host="127.0.0.1", port={port}, show_banner=False, log_level="error", json_response=True, stateless_http=True
        )

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    key: str
    """In the summary."""
    package: str
    version: str
    form: str
    """What was chosen for it."""
    start: Callable[[Path, Target], AbstractContextManager[Target]]
    """With its interpreter, in front of a server."""

    more: tuple[str, ...] = ()
    """What it also needs for its best."""

    @property
    def requirements(self) -> tuple[str, ...]:
        return (f"{self.package}=={self.version}", *self.more)

    @property
    def install(self) -> str:
        return f"pip install {' '.join(self.requirements)}"

    @contextlib.contextmanager
    def running(self, before: Target) -> Generator[Target]:
        """Raises Unavailable when it cannot be installed or started here."""
        python = environment(self.key.replace("_", "-"), *self.requirements)
        try:
            with self.start(python, before) as target:
                yield replace(target, name=self.name, version=self.version)
        except (ProcessFailed, URLError, TimeoutError, subprocess.SubprocessError) as exc:
            raise Unavailable(f"{self.name} did not start: {str(exc)[-300:]}") from exc


def _fastmcp(code: str) -> Callable[[Path, Target], AbstractContextManager[Target]]:
    @contextlib.contextmanager
    def start(python: Path, before: Target) -> Generator[Target]:
        port = free_port()
        text = code.format(url=f"http://127.0.0.1:{before.port}/mcp", port=port)
        with _running([str(python), "-c", text], port) as process:
            yield _target(process, port)

    return start


@contextlib.contextmanager
def _mcp_proxy(python: Path, _: Target) -> Generator[Target]:
    """Speaks the legacy era in front of a stdio server of its own; all connections share one session."""
    port = free_port()
    server = [sys.executable, "-m", "bench.upstream", "stdio", "--tools", "10"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "ERROR", "--cwd", str(ROOT)]
    with _running([str(python.with_name("mcp-proxy")), *options, "--", *server], port) as process:
        headers = _open_session(f"http://127.0.0.1:{port}/mcp")
        yield replace(_target(process, port), headers=headers, modern=False)


@contextlib.contextmanager
def _contextforge(python: Path, before: Target) -> Generator[Target]:
    """Registers the server and one virtual server with all of its tools; called with an administrator's token."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-") as folder:
        env = _contextforge_env(Path(folder))
        command = [str(python.with_name("mcpgateway")), "--host", "127.0.0.1", "--port", str(port)]
        with _running(command, port, env=env, cwd=Path(folder)) as process:
            made = [str(python), "-m", "mcpgateway.utils.create_jwt_token", "--username", _ADMIN, "--admin"]
            made += ["--exp", "60", "--secret", env["JWT_SECRET_KEY"]]
            done = subprocess.run(
                made, env=env, cwd=folder, capture_output=True, text=True, timeout=_START_SECONDS, check=True
            )
            headers = {"authorization": f"Bearer {done.stdout.split()[-1]}"}
            path = _registered(f"http://127.0.0.1:{port}/v1", before, headers)
            more = {**headers, "mcp-protocol-version": LEGACY}
            called = f"bench-{tool_name(3).replace('_', '-')}"
            yield replace(_target(process, port), path=path, headers=more, modern=False, tool=called)


def _contextforge_env(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
        "JWT_SECRET_KEY": secrets.token_hex(32),
        "AUTH_ENCRYPTION_SECRET": secrets.token_hex(32),
        "BASIC_AUTH_PASSWORD": f"Aa1!{secrets.token_hex(12)}",
        "PLATFORM_ADMIN_EMAIL": _ADMIN,
        "PLATFORM_ADMIN_PASSWORD": f"Aa1!{secrets.token_hex(12)}",
        "SSRF_ALLOW_LOCALHOST": "true",
        "RATE_LIMITING_ENABLED": "false",
    }


def _registered(api: str, before: Target, headers: dict[str, str]) -> str:
    """The path of the virtual server; unlike the rest of its API, it answers below /v1 with 404."""
    url = f"http://127.0.0.1:{before.port}/mcp"
    _post(f"{api}/gateways", {"name": "bench", "url": url, "transport": "STREAMABLEHTTP"}, headers)
    tools = [tool["id"] for tool in json.loads(_asked(f"{api}/tools", None, headers)[1])]
    server = {"name": "bench", "description": "All tools", "associated_tools": tools}
    made = json.loads(_post(f"{api}/servers", {"server": server}, headers)[1])
    return f"/servers/{made['id']}/mcp"


PEERS = (
    Peer("FastMCP proxy", "fastmcp", "fastmcp", "4.1.2", "as its guide shows it", _fastmcp(_FASTMCP)),
    Peer(
        "FastMCP proxy, shared client",
        "fastmcp_best",
        "fastmcp",
        "4.1.2",
        "one connected client for all requests, JSON answers, no sessions, uvloop and httptools",
        _fastmcp(_FASTMCP_SHARED),
        ("uvloop==0.23.0", "httptools==0.9.0"),
    ),
    Peer("mcp-proxy", "mcp_proxy", "mcp-proxy", "0.13.0", "legacy, before a stdio server, one session", _mcp_proxy),
    Peer(
        "ContextForge",
        "contextforge",
        "mcp-contextforge-gateway",
        "1.0.7",
        "sqlite, a token, legacy; its rate limit off and loopback servers allowed",
        _contextforge,
    ),
)


@contextlib.contextmanager
def _running(
    command: list[str], port: int, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Generator[Running]:
    with running(
        pinned(command, SERVED_CORE), ready=listening(port), env=env, cwd=cwd, seconds=_START_SECONDS
    ) as process:
        yield process


def _target(process: Running, port: int) -> Target:
    return Target("", process.pid, port, "/mcp", {}, True, load_core=OTHER_CORE)


def _open_session(url: str) -> dict[str, str]:
    client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    session, _ = _post(url, message, {})
    headers = {"mcp-protocol-version": LEGACY, "mcp-session-id": session}
    _post(url, {"jsonrpc": "2.0", "method": "notifications/initialized"}, headers)
    return headers


def _post(url: str, message: dict[str, Any], headers: dict[str, str]) -> tuple[str, str]:
    return _asked(url, json.dumps(message).encode(), headers)


def _asked(url: str, body: bytes | None, headers: dict[str, str]) -> tuple[str, str]:
    """The session id, if one was given, and the answer."""
    accept = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    request = urllib.request.Request(url, body, {**accept, **headers})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_REQUEST_SECONDS) as response:
        return response.headers.get("mcp-session-id", ""), response.read().decode()
