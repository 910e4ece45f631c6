"""A gateway of one's own for a test: configuration, registry and data directory in a folder, on a free port.

It is driven as an operator would, through its command line; nothing here reaches into it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.command_server import commands
from tests.support.processes import ROOT, Running, free_port, listening, running, start, wait_until

PASSWORD = "correct horse battery staple"
_READY_SECONDS = 40


class CommandFailed(Exception):
    """A command of the gateway ended with an error; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Installation:
    folder: Path
    port: int
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def endpoint(self, server: str | None = None) -> str:
        """The MCP endpoint of one upstream, or of all."""
        return f"{self.origin}/mcp" if server is None else f"{self.origin}/mcp/{server}"

    @property
    def config(self) -> Path:
        return self.folder / "gateway.yaml"

    def cli(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run `mcp-gateway`; answers what it printed."""
        done = commands.run(["--config", str(self.config), *arguments], stdin=stdin or "")
        if check and done.code != 0:
            raise CommandFailed(f"{' '.join(arguments[:2])} ended with {done.code}: {done.err[-2000:]}")
        return done.out.strip()

    def add_user(self, name: str, *, calls: str) -> None:
        """A user with PASSWORD who may call every tool of the server `calls`."""
        self.cli("user", "add", name, "--password-stdin", stdin=PASSWORD)
        self.cli("access", "add", f"user:{name}", "caller", f"server:{calls}")

    def let_agent_act(self, agent: str, user: str, *, server: str, access: str = "all") -> str:
        """What consent and an administrator together would allow on `server`; the grant's id."""
        self.cli("delegation", "add", "--user", user, "--agent", agent)
        reach = ("--on", f"server:{server}", "--access", access)
        given = self.json("grant", "add", "--agent", agent, *reach, "--for", f"user:{user}", "--reason", "test")
        return str(given["id"])

    def json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json"))

    def start(self) -> Running:
        """Serve until the caller stops or kills it."""
        started = start(self._serve, log=self.folder / "log")
        wait_until(listening(self.port), seconds=_READY_SECONDS, what="the gateway's port")
        return started

    @property
    def _serve(self) -> list[str]:
        return [sys.executable, "-m", "mcp_gateway", "--config", str(self.config), "serve", "--quiet"]

    def token(self, *, user: str, agent: str, server: str | None = None) -> str:
        return self.cli("token", "--user", user, "--agent", agent, "--resource", self.endpoint(server))

    @contextlib.contextmanager
    def serving(self, *, prefix: Sequence[str] = ()) -> Generator[Running]:
        """The gateway, until the block ends; `prefix` goes before its command line."""
        with running([*prefix, *self._serve], ready=listening(self.port), seconds=_READY_SECONDS) as process:
            yield process

    def wait_for_tools(self, server: str, *, count: int, seconds: float = _READY_SECONDS) -> None:
        """Until `count` tools of `server` are approved."""

        def enough() -> bool:
            shown = json.loads(self.cli("server", "show", server, "--json"))
            return sum(tool["state"] == "approved" for tool in shown["tools"]) >= count

        wait_until(enough, seconds=seconds, what=f"{count} tools of {server}")


def install(folder: Path, *, registry: Mapping[str, str], **settings: Any) -> Installation:
    """Write configuration and registry into `folder` and make the data directory; `registry` is name to YAML."""
    port = free_port()
    made = Installation(folder, port, settings)
    entries = folder / "registry"
    entries.mkdir(parents=True)
    for name, text in registry.items():
        (entries / f"{name}.yaml").write_text(text, encoding="utf-8")
    whole = {
        "listen": f"127.0.0.1:{port}",
        "data_dir": str(folder / "data"),
        "registry": str(entries),
        "policies": str(ROOT / "policies"),
        **settings,
    }
    # JSON is YAML.
    made.config.write_text(json.dumps(whole), encoding="utf-8")
    made.cli("setup")
    return made


def http_entry(name: str, url: str, **more: Any) -> str:
    """A registry entry of a trusted upstream on loopback."""
    entry = {
        "name": name,
        "description": f"The server {name} of a test",
        "owner": "test@example.com",
        "trust": "trusted",
        "sessions": "shared",
        "timeout": 30,
        "transport": {"type": "http", "url": url, "network": ["127.0.0.0/8"]},
        "default_risk": "read",
        **more,
    }
    return json.dumps(entry)


def sample_tickets(url: str) -> str:
    """The sample's own registry entry, at the port where a test runs it."""
    return (ROOT / "registry" / "tickets.yaml").read_text().replace("http://127.0.0.1:8101/mcp", url)
