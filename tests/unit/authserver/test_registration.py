from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_gateway.storage.oauth import agent_of, all_agents, drop_unused_agents
from tests.unit.authserver.desk import CALLBACK, Desk, asking, new_verifier
from tests.unit.authserver.test_redirects import CURSOR, VSCODE

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("name", "uris"), [("Cursor", CURSOR), ("Visual Studio Code", VSCODE)])
async def test_the_exact_registration_of_a_real_client_is_accepted(
    desk: Desk, name: str, uris: tuple[str, ...]
) -> None:
    wanted = {
        "client_name": name,
        "redirect_uris": list(uris),
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "client_uri": "https://example.com",
    }
    response = await desk.browser.post("/oauth/register", json=wanted)
    assert response.status_code == 201
    assert response.json()["redirect_uris"] == list(uris)
    assert response.json()["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in response.json()
    assert response.headers["cache-control"] == "no-store"


async def test_a_client_that_wants_a_secret_is_registered_without_one(desk: Desk) -> None:
    wanted = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic"}
    described = (await desk.browser.post("/oauth/register", json=wanted)).json()
    assert described["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in described


async def test_a_self_registered_agent_is_new_until_somebody_approves_it(desk: Desk) -> None:
    client_id = await desk.register()
    row = await agent_of(desk.database, client_id)
    assert row is not None
    assert (row.id, row.kind, row.state) == (f"agent:local/{client_id}", "self", "new")
    assert ("agent.registered", row.id) in [(kind, actor) for kind, actor, _ in desk.events.seen]
    await desk.log_in()
    await desk.code(client_id, new_verifier())
    row = await agent_of(desk.database, client_id)
    assert row is not None
    assert row.state == "active"
    assert row.last_used_at is not None


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "http://127.0.0.1/"}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"http://127.0.0.1/{n}" for n in range(6)]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(document.domain)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK, "http://evil.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK], "grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "response_types": ["token"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_name": ["a"]}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
    ],
)
async def test_a_wish_we_do_not_grant_is_refused_by_its_name(desk: Desk, wanted: Any, error: str) -> None:
    response = await desk.browser.post("/oauth/register", json=wanted)
    assert response.status_code == 400
    assert response.json()["error"] == error
    assert "evil.example" not in response.text


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * 40_000, "application/json", 413),
    ],
)
async def test_a_body_that_is_not_a_small_json_object_is_refused(
    desk: Desk, content: bytes, content_type: str, status: int
) -> None:
    response = await desk.browser.post("/oauth/register", content=content, headers={"content-type": content_type})
    assert response.status_code == status
    assert "error" in json.loads(response.content)


async def test_a_name_shows_only_what_it_is(desk: Desk) -> None:
    await desk.log_in()
    client_id = await desk.register(name="<b>Good\u202eevil\u200b\n bank</b>" + "x" * 200)
    page = await desk.ask(asking(client_id, new_verifier()))
    assert "&lt;b&gt;Goodevil bank&lt;/b&gt;" in page.text
    assert "\u202e" not in page.text
    assert "x" * 65 not in page.text


async def test_the_eleventh_registration_of_an_address_within_a_minute_has_to_wait(desk: Desk) -> None:
    for _ in range(10):
        await desk.register()
    refused = await desk.browser.post("/oauth/register", json={"redirect_uris": [CALLBACK]})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


async def test_agents_nobody_approved_are_dropped_by_age_and_by_number(desk: Desk) -> None:
    await desk.log_in()
    used = await desk.register()
    await desk.code(used, new_verifier())
    for _ in range(3):
        await desk.register()
    async with desk.database.write("gateway") as transaction:
        await drop_unused_agents(transaction, older_than=0, keep=1)
    kept = [row for row in await all_agents(desk.database) if row.kind == "self"]
    assert [row.state for row in kept].count("new") == 1
    async with desk.database.write("gateway") as transaction:
        await drop_unused_agents(transaction, older_than=transaction.now + 1, keep=10)
    assert [row.client_id for row in await all_agents(desk.database) if row.kind == "self"] == [used]


async def test_a_registration_that_cannot_be_recorded_does_not_happen(desk: Desk) -> None:
    desk.events.broken = True
    response = await desk.browser.post("/oauth/register", json={"redirect_uris": [CALLBACK]})
    assert response.status_code == 503
    assert not [row for row in await all_agents(desk.database) if row.kind == "self"]
