"""Published MCP servers as upstreams of a test's gateway: how each is started, and one call that needs no internet."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import environments
from tests.support.gateway import http_entry
from tests.support.node import Node

NOTION_TOKEN = "known-to-the-gateway-only"


@dataclass(frozen=True, slots=True)
class RealServer:
    name: str
    version: str
    """What the gateway is to negotiate with it."""
    tools: int
    """At least."""
    entry: str
    """Its file in the registry."""
    call: str
    arguments: Mapping[str, Any]
    says: str
    """A pattern for part of what the call answers."""
    serve: Sequence[str] = field(default_factory=tuple[str, ...])
    """For servers over HTTP, which the test starts itself."""
    port: int = 0
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Files of the gateway's secrets folder."""


def github(node: Node) -> RealServer:
    """The oldest revision still in wide use. Without the internet its call ends in the server's own error."""
    entry = _stdio("github", node.package("mcp-server-github"))
    return RealServer("github", "2024-11-05", 20, entry, "search_users", {"q": "octocat"}, "fetch failed|octocat")


def everything(node: Node) -> RealServer:
    entry = _stdio("everything", node.package("mcp-server-everything", "stdio"))
    return RealServer("everything", "2025-11-25", 10, entry, "get-sum", {"a": 19, "b": 23}, "42")


def filesystem(node: Node, folder: Path) -> RealServer:
    files = folder / "files"
    files.mkdir()
    (files / "note.txt").write_text("behind the gateway", encoding="utf-8")
    entry = _stdio("filesystem", node.package("mcp-server-filesystem", str(files)))
    arguments = {"path": str(files / "note.txt")}
    return RealServer("filesystem", "2025-11-25", 10, entry, "read_text_file", arguments, "behind the gateway")


def memory(node: Node, folder: Path) -> RealServer:
    env = {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}
    entry = _stdio("memory", node.package("mcp-server-memory"), env=env)
    observation = {"type": "entity", "name": "gateway", "entityType": "program", "observations": ["stands between"]}
    (folder / "memory.jsonl").write_text(json.dumps(observation), encoding="utf-8")
    return RealServer("memory", "2025-11-25", 9, entry, "read_graph", {}, "stands between")


def clock() -> RealServer:
    command = [_program(environments.SERVERS, "mcp-server-time"), "--local-timezone", "UTC"]
    arguments = {"source_timezone": "UTC", "target_timezone": "Asia/Tokyo", "time": "12:00"}
    return RealServer("time", "2025-11-25", 2, _stdio("time", command), "convert_time", arguments, r"\+9\.0h")


def git(folder: Path) -> RealServer:
    repository = folder / "repository"
    subprocess.run(["git", "init", "--quiet", "-b", "trunk", str(repository)], check=True, timeout=20)
    (repository / "new.txt").write_text("new", encoding="utf-8")
    entry = _stdio("git", [_program(environments.SERVERS, "mcp-server-git"), "--repository", str(repository)])
    return RealServer("git", "2025-11-25", 10, entry, "git_status", {"repo_path": str(repository)}, "new.txt")


def fetch(page: str) -> RealServer:
    """`page` is on this machine."""
    command = [_program(environments.SERVERS, "mcp-server-fetch"), "--ignore-robots-txt", "--allow-private-ips"]
    return RealServer("fetch", "2025-11-25", 1, _stdio("fetch", command), "fetch", {"url": page}, "agent")


def sqlite(folder: Path) -> RealServer:
    command = [_program(environments.OLD_SERVERS, "mcp-server-sqlite"), "--db-path", str(folder / "data.db")]
    arguments = {"query": "SELECT 6 * 7 AS answer"}
    return RealServer("sqlite", "2025-11-25", 6, _stdio("sqlite", command), "read_query", arguments, "42")


def notion(node: Node, port: int) -> RealServer:
    """Demands a bearer, which is the gateway's own. Without the internet its call ends in the server's own error."""
    transport = {
        "type": "http",
        "url": f"http://127.0.0.1:{port}/mcp",
        "network": ["127.0.0.0/8"],
        "credential": {"file": "notion"},
    }
    serve = node.package("notion-mcp-server", "--transport", "http", "--port", str(port), "--auth-token", NOTION_TOKEN)
    entry = http_entry("notion", "", transport=transport)
    secrets = {"notion": f"Bearer {NOTION_TOKEN}"}
    return RealServer(
        "notion", "2025-11-25", 20, entry, "API-get-self", {}, "notion|unauthorized", serve, port, secrets
    )


def playwright(node: Node, folder: Path, port: int) -> RealServer:
    """Refuses any Host but its own: the gateway sends the upstream's, never its caller's."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium; apt-get install chromium")
    options = ("--headless", "--isolated", "--no-sandbox", "--executable-path", chromium, "--output-dir", str(folder))
    serve = node.package("playwright-mcp", "--host", "127.0.0.1", "--port", str(port), *options)
    entry = http_entry("playwright", f"http://localhost:{port}/mcp", sessions="per_principal")
    page = {"url": "data:text/html,<h1>seen through the gateway</h1>"}
    return RealServer(
        "playwright", "2025-11-25", 15, entry, "browser_navigate", page, "seen through the gateway", serve, port
    )


def _program(environment: str, name: str) -> str:
    return str(environments.require(environment).with_name(name))


def _stdio(name: str, command: Sequence[str], **transport: Any) -> str:
    whole = {"type": "stdio", "command": list(command), **transport}
    return http_entry(name, "", transport=json.loads(json.dumps(whole)), sessions="per_principal")
