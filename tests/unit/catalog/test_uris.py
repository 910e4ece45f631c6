"""Whose a URI is can be read from it on the endpoint that all servers share."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.uris import exposed_uri, is_web, marked_uri, own_uri, uri_finding

SERVERS = ("git", "ui", "http", "https", "a", "my-notes")
SERVER = st.sampled_from(SERVERS)
REST = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
SCHEMES = st.sampled_from(["file", "ui", "git+ssh", "a", "HTTP", "http", "https", "x-y.z", "UI"])
URIS = st.tuples(SCHEMES, st.sampled_from([":", "://"]), REST).map("".join)


@pytest.mark.parametrize(
    ("uri", "exposed"),
    [
        ("notes://today", "my-notes+notes://today"),
        ("file:///a{?b,c}", "my-notes+file:///a{?b,c}"),
        ("urn:isbn:1", "my-notes+urn:isbn:1"),
        ("git+ssh://host/x", "my-notes+git+ssh://host/x"),
        ("ui://app/main.html", "ui://my-notes+app/main.html"),
        ("https://example.com/a", "https://example.com/a"),
        ("HTTP://example.com/{id}", "HTTP://example.com/{id}"),
    ],
)
def test_a_uri_carries_its_server_but_for_web_addresses(uri: str, exposed: str) -> None:
    assert exposed_uri("my-notes", uri) == exposed


@given(SERVER, URIS)
def test_every_other_uri_leads_back_to_its_server_and_itself(server: str, uri: str) -> None:
    exposed = exposed_uri(server, uri)
    assert re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", exposed)
    if is_web(uri):
        assert exposed == uri
        assert own_uri(SERVERS, marked_uri(server, uri)) == (server, uri)
    else:
        assert own_uri(SERVERS, exposed) == (server, uri)


@pytest.mark.parametrize(
    "uri", ["notes://today", "stranger+notes://today", "ui://stranger+app", "ui://app", "+notes://x", "git+", "ui+"]
)
def test_a_uri_without_the_name_of_a_declared_server_is_nobodys(uri: str) -> None:
    assert own_uri(("git", "notes"), uri) is None


@pytest.mark.parametrize(
    ("uri", "finding"),
    [
        ("notes://today", None),
        ("mailto:ana@example.com", None),
        ("https://example.com/a?b=c@d#e", None),
        ("file:///caf%C3%A9", None),
        ("notes/today", "not absolute"),
        ("notes:", "not absolute"),
        ("notes://{id}", "RFC 3986"),
        ("notes://a b", "RFC 3986"),
        ("notes://%zz", "RFC 3986"),
        ("notes://café", "printable ASCII"),
        ("notes://a\nb", "printable ASCII"),
        ("https://ana:secret@example.com/", "user information"),
        ("x:" + "y" * 2_047, "longer"),
    ],
)
def test_a_resource_needs_an_absolute_uri_that_logs_nobody_in(uri: str, finding: str | None) -> None:
    said = uri_finding(uri)
    assert said is None if finding is None else finding in (said or "")
    assert said is None or uri not in said
