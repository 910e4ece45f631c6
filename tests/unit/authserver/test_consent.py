from __future__ import annotations

import pytest

from mcp_gateway.authserver.clients import Client, row_of
from mcp_gateway.model.ids import AgentId
from mcp_gateway.model.tool import Risk
from mcp_gateway.storage.oauth import write_agent
from tests.unit.authserver.desk import (
    CALLBACK,
    ISSUER,
    LOCALHOST,
    RESOURCE,
    Desk,
    answered,
    asking,
    hidden,
    new_verifier,
    the_form,
)

pytestmark = pytest.mark.anyio


async def test_the_page_names_the_client_and_where_the_answer_goes(desk: Desk) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(name="Helpful"), new_verifier()))
    assert "Helpful" in page.text
    assert "Nobody has checked this name" in page.text
    assert "127.0.0.1:3334" in page.text
    assert "any program here can claim any" in page.text
    assert RESOURCE in page.text


async def test_an_agent_the_operator_added_signs_in_and_is_said_to_be_the_operators(desk: Desk) -> None:
    await desk.log_in()
    added = Client("added-agent", AgentId("agent:local/added-agent"), "added", "Added", ("http://127.0.0.1/callback",))
    async with desk.database.write("os:root") as transaction:
        await write_agent(transaction, row_of(added, state="active", now=transaction.now))
    page = await desk.ask(asking("added-agent", new_verifier()))
    assert "Added, set up by your administrator" in page.text
    assert "code" in answered(await desk.approve(page, "tickets:read"))


async def test_an_agent_that_left_the_settings_is_known_no_more(desk: Desk) -> None:
    left = Client("left-agent", AgentId("agent:local/left-agent"), "registered", "Left", (CALLBACK,))
    async with desk.database.write("os:root") as transaction:
        await write_agent(transaction, row_of(left, state="active", now=transaction.now))
    assert (await desk.ask(asking("left-agent", new_verifier()))).status_code == 401


async def test_nothing_is_ticked_beforehand_reading_comes_first_and_destruction_cannot_be_ticked(desk: Desk) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier()))
    boxes = [control for control in the_form(page).inputs if control["type"] == "checkbox"]
    assert [box.get("value") for box in boxes] == ["tickets:read", "tickets:write", None, "time:read"]
    assert not any("checked" in box for box in boxes)
    assert "disabled" in boxes[2]


async def test_a_level_names_the_prompts_and_resources_a_tick_covers_along_with_the_tools(desk: Desk) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier()))
    words = " ".join(page.text.split())
    assert '<p class="tools">ticket_get, ticket_list</p>' in words
    assert '<p class="tools">Prompts: triage</p>' in words
    assert '<p class="tools">Resources: ticket://open, ticket://{id}</p>' in words


async def test_what_was_ticked_is_approved_and_the_code_goes_to_the_client_with_state_and_issuer(desk: Desk) -> None:
    await desk.log_in()
    client_id = await desk.register()
    page = await desk.ask(asking(client_id, new_verifier()))
    response = await desk.approve(page, "tickets:read", "tickets:write", "time:read")
    assert response.headers["location"].startswith(f"{CALLBACK}?")
    answer = answered(response)
    assert (answer["state"], answer["iss"]) == ("st4te", ISSUER)
    assert len(answer["code"]) >= 40
    approved = ("user:local/mira", f"agent:local/{client_id}", {"tickets": Risk.WRITE, "time": Risk.READ})
    assert desk.ledger.approvals == [approved]
    assert "consent.approved" in desk.events.kinds


async def test_a_client_that_asks_to_read_is_not_offered_to_write(desk: Desk) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier(), scope="mcp:read"))
    assert "tickets:read" in page.text
    assert "tickets:write" not in page.text
    assert (await desk.approve(page, "tickets:write")).status_code == 400
    assert desk.ledger.approvals == []


@pytest.mark.parametrize("tick", ["tickets:destructive", "payroll:read", "tickets", "tickets:read:write", ""])
async def test_a_tick_that_was_not_offered_approves_nothing(desk: Desk, tick: str) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier()))
    refused = await desk.approve(page, "tickets:read", tick)
    assert refused.status_code == 400
    assert desk.ledger.approvals == []


async def test_denying_tells_the_client_and_writes_nothing(desk: Desk) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier()))
    response = await desk.browser.post("/oauth/authorize", data=hidden(the_form(page), deny="yes"))
    assert answered(response) == {"error": "access_denied", "state": "st4te", "iss": ISSUER}
    assert desk.ledger.approvals == []
    assert desk.events.kinds[-1] == "consent.denied"


async def test_every_sign_in_is_asked_for_anew(desk: Desk) -> None:
    await desk.log_in()
    client_id = await desk.register()
    await desk.code(client_id, new_verifier())
    assert the_form(await desk.ask(asking(client_id, new_verifier()))).has("approve")


@pytest.mark.parametrize("both", [{}, {"approve": "yes", "deny": "yes"}])
async def test_neither_or_both_buttons_is_no_answer(desk: Desk, both: dict[str, str]) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier()))
    refused = await desk.browser.post("/oauth/authorize", data=hidden(the_form(page)) | both)
    assert refused.status_code == 400
    assert desk.ledger.approvals == []


async def test_a_form_without_its_token_of_another_login_or_another_site_approves_nothing(desk: Desk) -> None:
    await desk.log_in()
    form = hidden(the_form(await desk.ask(asking(await desk.register(), new_verifier()))), approve="yes")
    bare = await desk.browser.post("/oauth/authorize", data={"approve": "yes"})
    altered = await desk.browser.post("/oauth/authorize", data=form | {"request": form["request"][:-3] + "AAA"})
    foreign = await desk.browser.post("/oauth/authorize", data=form, headers={"origin": "https://evil.example"})
    desk.users.add("otto", "another password")
    await desk.log_in("otto", "another password")
    another = await desk.browser.post("/oauth/authorize", data=form)
    desk.browser.cookies.clear()
    nobody = await desk.browser.post("/oauth/authorize", data=form)
    assert [r.status_code for r in (bare, altered, foreign, another, nobody)] == [400, 400, 403, 400, 400]
    assert desk.ledger.approvals == []


@pytest.mark.parametrize(
    "other",
    [
        {"redirect_uri": "http://127.0.0.1:3334/other"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"client_id": "unknown"},
        {"client_id": ""},
    ],
)
async def test_a_foreign_redirect_or_client_is_told_on_a_page_and_sent_nowhere(
    desk: Desk, other: dict[str, str]
) -> None:
    await desk.log_in()
    refused = await desk.ask(asking(await desk.register(), new_verifier(), **other))
    assert refused.status_code in {400, 401}
    assert "location" not in refused.headers
    assert "evil.example" not in refused.text


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "tooshort"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"resource": f"{RESOURCE}/unknown"}, "invalid_target"),
    ],
)
async def test_a_bad_wish_is_told_to_the_client(desk: Desk, other: dict[str, str], error: str) -> None:
    answer = answered(await desk.ask(asking(await desk.register(), new_verifier(), **other)))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "st4te", ISSUER)
    assert "code" not in answer


async def test_a_stranger_cannot_use_our_errors_to_send_people_to_its_site(desk: Desk) -> None:
    uri = "https://evil.example/login"
    refused = await desk.ask(asking(await desk.register(uri), new_verifier(), redirect_uri=uri, scope="admin"))
    assert refused.status_code == 400
    assert "location" not in refused.headers


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "code_challenge", "resource"])
async def test_a_parameter_that_stands_twice_is_refused(desk: Desk, name: str) -> None:
    await desk.log_in()
    asked = asking(await desk.register(), new_verifier())
    response = await desk.browser.get("/oauth/authorize", params=[*asked.items(), (name, asked[name])])
    if response.status_code == 303:
        assert answered(response)["error"] in {"invalid_request", "invalid_target"}
    else:
        assert response.status_code == 400


async def test_a_missing_resource_means_the_endpoint_with_everything(desk: Desk) -> None:
    await desk.log_in()
    asked = asking(await desk.register(), new_verifier(), resource="")
    assert f">{RESOURCE}<" in (await desk.ask(asked)).text
    elsewhere = await desk.browser.get(f"{LOCALHOST}/oauth/authorize", params=asked)
    assert elsewhere.headers["location"].startswith("/login"), "a login on one host name is none on the other"


async def test_a_consent_that_cannot_be_recorded_does_not_happen(desk: Desk) -> None:
    await desk.log_in()
    page = await desk.ask(asking(await desk.register(), new_verifier()))
    desk.events.broken = True
    assert (await desk.approve(page, "tickets:read")).status_code == 503
    assert desk.ledger.approvals == []
