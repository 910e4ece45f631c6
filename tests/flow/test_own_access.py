"""A person's own agents, on the page and in the API: what is shown, who may end it, and that no other site can."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcp_gateway.administration import Level
from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.tool import Risk
from tests.support.first_party import BEARER, ORIGIN, FirstParty, two_servers

pytestmark = pytest.mark.anyio

MIRA, AGENT, OPERATOR = UserId("user:local/mira"), AgentId("agent:local/docs"), "os:tester"
OURS = {"origin": ORIGIN}
HTML = {"accept": "text/html"}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[FirstParty]:
    async with two_servers(tmp_path) as made:
        yield made


async def consent(door: FirstParty, user: UserId = MIRA) -> str:
    """What a user ticks on the consent page; the grant's id."""
    grant = await door.administration.approve_consent(
        user, AGENT, {"tickets": Risk.READ}, self_grant="read", until=time.time() + 3600
    )
    assert grant is not None
    return grant


async def given(door: FirstParty, audience: str = MIRA) -> str:
    """What an administrator gave."""
    return await door.administration.grant_add(
        AGENT, "server:tickets", level=Level.READ, audience=audience, until=None, reason="<b>", granted_by=OPERATOR
    )


async def shown(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/access")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_person_sees_the_own_agents_and_grants_and_nobody_elses(door: FirstParty) -> None:
    mine, for_mira = await consent(door), await given(door)
    await consent(door, UserId("user:local/omar"))
    await given(door, "user:*")
    async with door.client("mira") as client:
        access = await shown(client)
    assert [(row["agent"], row["state"]) for row in access["delegations"]] == [(AGENT, "active")]
    assert {row["id"]: row["revocable"] for row in access["grants"]} == {mine: True, for_mira: False}
    assert access["grants"][0]["covers"] == ["agent_reader server:tickets"]


async def test_ending_a_delegation_ends_what_the_person_granted(door: FirstParty) -> None:
    await consent(door)
    async with door.client("mira") as client:
        ended = await client.delete("/api/v1/access/delegations", params={"agent": AGENT}, headers=OURS)
        assert ended.json() == {"changed": True}
        assert await shown(client) == {"delegations": [], "grants": []}
        again = await client.delete("/api/v1/access/delegations", params={"agent": AGENT}, headers=OURS)
        assert again.json() == {"changed": False}


async def test_only_who_may_revoke_a_grant_learns_that_it_exists(door: FirstParty) -> None:
    mine, for_mira = await consent(door), await given(door)

    async def revoke(name: str, grant: str) -> tuple[int, Any]:
        async with door.client(name) as client:
            answer = await client.delete(f"/api/v1/access/grants/{grant}", headers=OURS)
            return answer.status_code, answer.json().get("reason", answer.json().get("changed"))

    unknown = (404, "grant.unknown")
    assert await revoke("omar", mine) == unknown
    assert await revoke("mira", for_mira) == unknown
    assert await revoke("mira", "grant:no-such") == unknown
    assert await revoke("mira", mine) == (200, True)
    await door.relate("user:local/olga", "owner", AGENT)
    assert await revoke("olga", for_mira) == (200, True), "who owns the agent may"
    another = await given(door)
    assert await revoke("ana", another) == (200, True), "and so may an administrator"
    rows = {row.id: row.revoked_by for row in await door.administration.grant_list()}
    assert rows == {mine: MIRA, for_mira: "user:local/olga", another: "user:local/ana"}


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://localhost:8000"])
async def test_another_site_ends_nothing(door: FirstParty, origin: str | None) -> None:
    grant = await consent(door)
    headers = {"origin": origin} if origin else {}
    async with door.client("mira") as client:
        tried = [
            await client.delete("/api/v1/access/delegations", params={"agent": AGENT}, headers=headers),
            await client.delete(f"/api/v1/access/grants/{grant}", headers=headers),
            await client.post("/access/end", params={"agent": AGENT}, headers=headers),
            await client.post("/access/revoke", params={"grant": grant}, headers=headers),
        ]
        assert [answer.json()["reason"] for answer in tried] == ["request.origin_refused"] * 4
        assert len((await shown(client))["grants"]) == 1


async def test_a_token_for_the_api_needs_no_origin_and_nobody_is_refused(door: FirstParty) -> None:
    grant = await consent(door)
    async with door.client() as client:
        bare = await client.delete(f"/api/v1/access/grants/{grant}", headers=OURS)
        assert (bare.status_code, bare.json()["reason"]) == (401, "token.missing")
        told = await client.delete(f"/api/v1/access/grants/{grant}", headers={"authorization": BEARER})
        assert told.json() == {"changed": True}


async def test_the_page_has_a_button_for_each_and_markup_in_names_stays_text(door: FirstParty) -> None:
    mine, _ = await consent(door), await given(door)
    async with door.client("mira") as client:
        page = await client.get("/access", headers=HTML)
        assert page.status_code == 200
        assert "<b>" not in page.text and "&lt;b&gt;" in page.text
        actions = [
            unescape(action) for action in re.findall(r'<form method="post" action="(/access/[^"]+)"', page.text)
        ]
        assert len(actions) == 2, "one to end the agent, one for the grant that is hers to revoke"
        for action in reversed(actions):
            done = await client.post(action, headers=OURS)
            assert (done.status_code, done.headers["location"]) == (303, "/access")
        assert len((await shown(client))["delegations"]) == 0
        assert mine not in [row["id"] for row in (await shown(client))["grants"]]
    async with door.client() as client:
        sent_away = await client.get("/access", headers=HTML)
        assert sent_away.headers["location"] == "/login?next=%2Faccess"
