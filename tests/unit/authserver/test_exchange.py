from __future__ import annotations

import base64
import sqlite3
from typing import Any

import anyio
import pytest
from sqlalchemy import update

from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.storage import schema
from mcp_gateway.storage.feed import changes_since
from mcp_gateway.storage.oauth import end_sign_ins, revoke_agent, revoke_user
from tests.unit.authserver.desk import CALLBACK, ISSUER, RESOURCE, Desk, claims_of, new_verifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def signed_in(desk: Desk) -> Desk:
    await desk.log_in()
    return desk


async def _revoked(desk: Desk) -> list[dict[str, Any]]:
    return [dict(c.payload) for c in await changes_since(desk.database, 0) if c.kind == "token.revoked"]


async def _age(desk: Desk, table: Any) -> None:
    async with desk.database.write("test") as transaction:
        await transaction.connection.execute(update(table).values(expires_at=transaction.now - 1))


async def test_a_code_becomes_a_short_token_and_a_refresh_token(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 300
    claims = claims_of(tokens["access_token"])
    assert (claims["iss"], claims["sub"], claims["aud"]) == (ISSUER, "mira", RESOURCE)
    assert (claims["client_id"], claims["scope"]) == (client_id, "mcp:read mcp:write")
    assert claims["exp"] - claims["iat"] == 300


async def test_no_code_and_no_refresh_token_is_stored_as_it_is(signed_in: Desk) -> None:
    _, tokens = await signed_in.sign_in()
    with sqlite3.connect(signed_in.database.path) as store:
        dump = "\n".join(store.iterdump())
    store.close()
    assert tokens["refresh_token"] not in dump
    assert tokens["access_token"] not in dump
    assert tokens["refresh_token"] not in str(signed_in.events.seen)


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:9999/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"resource": f"{RESOURCE}/tickets"}, "invalid_target"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_secret": "s"}, "invalid_client"),
    ],
)
async def test_a_code_is_worth_nothing_without_all_it_is_bound_to(
    signed_in: Desk, other: dict[str, str], error: str
) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier)
    refused = await signed_in.exchange(client_id, code, verifier, **other)
    assert refused.status_code in {400, 401}
    assert refused.json()["error"] == error
    assert refused.headers["cache-control"] == "no-store"
    assert (await signed_in.exchange(client_id, code, verifier)).status_code == 200, "a wrong try burns no code"


async def test_another_client_cannot_use_the_code(signed_in: Desk) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier)
    refused = await signed_in.exchange(await signed_in.register(), code, verifier)
    assert refused.json()["error"] == "invalid_grant"


async def test_a_replayed_code_ends_the_whole_sign_in(signed_in: Desk) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier)
    tokens = (await signed_in.exchange(client_id, code, verifier)).json()
    assert (await signed_in.exchange(client_id, code, verifier)).json()["error"] == "invalid_grant"
    family = claims_of(tokens["access_token"])["fam"]
    assert [(r["kind"], r["value"]) for r in await _revoked(signed_in)] == [("family", family)]
    assert (await signed_in.refresh(client_id, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert "token.replayed" in signed_in.events.kinds


async def test_of_many_exchanges_at_once_one_succeeds(signed_in: Desk) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier)
    results: list[int] = []

    async def exchange() -> None:
        results.append((await signed_in.exchange(client_id, code, verifier)).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(exchange)
    assert sorted(results) == [200, 400, 400, 400, 400]


async def test_a_code_is_too_old_after_a_minute(signed_in: Desk) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier)
    await _age(signed_in, schema.authorization_codes)
    assert (await signed_in.exchange(client_id, code, verifier)).json()["error"] == "invalid_grant"


async def test_a_refresh_token_is_replaced_by_each_use_and_keeps_the_end_of_the_sign_in(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    renewed = (await signed_in.refresh(client_id, tokens["refresh_token"])).json()
    assert renewed["refresh_token"] != tokens["refresh_token"]
    assert claims_of(renewed["access_token"])["fam"] == claims_of(tokens["access_token"])["fam"]
    with sqlite3.connect(signed_in.database.path) as store:
        ends = store.execute("select distinct expires_at from refresh_tokens").fetchall()
    store.close()
    assert len(ends) == 1


async def test_a_refresh_token_used_twice_ends_the_whole_sign_in(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    renewed = (await signed_in.refresh(client_id, tokens["refresh_token"])).json()
    assert (await signed_in.refresh(client_id, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await signed_in.refresh(client_id, renewed["refresh_token"])).json()["error"] == "invalid_grant"
    (revoked,) = {r["value"] for r in await _revoked(signed_in)}
    assert revoked == claims_of(renewed["access_token"])["fam"]
    not_before = max(r["not_before"] for r in await _revoked(signed_in))
    assert not_before > claims_of(renewed["access_token"])["iat"]


async def test_a_refresh_narrows_the_scope_and_never_widens_it(signed_in: Desk) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier, scope="mcp:read")
    tokens = (await signed_in.exchange(client_id, code, verifier)).json()
    assert tokens["scope"] == "mcp:read"
    refused = await signed_in.refresh(client_id, tokens["refresh_token"], scope="mcp:write")
    assert refused.json()["error"] == "invalid_scope"
    same = (await signed_in.refresh(client_id, tokens["refresh_token"], scope="mcp:read mcp:write")).json()
    assert same["scope"] == "mcp:read"


async def test_a_sign_in_to_write_may_be_refreshed_to_read(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    renewed = (await signed_in.refresh(client_id, tokens["refresh_token"], scope="mcp:read")).json()
    assert renewed["scope"] == "mcp:read"
    again = (await signed_in.refresh(client_id, renewed["refresh_token"])).json()
    assert again["scope"] == "mcp:read mcp:write", "the sign-in itself keeps its scope"


async def test_a_refresh_token_belongs_to_its_client_resource_user_and_time(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    token = tokens["refresh_token"]
    other = await signed_in.refresh(await signed_in.register(), token)
    elsewhere = await signed_in.refresh(client_id, token, resource=f"{RESOURCE}/tickets")
    assert (other.json()["error"], elsewhere.json()["error"]) == ("invalid_grant", "invalid_target")
    signed_in.users.remove("mira")
    assert (await signed_in.refresh(client_id, token)).json()["error"] == "invalid_grant"
    signed_in.users.add("mira", "correct horse battery")
    await _age(signed_in, schema.refresh_tokens)
    assert (await signed_in.refresh(client_id, token)).json()["error"] == "invalid_grant"


async def test_a_disabled_agent_gets_nothing_more(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    async with signed_in.database.write("test") as transaction:
        await transaction.connection.execute(update(schema.agents).values(state="disabled"))
    refused = await signed_in.refresh(client_id, tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
async def test_revoking_either_token_ends_the_sign_in(signed_in: Desk, which: str) -> None:
    client_id, tokens = await signed_in.sign_in()
    form = {"client_id": client_id, "token": tokens[which], "token_type_hint": which}
    assert (await signed_in.browser.post("/oauth/revoke", data=form)).status_code == 200
    assert [r["kind"] for r in await _revoked(signed_in)] == ["family"]
    assert (await signed_in.refresh(client_id, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_revoking_nothing_of_ours_is_fine_and_another_clients_is_refused(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    deep = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
    for token in ("unknown", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "ü.ü.ü", f"{deep}.e30.x", "..", "\0", "W10.W10.W10"):
        answer = await signed_in.browser.post("/oauth/revoke", data={"client_id": client_id, "token": token})
        assert answer.status_code == 200
    other = {"client_id": await signed_in.register(), "token": tokens["refresh_token"]}
    assert (await signed_in.browser.post("/oauth/revoke", data=other)).json()["error"] == "unauthorized_client"
    assert await _revoked(signed_in) == []


async def test_an_administrator_ends_the_sign_ins_of_a_user_or_an_agent(signed_in: Desk) -> None:
    client_id, tokens = await signed_in.sign_in()
    second, more = await signed_in.sign_in()
    async with signed_in.database.write("os:root") as transaction:
        await revoke_agent(transaction, AgentId(f"agent:local/{client_id}"), client_id)
    assert (await signed_in.refresh(client_id, tokens["refresh_token"])).status_code == 400
    renewed = (await signed_in.refresh(second, more["refresh_token"])).json()
    async with signed_in.database.write("os:root") as transaction:
        await revoke_user(transaction, UserId("user:local/mira"))
    assert (await signed_in.refresh(second, renewed["refresh_token"])).status_code == 400


async def test_an_ended_delegation_ends_the_sign_ins_through_that_agent_without_alarm(signed_in: Desk) -> None:
    (ended, tokens), (other, others) = await signed_in.sign_in(), await signed_in.sign_in()
    async with signed_in.database.write("test") as transaction:
        await end_sign_ins(transaction, "user:local/mira", AgentId(f"agent:local/{ended}"))
    refused = await signed_in.refresh(ended, tokens["refresh_token"])
    assert refused.json()["error"] == "invalid_grant"
    assert "token.replayed" not in signed_in.events.kinds
    assert (await signed_in.refresh(other, others["refresh_token"])).status_code == 200


async def test_a_token_that_cannot_be_recorded_is_not_issued_and_the_code_stays_good(signed_in: Desk) -> None:
    client_id, verifier = await signed_in.register(), new_verifier()
    code = await signed_in.code(client_id, verifier)
    signed_in.events.broken = True
    refused = await signed_in.exchange(client_id, code, verifier)
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    signed_in.events.broken = False
    assert (await signed_in.exchange(client_id, code, verifier)).status_code == 200


async def test_the_token_endpoint_reads_one_small_form(signed_in: Desk) -> None:
    post = signed_in.browser.post
    assert (await post("/oauth/token", json={})).status_code == 415
    assert (await post("/oauth/token", data={"client_id": "x" * 40_000})).status_code == 413
    twice = await post(
        "/oauth/token",
        content=b"client_id=docs-assistant&grant_type=refresh_token&grant_type=authorization_code",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert twice.json()["error"] == "invalid_request"
    basic = await post("/oauth/token", data={"client_id": "docs-assistant"}, auth=("docs-assistant", "s"))
    assert basic.status_code == 401


async def test_a_client_of_the_settings_signs_in_with_any_loopback_port(signed_in: Desk) -> None:
    verifier = new_verifier()
    code = await signed_in.code("docs-assistant", verifier)
    tokens = await signed_in.exchange("docs-assistant", code, verifier)
    assert CALLBACK != "http://127.0.0.1/callback"
    assert claims_of(tokens.json()["access_token"])["client_id"] == "docs-assistant"
