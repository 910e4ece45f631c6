"""`/api/v1`: JSON for the person who is signed in, as far as that person may see."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from mcp_gateway.audit import Wanted
from mcp_gateway.errors import AccessDenied
from mcp_gateway.inspection import Filter, OsUser
from mcp_gateway.model.ids import agent_id, tool_id, user_id
from mcp_gateway.model.tool import Kind, ReviewState, Risk
from tests.support.first_party import (
    BEARER,
    DESTRUCTIVE,
    NAMED_TICKET,
    FirstParty,
    first_party,
    person,
    two_servers,
    upstream,
)

pytestmark = pytest.mark.anyio

ANA_SEES = ["broken", "new_one", "sly", "ticket_delete", "ticket_get", "ticket_update", "secret_get"]
MIRA_SEES = ["ticket_get"]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[FirstParty]:
    async with two_servers(tmp_path) as made:
        yield made


async def get(door: FirstParty, name: str | None, path: str, **params: str | int) -> httpx2.Response:
    async with door.client(name) as client:
        return await client.get(f"/api/v1{path}", params=params)


async def names(door: FirstParty, name: str, **params: str | int) -> list[str]:
    answer = await get(door, name, "/tools", **params)
    assert answer.status_code == 200, answer.text
    return [tool["name"] for tool in answer.json()["tools"]]


@pytest.mark.parametrize(
    "path", ["/me", "/servers", "/servers/tickets", "/tools", "/tools/tickets/ticket_get", "/events"]
)
async def test_nobody_reads_without_signing_in(door: FirstParty, path: str) -> None:
    answer = await get(door, None, path)
    assert answer.status_code == 401
    assert answer.json()["reason"] == "token.missing"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_bearer_that_does_not_count_is_not_helped_by_a_cookie(door: FirstParty) -> None:
    async with door.client("mira") as client:
        refused = await client.get("/api/v1/me", headers={"Authorization": "Bearer another"})
        assert (refused.status_code, refused.json()["reason"]) == (401, "token.invalid")
    async with door.client() as client:
        taken = await client.get("/api/v1/me", headers={"Authorization": BEARER})
        assert taken.json() == {"user": "user:local/mira", "administrator": False, "auditor": False}


async def test_a_person_sees_the_tools_to_use_and_an_administrator_all(door: FirstParty) -> None:
    assert await names(door, "mira") == MIRA_SEES
    assert await names(door, "ana") == ANA_SEES
    assert await names(door, "stranger") == []


async def test_taking_access_away_empties_the_next_answer(door: FirstParty) -> None:
    assert await names(door, "mira") == MIRA_SEES
    await door.unrelate("user:local/mira", "reader", "server:tickets")
    assert await names(door, "mira") == []
    assert (await get(door, "mira", "/servers")).json() == []


async def test_an_auditor_sees_everything_and_is_no_administrator(door: FirstParty) -> None:
    await door.relate("user:local/olu", "auditor", "gateway:local")
    assert await names(door, "olu") == ANA_SEES
    assert (await get(door, "olu", "/me")).json() == {
        "user": "user:local/olu",
        "administrator": False,
        "auditor": True,
    }


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"server": "vault"}, ["secret_get"]),
        ({"risk": "destructive"}, ["ticket_delete"]),
        ({"state": "quarantined"}, ["broken"]),
        ({"q": "GOOD deletes"}, ["ticket_delete"]),
        ({"q": "deletes nothing"}, []),
        ({"q": "read a ticket", "risk": "read"}, ["ticket_get"]),
        ({"server": "nowhere"}, []),
    ],
)
async def test_filters_narrow_and_combine(door: FirstParty, params: dict[str, str], found: list[str]) -> None:
    assert await names(door, "ana", **params) == found


async def test_pages_follow_each_other_without_gap_or_repeat(door: FirstParty) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        answer = (await get(door, "ana", "/tools", limit=2, **cursor)).json()
        assert answer["total"] == len(ANA_SEES)
        seen += [tool["name"] for tool in answer["tools"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert seen == ANA_SEES


async def test_a_cursor_gives_no_more_than_its_bearer_may_see(door: FirstParty) -> None:
    ana = (await get(door, "ana", "/tools", limit=1)).json()
    assert await names(door, "mira", cursor=ana["next_cursor"]) == MIRA_SEES


@pytest.mark.parametrize(
    ("params", "reason", "field"),
    [
        ({"risk": "s3cret-value"}, "request.malformed", "query.risk"),
        ({"state": "s3cret-value"}, "request.malformed", "query.state"),
        ({"limit": "s3cret-value"}, "request.malformed", "query.limit"),
        ({"limit": "0"}, "request.malformed", "query.limit"),
        ({"q": "s3cret-value" * 100}, "request.malformed", "query.q"),
        ({"cursor": "s3cret-value"}, "cursor.invalid", "cursor"),
        ({"cursor": "\u00e9"}, "cursor.invalid", "cursor"),
    ],
)
async def test_bad_input_names_the_field_and_never_the_value(
    door: FirstParty, params: dict[str, str], reason: str, field: str
) -> None:
    answer = await get(door, "ana", "/tools", **params)
    assert answer.status_code == 400
    assert answer.json()["reason"] == reason
    assert answer.json()["message"].startswith(f"{field}: ")
    assert "s3cret" not in answer.text


async def test_a_tool_says_what_it_takes_without_what_cannot_be_seen(door: FirstParty) -> None:
    [tool] = (await get(door, "mira", "/tools")).json()["tools"]
    assert tool["exposed"] == "tickets__ticket_get"
    assert tool["description"] == "Returns one ticket with its history."
    assert [(p["name"], p["type"], p["required"]) for p in tool["parameters"]] == [
        ("id", "string", True),
        ("fields", "array of string", False),
    ]
    assert tool["needs"] == [{"relation": "can_read", "type": "ticket"}]
    assert tool["callable"] is True


async def test_the_definition_is_what_the_upstream_sent(door: FirstParty) -> None:
    detail = (await get(door, "mira", "/tools/tickets/ticket_get")).json()
    assert detail["definition"]["description"] == "Returns one ticket\u200b with its history."
    assert (detail["approved_by"], detail["first_seen_at"]) == (None, None)
    assert (await get(door, "ana", "/tools/tickets/ticket_get")).json()["approved_by"] == "os:ana"


@pytest.mark.parametrize("path", ["/tools/tickets/ticket_delete", "/tools/tickets/sly", "/tools/tickets/no_such"])
async def test_a_hidden_tool_and_an_absent_one_look_alike(door: FirstParty, path: str) -> None:
    answer = await get(door, "mira", path)
    body = answer.json()
    assert (answer.status_code, body.pop("request_id")) == (404, answer.headers["x-request-id"])
    assert body == {"reason": "tool.unavailable", "message": "This tool is not available."}


@pytest.mark.parametrize("name", ["vault", "no-such"])
async def test_a_hidden_server_and_an_absent_one_look_alike(door: FirstParty, name: str) -> None:
    answer = await get(door, "mira", f"/servers/{name}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "server.unavailable")


async def test_only_operators_learn_why_a_server_fails(door: FirstParty) -> None:
    await door.relate("user:local/mira", "reader", "server:vault")
    await door.relate("user:local/omar", "operator", "server:vault")
    reader, operator = [(await get(door, name, "/servers/vault")).json() for name in ("mira", "omar")]
    assert (reader["status"], reader["last_error"]) == ("failing", None)
    assert (operator["status"], operator["last_error"]) == ("failing", "upstream.unavailable")
    assert operator["tools"] == 0


async def test_servers_count_what_the_asker_sees(door: FirstParty) -> None:
    def counted(servers: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
        return [(server["name"], server["tools"], server["waiting"]) for server in servers]

    assert counted((await get(door, "mira", "/servers")).json()) == [("tickets", 1, 0)]
    assert counted((await get(door, "ana", "/servers")).json()) == [("tickets", 6, 3), ("vault", 1, 0)]


async def test_findings_are_for_reviewers(door: FirstParty) -> None:
    [broken] = (await get(door, "ana", "/tools", state="quarantined")).json()["tools"]
    assert broken["finding"] == "inputSchema lacks type: object"
    assert broken["callable"] is False
    [own] = (await get(door, "mira", "/tools")).json()["tools"]
    assert own["finding"] is None


async def test_a_tool_shared_on_its_own_tells_its_servers_name(door: FirstParty) -> None:
    await door.relate("user:local/lin", "direct_caller", tool_id("vault", "secret_get"))
    assert await names(door, "lin") == ["secret_get"]
    assert [server["name"] for server in (await get(door, "lin", "/servers")).json()] == ["vault"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/api/v1/nothing", 404, "request.unknown_path"),
        ("POST", "/api/v1/tools", 405, "request.wrong_verb"),
        ("GET", "/api/v1/tools/tickets/a/b", 404, "request.unknown_path"),
    ],
)
async def test_every_refusal_has_one_shape(door: FirstParty, method: str, path: str, status: int, reason: str) -> None:
    async with door.client("mira") as client:
        answer = await client.request(method, path, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert answer.json().keys() == {"reason", "message", "request_id"}
    assert answer.json()["reason"] == reason


async def test_the_api_describes_itself(door: FirstParty) -> None:
    async with door.client() as client:
        described = (await client.get("/api/v1/openapi.json")).json()
    assert {"/api/v1/servers", "/api/v1/servers/{name}", "/api/v1/tools", "/api/v1/me", "/api/v1/events"} <= described[
        "paths"
    ].keys()
    assert not [path for path in described["paths"] if not path.startswith("/api/v1/")]
    refusals = described["paths"]["/api/v1/tools"]["get"]["responses"]
    assert refusals["400"]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")
    assert "422" not in refusals


async def test_a_store_that_cannot_be_read_refuses_and_says_when_to_retry(door: FirstParty) -> None:
    door.feed.close()
    answer = await get(door, "mira", "/tools")
    assert (answer.status_code, answer.json()["reason"]) == (503, "authorization.unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_who_may_open_the_data_directory_sees_everything(door: FirstParty) -> None:
    page = await door.inspection.tools(OsUser("os:ana"), Filter(), limit=50)
    assert [tool.name for tool in page.tools] == ANA_SEES


async def test_explain_is_for_those_who_see_everything(door: FirstParty) -> None:
    asked = (user_id("local", "mira"), agent_id("local", "docs"), tool_id("tickets", "ticket_update"))
    explained = await door.inspection.explain(person("ana"), *asked, {})
    assert "user.not_allowed" in {finding.code for finding in explained.findings}
    with pytest.raises(AccessDenied) as refused:
        await door.inspection.explain(person("mira"), *asked, {})
    assert refused.value.code == "tool.unavailable"


async def test_a_tool_one_may_ask_for_is_shown_with_how_and_only_to_people(tmp_path: Path) -> None:
    policies = {"ticket_get": NAMED_TICKET, "ticket_delete": replace(DESTRUCTIVE, requestable=True)}
    tickets = upstream("tickets", {**policies, "ticket_update": DESTRUCTIVE})
    async with first_party(tmp_path, tickets) as door:
        await door.put_server("tickets")
        for name, policy in tickets.tools.items():
            await door.put_tool("tickets", name, policy.risk)
        await door.relate("user:local/mira", "reader", "server:tickets")
        shown = {tool["name"]: tool for tool in (await get(door, "mira", "/tools")).json()["tools"]}
        assert {name: tool["access"] for name, tool in shown.items()} == {
            "ticket_get": "depends",
            "ticket_delete": "requestable",
        }
        asked = shown["ticket_delete"]
        assert (asked["callable"], asked["owner"]) == (False, "support@example.com")
        assert asked["ask"] == "mcp-gateway access add mira direct_caller tool:tickets/ticket_delete"
        assert await names(door, "mira", access="requestable") == ["ticket_delete"]
        assert await names(door, "mira", access="callable") == []
        async with door.client("mira") as client:
            page = (await client.get("/catalog/tools/tickets/ticket_delete", headers={"accept": "text/html"})).text
            filtered = (await client.get("/catalog?access=requestable", headers={"accept": "text/html"})).text
        assert "you may ask for it" in page and "direct_caller tool:tickets/ticket_delete" in page
        assert "ticket_delete" in filtered and "ticket_get" not in filtered
        await door.put_tool("tickets", "ticket_delete", Risk.DESTRUCTIVE, state=ReviewState.PENDING)
        assert await names(door, "mira") == ["ticket_get"], "what nobody may call is not worth asking for"


async def test_an_administrator_asks_the_api_why_and_nobody_else_learns_of_it(door: FirstParty) -> None:
    principal = {"user": "user:local/mira", "agent": "agent:local/docs"}
    about_tool = await get(door, "ana", "/explain", **principal, tool="tool:tickets/ticket_update")
    told = about_tool.json()
    assert (about_tool.status_code, told["allowed"], told["access"]) == (200, False, "hidden")
    assert {reason["code"] for reason in told["reasons"]} >= {"user.not_allowed", "agent.not_delegated"}
    about_resource = (await get(door, "ana", "/explain", **principal, resource="ticket:tickets/T-1")).json()
    assert "resource.user_not_allowed" in {reason["code"] for reason in about_resource["reasons"]}
    for tool in ("tool:tickets/ticket_update", "tool:no/such"):
        refused = await get(door, "mira", "/explain", **principal, tool=tool)
        assert (refused.status_code, refused.json()["reason"]) == (404, "tool.unavailable")
    for question in ({}, {"tool": "x"}, {"tool": "tool:a/b", "resource": "ticket:a/b"}):
        assert (await get(door, "ana", "/explain", **principal, **question)).status_code == 400


async def test_a_person_reads_the_own_records_as_they_were_told(door: FirstParty) -> None:
    await door.journal.event("login.succeeded", "user:local/mira", address="127.0.0.1")
    await door.journal.event("access.added", "os:ana", object="server:tickets")
    own = await door.inspection.audit(person("mira"), Wanted(user="user:local/ana"))
    assert [record["kind"] for record in own] == ["login.succeeded"]
    assert own[0].keys() <= {"kind", "at", "outcome"}
    whole = await door.inspection.audit(person("ana"))
    assert [record["kind"] for record in whole] == ["access.added", "login.succeeded"]
    assert whole[0]["named"] == {"object": "server:tickets"}


async def test_auditors_find_records_and_a_person_only_by_what_was_told(door: FirstParty) -> None:
    for name in ("mira", "ana"):
        await door.journal.event("access.requested", f"user:local/{name}", object="server:tickets")
    found = await get(door, "ana", "/audit", user="user:local/mira", resource="server:tickets")
    assert [record["actor"] for record in found.json()["records"]] == ["user:local/mira"]
    assert len((await get(door, "ana", "/audit", kind="access.requested")).json()["records"]) == 2
    own = (await get(door, "mira", "/audit", kind="access.requested", user="user:local/ana")).json()["records"]
    assert [record.keys() <= {"kind", "at", "outcome"} for record in own] == [True]
    assert (await get(door, "mira", "/audit", resource="server:tickets")).json() == {"records": []}
    assert (await get(door, "mira", "/audit", limit=501)).status_code == 400
    assert (await get(door, None, "/audit")).status_code == 401


async def test_a_new_risk_counts_at_once(door: FirstParty) -> None:
    await door.put_tool("vault", "secret_peek", Risk.READ)
    await door.relate("user:local/mira", "reader", "server:vault")
    assert await names(door, "mira", server="vault") == ["secret_get", "secret_peek"]


async def offer_more(door: FirstParty) -> None:
    """A prompt and a template that Mira may use, and a resource that waits."""
    arguments = [{"name": "tone"}, {"name": "id", "required": True, "description": "Which ticket."}]
    await door.put_tool("tickets", "ticket_get", Risk.READ, kind=Kind.PROMPT, title="Summarise", arguments=arguments)
    await door.put_tool("tickets", "ticket://{id}{?part}", Risk.READ, kind=Kind.TEMPLATE, title="One ticket")
    waiting = ReviewState.PENDING
    await door.put_tool("tickets", "ticket://open", Risk.READ, kind=Kind.RESOURCE, title="Open ones", state=waiting)


async def test_prompts_and_resources_are_found_by_their_kind_and_by_their_id(door: FirstParty) -> None:
    await offer_more(door)
    assert await names(door, "mira") == ["ticket_get"], "without a kind there are tools"
    [prompt] = (await get(door, "mira", "/tools", kind="prompt")).json()["tools"]
    assert (prompt["id"], prompt["kind"], prompt["title"]) == ("prompt:tickets/ticket_get", "prompt", "Summarise")
    assert [(one["name"], one["required"]) for one in prompt["parameters"]] == [("id", True), ("tone", False)]
    [template] = (await get(door, "mira", "/tools", kind="template")).json()["tools"]
    assert (template["exposed"], template["title"]) == ("tickets+ticket://{id}{?part}", "One ticket")
    assert [one["name"] for one in template["parameters"]] == ["id", "part"]
    assert (await get(door, "mira", "/tools", kind="resource")).json()["tools"] == []
    [waiting] = (await get(door, "ana", "/tools", kind="resource")).json()["tools"]
    assert (waiting["state"], waiting["callable"]) == ("pending", False)
    found = await get(door, "mira", "/prompts/tickets/ticket_get")
    assert found.json()["tool"] == prompt
    found = await get(door, "mira", "/resources/tickets/" + quote("ticket%3A%2F%2F{id}{?part}", safe=""))
    assert found.json()["tool"] == template
    hidden = await get(door, "mira", "/resources/tickets/" + quote("ticket%3A%2F%2Fopen", safe=""))
    assert (hidden.status_code, hidden.json()["reason"]) == (404, "tool.unavailable")
    [tickets] = (await get(door, "mira", "/servers")).json()
    assert (tickets["tools"], tickets["prompts"], tickets["resources"], tickets["waiting"]) == (1, 1, 1, 0)
