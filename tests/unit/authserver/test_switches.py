"""A user or agent that is switched off gets neither a login nor a code nor a token, and old ones stay over."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mcp_gateway.storage.switches import switch_off, switch_on
from tests.unit.authserver.desk import Desk, asking, new_verifier, open_desk

pytestmark = pytest.mark.anyio

MIRA = "user:local/mira"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    async with open_desk(tmp_path) as made:
        yield made


async def switch_on_again(desk: Desk, object_: str) -> None:
    async with desk.database.write("test") as transaction:
        await switch_on(transaction, object_)
    await desk.switches.load()


async def test_a_disabled_user_cannot_log_in_and_only_the_record_says_why(desk: Desk) -> None:
    wrong = await desk.log_in(password="not the password")
    await desk.switch_off(MIRA)
    refused = await desk.log_in()
    assert (refused.status_code, "The name or the password is wrong." in refused.text) == (401, True)
    assert refused.text.count("<") == wrong.text.count("<")
    assert desk.events.seen[-1][0] == "login.failed"
    assert desk.events.seen[-1][2]["reason"] == "user.disabled"
    assert "reason" not in desk.events.seen[-2][2]


async def test_a_login_from_before_the_switch_stays_over_when_it_is_on_again(desk: Desk) -> None:
    await desk.log_in()
    client_id, verifier = await desk.register(), new_verifier()
    assert (await desk.ask(asking(client_id, verifier))).status_code == 200
    await desk.switch_off(MIRA)
    assert (await desk.ask(asking(client_id, verifier))).headers["location"].startswith("/login")
    await switch_on_again(desk, MIRA)
    assert (await desk.ask(asking(client_id, verifier))).headers["location"].startswith("/login")
    await desk.log_in()
    assert (await desk.ask(asking(client_id, verifier))).status_code == 200


@pytest.mark.parametrize("what", ["user", "agent"])
async def test_a_switch_turned_between_page_and_approval_ends_the_sign_in(desk: Desk, what: str) -> None:
    await desk.log_in()
    client_id = await desk.register()
    page = await desk.ask(asking(client_id, new_verifier()))
    async with desk.database.write("test") as transaction:
        # Not followed by this process yet: the store itself is asked.
        await switch_off(transaction, MIRA if what == "user" else f"agent:local/{client_id}", "test")
    answer = await desk.approve(page)
    assert answer.status_code in {401, 403}
    assert "consent.approved" not in desk.events.kinds
    assert desk.ledger.approvals == []


@pytest.mark.parametrize("what", ["user", "agent"])
async def test_codes_and_refresh_tokens_of_the_disabled_give_nothing(desk: Desk, what: str) -> None:
    await desk.log_in()
    client_id, tokens = await desk.sign_in()
    verifier = new_verifier()
    code = await desk.code(client_id, verifier)
    await desk.switch_off(MIRA if what == "user" else f"agent:local/{client_id}")
    refreshed = await desk.refresh(client_id, tokens["refresh_token"])
    redeemed = await desk.exchange(client_id, code, verifier)
    for answer in (refreshed, redeemed):
        assert answer.status_code in {400, 401}
        assert answer.json()["error"] in {"invalid_grant", "invalid_client"}
