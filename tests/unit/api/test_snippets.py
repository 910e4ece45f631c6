"""Every client snippet we print is one its client can read."""

from __future__ import annotations

import base64
import json
import shlex
import tomllib
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from mcp_gateway.api.snippets import Snippet, as_markdown, as_text, snippets

URLS = ("http://127.0.0.1:8000/mcp", "https://gw.example.com/mcp/tickets")


def of(client: str, url: str) -> Snippet:
    return next(one for one in snippets(url) if one.client == client)


@pytest.mark.parametrize("url", URLS)
def test_claude_desktop_starts_mcp_remote_without_spaces_in_arguments(url: str) -> None:
    entry = json.loads(of("Claude Desktop", url).text)["mcpServers"]["gateway"]
    assert entry == {"command": "npx", "args": ["-y", "mcp-remote", url]}
    assert not any(" " in argument for argument in entry["args"])


@pytest.mark.parametrize(
    ("url", "needed"),
    [
        ("http://10.0.0.4:8000/mcp", True),
        ("http://gateway.internal/mcp", True),
        ("http://127.0.0.1:8000/mcp", False),
        ("http://[::1]:8000/mcp", False),
        ("http://localhost:8000/mcp", False),
        ("https://gw.example.com/mcp", False),
    ],
)
def test_mcp_remote_is_allowed_plain_http_only_beyond_loopback(url: str, needed: bool) -> None:
    arguments = json.loads(of("Claude Desktop", url).text)["mcpServers"]["gateway"]["args"]
    assert ("--allow-http" in arguments) is needed


@pytest.mark.parametrize("url", URLS)
def test_claude_code_adds_an_http_server(url: str) -> None:
    words = shlex.split(of("Claude Code", url).text)
    assert words == ["claude", "mcp", "add", "--transport", "http", "gateway", url]


@pytest.mark.parametrize("url", URLS)
def test_cursor_file_and_install_link_say_the_same(url: str) -> None:
    snippet = of("Cursor", url)
    link = urlsplit(snippet.install_link or "")
    query = parse_qs(link.query, strict_parsing=True)
    entry = json.loads(snippet.text)["mcpServers"]["gateway"]
    assert entry == {"url": url}
    assert (link.scheme, link.netloc, link.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    assert query["name"] == ["gateway"]
    assert json.loads(base64.b64decode(query["config"][0], validate=True)) == entry


@pytest.mark.parametrize("url", URLS)
def test_vscode_file_and_install_link_say_the_same(url: str) -> None:
    snippet = of("VS Code", url)
    prefix, _, encoded = (snippet.install_link or "").partition("?")
    entry = json.loads(snippet.text)["servers"]["gateway"]
    assert entry == {"type": "http", "url": url}
    assert prefix == "vscode:mcp/install"
    assert json.loads(unquote(encoded)) == {"name": "gateway", **entry}


@pytest.mark.parametrize("url", URLS)
def test_codex_reads_its_toml(url: str) -> None:
    assert tomllib.loads(of("Codex", url).text) == {"mcp_servers": {"gateway": {"url": url}}}


def test_terminal_and_readme_hold_every_snippet_whole() -> None:
    url = URLS[0]
    for snippet in snippets(url):
        assert f"```{snippet.language}\n{snippet.text}\n```" in as_markdown(url)
        assert all(line in as_text(url) for line in snippet.text.splitlines())


def test_no_snippet_carries_a_credential() -> None:
    for snippet in snippets(URLS[0]):
        assert "bearer" not in snippet.text.lower()
        assert "authorization" not in snippet.text.lower()
