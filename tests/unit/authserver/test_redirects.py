from __future__ import annotations

import pytest

from mcp_gateway.authserver import redirects
from mcp_gateway.errors import BadRequest

CURSOR = (
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
)
VSCODE = (
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418/",
)


@pytest.mark.parametrize("uri", [*CURSOR, *VSCODE, "https://claude.ai/api/mcp/auth_callback", "http://[::1]:9/cb"])
def test_the_addresses_of_real_clients_may_be_registered(uri: str) -> None:
    redirects.check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://example.com/callback",
        "http://127.0.0.1.example.com/callback",
        "http://127.0.0.1@example.com/callback",
        "https://user:secret@example.com/callback",
        "https://example.com/callback#fragment",
        "https://example.com\\@evil.example/",
        "https:///callback",
        "/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback/other",
        "vscode://publisher.extension/callback",
        "https://example.com/call back",
        "https://example.com/\r\nset-cookie:x",
        "https://example.com:notaport/",
        "https://exämple.com/callback",
        "https://example.com/" + "a" * 1024,
    ],
)
def test_an_address_that_could_run_or_leak_may_not_be_registered(uri: str) -> None:
    with pytest.raises(BadRequest) as raised:
        redirects.check(uri)
    assert not uri or uri not in str(raised.value)


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("http://127.0.0.1:51234/", "http://127.0.0.1/"),
        ("http://127.0.0.1/", "http://127.0.0.1:33418/"),
        ("http://localhost:9/callback?x=1", "http://localhost:8787/callback?x=1"),
        ("http://[::1]:9/cb", "http://[::1]:8/cb"),
        ("https://vscode.dev/redirect", "https://vscode.dev/redirect"),
    ],
)
def test_a_request_may_use_a_registered_address_with_any_loopback_port(asked: str, registered: str) -> None:
    assert redirects.allowed(asked, [registered])


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("https://vscode.dev:8443/redirect", "https://vscode.dev/redirect"),
        ("https://vscode.dev/redirect/", "https://vscode.dev/redirect"),
        ("https://vscode.dev/redirect?x=1", "https://vscode.dev/redirect"),
        ("https://evil.example/redirect", "https://vscode.dev/redirect"),
        ("http://localhost:9/callback", "http://127.0.0.1:9/callback"),
        ("http://127.0.0.1:9/other", "http://127.0.0.1:9/callback"),
        ("http://127.0.0.1:9/callback#x", "http://127.0.0.1:9/callback"),
        ("http://evil@127.0.0.1:9/callback", "http://127.0.0.1:9/callback"),
        ("https://127.0.0.1:9/callback", "http://127.0.0.1:9/callback"),
        ("http://127.0.0.1:99999/callback", "http://127.0.0.1:9/callback"),
        ("", "http://127.0.0.1:9/callback"),
    ],
)
def test_anything_else_differs(asked: str, registered: str) -> None:
    assert not redirects.allowed(asked, [registered])
