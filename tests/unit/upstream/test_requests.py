"""The bytes of a request: nobody adds a line to it, and nobody but us says how it is framed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.upstream.requests import Requests

FIXED = (("accept", "application/json"), ("X-Team", "docs"))


def lines(request: bytes) -> list[str]:
    return request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")


def test_a_post_goes_to_the_endpoint_with_what_every_request_carries() -> None:
    request = Requests("http://up.example:8080/mcp?team=a b", FIXED).post([("mcp-method", "tools/call")], b"{}")
    assert lines(request) == [
        "POST /mcp?team=a%20b HTTP/1.1",
        "host: up.example:8080",
        "user-agent: mcp-gateway",
        "accept-encoding: gzip",
        "accept: application/json",
        "x-team: docs",
        "mcp-method: tools/call",
        "content-length: 2",
    ]
    assert request.endswith(b"\r\n\r\n{}")


def test_a_request_that_says_otherwise_replaces_what_is_fixed() -> None:
    made = Requests("https://up.example/mcp", FIXED)
    said = lines(made.post([("Accept", "text/event-stream")], b""))
    assert [line for line in said if line.lower().startswith("accept:")] == ["Accept: text/event-stream"]
    assert "host: up.example" in said


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("https://[2001:db8::1]:8443/mcp", "[2001:db8::1]:8443"),
        ("https://bücher.example/mcp", "xn--bcher-kva.example"),
    ],
)
def test_the_host_is_written_as_a_server_expects_it(url: str, host: str) -> None:
    assert f"host: {host}" in lines(Requests(url, ()).post([], b""))


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "Ж"])
def test_a_value_that_would_end_its_line_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"line|latin"):
        Requests("http://up/", ()).post([("authorization", value)], b"")


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a\r\nb", "Content-Length", "transfer-encoding", "Connection", "upgrade"]
)
def test_a_name_that_is_none_or_that_frames_the_message_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a header"):
        Requests("http://up/", ()).post([(name, "v")], b"")
    with pytest.raises(ValueError, match="name of a header"):
        Requests("http://up/", [(name, "v")])


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_named_a_request_has_one_head_and_as_many_lines_as_headers(target: str, value: str) -> None:
    made = Requests("http://up/mcp", ())
    try:
        request = made.other("GET", "/" + target, [("x-a", value)], None)
    except ValueError:
        return
    assert request.endswith(b"\r\n\r\n")
    assert request.count(b"\r\n") == 4 + 2
    assert request.count(b"\n") == request.count(b"\r") == 6
    assert lines(request)[0].count(" ") == 2
