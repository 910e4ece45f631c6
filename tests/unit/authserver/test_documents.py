from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_gateway.authserver.documents import Documents, is_document_url
from mcp_gateway.authserver.problems import OAuthProblem
from mcp_gateway.storage.oauth import agent_of
from tests.unit.authserver.desk import CALLBACK, DOCUMENT, Desk, Web, answered, asking, new_verifier

pytestmark = pytest.mark.anyio


def _document(**other: Any) -> bytes:
    return json.dumps({"client_id": DOCUMENT, "client_name": "Claude", "redirect_uris": [CALLBACK]} | other).encode()


async def test_a_client_known_by_its_document_signs_in(desk: Desk) -> None:
    desk.web.documents[DOCUMENT] = _document(logo_uri="https://claude.ai/logo.png")
    await desk.log_in()
    verifier = new_verifier()
    page = await desk.ask(asking(DOCUMENT, verifier))
    assert "vouched for by <strong>claude.ai</strong>" in page.text
    code = answered(await desk.approve(page, "tickets:read"))["code"]
    assert (await desk.exchange(DOCUMENT, code, verifier)).status_code == 200
    row = await agent_of(desk.database, DOCUMENT)
    assert row is not None
    assert (row.kind, row.state) == ("cimd", "active")
    assert desk.web.asked == [DOCUMENT], "one fetch for the page, the answer and the token"


async def test_a_host_that_is_not_trusted_is_never_asked(desk: Desk) -> None:
    refused = await desk.ask(asking("https://evil.example/client.json", new_verifier()))
    assert refused.status_code == 401
    assert "location" not in refused.headers
    assert desk.web.asked == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"not json",
        _document(client_id="https://claude.ai/other.json"),
        _document(redirect_uris=[]),
        _document(redirect_uris=["http://evil.example/"]),
        _document(client_name=""),
        _document(client_secret="s"),
        _document(token_endpoint_auth_method="client_secret_basic"),
        _document(logo_uri="x" * 6000),
    ],
)
async def test_a_document_that_breaks_a_rule_is_not_used(desk: Desk, content: bytes) -> None:
    desk.web.documents[DOCUMENT] = content
    refused = await desk.ask(asking(DOCUMENT, new_verifier()))
    assert refused.status_code == 401
    assert await agent_of(desk.database, DOCUMENT) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://claude.ai/client.json",
        "https://claude.ai",
        "https://claude.ai/",
        "https://claude.ai/a/../client.json",
        "https://claude.ai/a/%2e%2E/client.json",
        "https://claude.ai/client.json#x",
        "https://claude.ai@evil.example/client.json",
        "https://claude.ai:8443/client.json",
        "https://claude.ai\\.evil.example/client.json",
        "https://claude.ai/" + "a" * 512,
        "https://claude.ai/cli ent",
        "https://[::1/client.json",
        "docs-assistant",
    ],
)
async def test_an_address_that_could_be_read_in_two_ways_is_no_document(url: str) -> None:
    assert not is_document_url(url)


async def test_a_document_is_read_again_after_an_hour_and_a_failure_after_a_minute() -> None:
    web, now = Web(), [0.0]
    documents = Documents(web.fetch, clock=lambda: now[0])
    for at in (0.0, 59.0):
        now[0] = at
        with pytest.raises(OAuthProblem):
            await documents.read(DOCUMENT)
    assert len(web.asked) == 1
    web.documents[DOCUMENT] = _document()
    for at in (60.0, 3659.0, 3660.0):
        now[0] = at
        assert (await documents.read(DOCUMENT)).client_name == "Claude"
    assert len(web.asked) == 3


async def test_any_host_may_be_allowed_by_an_explicit_star() -> None:
    web, url = Web(), "https://other.example/client.json"
    web.documents[url] = _document(client_id=url)
    assert (await Documents(web.fetch, hosts=["*"]).read(url)).client_id == url
