"""How each MCP client is pointed at this gateway: the one source for README, terminal and page.

Pure. No snippet holds a token: every client signs in by itself through the browser.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import quote, urlsplit

NAME = "gateway"
"""What clients call us. Cursor drops a tool when this and the tool's name exceed 60 characters together."""


@dataclass(frozen=True, slots=True)
class Snippet:
    client: str
    how: str
    """One sentence: where the text goes."""
    language: Literal["json", "toml", "shell"]
    text: str
    install_link: str | None = None
    """Opens the client and offers the same entry, where the client knows such links."""


def snippets(mcp_url: str) -> tuple[Snippet, ...]:
    """For the endpoint `mcp_url`, e.g. `http://127.0.0.1:8000/mcp`."""
    return (
        _claude_desktop(mcp_url),
        _claude_code(mcp_url),
        _cursor(mcp_url),
        _vscode(mcp_url),
        _codex(mcp_url),
    )


def as_text(mcp_url: str) -> str:
    """For a terminal."""
    return "\n\n".join(f"{one.client}: {one.how}\n{_indented(one.text)}" for one in snippets(mcp_url))


def as_markdown(mcp_url: str) -> str:
    """For the README, which a test compares with this."""
    return "\n\n".join(
        f"**{one.client}**: {one.how}\n\n```{one.language}\n{one.text}\n```" for one in snippets(mcp_url)
    )


def _claude_desktop(mcp_url: str) -> Snippet:
    # Its settings start local commands only, and its cloud connectors cannot reach a private address.
    arguments = ["-y", "mcp-remote", mcp_url]
    if _is_plain_http_beyond_loopback(mcp_url):
        arguments.append("--allow-http")
    return Snippet(
        client="Claude Desktop",
        how="Settings, Developer, Edit Config (claude_desktop_config.json); needs Node.js. Restart Claude afterwards.",
        language="json",
        text=_pretty({"mcpServers": {NAME: {"command": "npx", "args": arguments}}}),
    )


def _claude_code(mcp_url: str) -> Snippet:
    return Snippet(
        client="Claude Code",
        how="Run this once, then sign in with /mcp inside Claude Code.",
        language="shell",
        text=f"claude mcp add --transport http {NAME} {shlex.quote(mcp_url)}",
    )


def _cursor(mcp_url: str) -> Snippet:
    entry = {"url": mcp_url}
    config = quote(base64.b64encode(_compact(entry).encode()).decode(), safe="")
    return Snippet(
        client="Cursor",
        how="Put this into ~/.cursor/mcp.json, or .cursor/mcp.json of one project.",
        language="json",
        text=_pretty({"mcpServers": {NAME: entry}}),
        install_link=f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={config}",
    )


def _vscode(mcp_url: str) -> Snippet:
    entry = {"type": "http", "url": mcp_url}
    return Snippet(
        client="VS Code",
        how='Put this into .vscode/mcp.json, or run "MCP: Open User Configuration".',
        language="json",
        text=_pretty({"servers": {NAME: entry}}),
        install_link="vscode:mcp/install?" + quote(_compact({"name": NAME, **entry}), safe=""),
    )


def _codex(mcp_url: str) -> Snippet:
    return Snippet(
        client="Codex",
        how=f"Put this into ~/.codex/config.toml, then run: codex mcp login {NAME}",
        language="toml",
        # A JSON string is a TOML basic string as long as it is ASCII, which json.dumps makes sure of.
        text=f"[mcp_servers.{NAME}]\nurl = {json.dumps(mcp_url)}",
    )


def _is_plain_http_beyond_loopback(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname in {None, "localhost"}:
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2)


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
