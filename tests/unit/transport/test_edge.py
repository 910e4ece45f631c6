"""Headers, paths, Host and Origin: what two readers could read differently is refused."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from mcp_gateway.errors import BadRequest
from mcp_gateway.transport.edge import MAX_HEADERS, Origins, check_path, forwarded_for, read_headers

HOST = (b"host", b"127.0.0.1:8000")
ORIGINS = Origins.of(["http://127.0.0.1:8000", "https://gw.example.com"])


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, HOST],
        [],
        [(b"host", b"a b")],
        [HOST, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [HOST, (b"mcp-name", b"a"), (b"mcp-name", b"b")],
        [HOST, (b"mcp-param-x", b"a"), (b"mcp-param-x", b"a")],
        [HOST, (b"content-length", b"3"), (b"transfer-encoding", b"chunked")],
        [HOST, (b"content-length", b"3"), (b"content-length", b"3")],
    ],
)
def test_ambiguous_headers_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BadRequest):
        read_headers(headers)


def test_too_many_headers_are_refused() -> None:
    many = [HOST, *((f"x-{n}".encode(), b"1") for n in range(MAX_HEADERS))]
    with pytest.raises(BadRequest) as refused:
        read_headers(many)
    assert refused.value.code == "request.too_large"


def test_underscore_headers_do_not_exist() -> None:
    assert "mcp_name" not in read_headers([HOST, (b"mcp_name", b"a")])


@pytest.mark.parametrize(
    "path", [b"//mcp", b"/a/../mcp", b"/a/./b", b"/..", b"/%2e%2e/mcp", b"/a%2Fb", b"/a%00", b"/a\\b"]
)
def test_ambiguous_paths_are_refused(path: bytes) -> None:
    with pytest.raises(BadRequest):
        check_path(path)


@pytest.mark.parametrize(
    "path", [b"/", b"/mcp", b"/api/v1/tools", b"/.well-known/oauth-protected-resource/mcp", b"/tool/a%20b"]
)
def test_plain_paths_pass(path: bytes) -> None:
    check_path(path)


def test_the_public_origin_follows_from_the_host() -> None:
    assert ORIGINS.of_request({"host": "GW.example.com"}) == "https://gw.example.com"


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"host": "gw.example.com", "origin": "https://evil.example"}]
)
def test_a_foreign_host_or_origin_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        ORIGINS.of_request(headers)
    assert refused.value.code == "request.origin_refused"


PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("198.51.100.7", "nonsense", "198.51.100.7"),
        ("10.0.0.1", "nonsense", None),
        ("10.0.0.1", "198.51.100.7, ", None),
        ("10.0.0.1", "198.51.100.7:443", None),
        (None, "198.51.100.7", None),
    ],
)
def test_only_what_a_trusted_proxy_adds_tells_an_address(
    peer: str | None, forwarded: str | None, address: str | None
) -> None:
    assert forwarded_for(peer, forwarded, PROXIES) == address
