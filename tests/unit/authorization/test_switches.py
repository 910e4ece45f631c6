"""Kill switches over a real model: any one of them turns an allow into a deny that names it, in lists and in calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, public_code
from mcp_gateway.authorization.switches import switched_off
from mcp_gateway.model.decision import Decision, Effect, Reason
from mcp_gateway.model.principal import Person
from mcp_gateway.storage import ChangeFeed, Database
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import write_tuple
from mcp_gateway.storage.switches import switch_off, switch_on
from tests.unit.authorization.world import AGENT, MIRA, MODEL, NOW, allowed_rows, codes, mira, tool

PING, PONG = tool("ping"), tool("pong")
SWITCHES = {
    "gateway:local": "gateway.disabled",
    str(MIRA): "user.disabled",
    str(AGENT): "agent.disabled",
    "server:tickets": "server.disabled",
    str(PING.id): "tool.disabled",
}
OTHERS = ["user:local/omar", "agent:local/other", "server:time", "tool:tickets/pong"]


@pytest.mark.anyio
@pytest.mark.parametrize(("object_", "code"), list(SWITCHES.items()))
async def test_any_one_switch_turns_an_allow_into_a_deny_with_its_reason(
    tmp_path: Path, object_: str, code: str
) -> None:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    feed, asked = ChangeFeed(database), Authorization(EmbeddedRelationships(MODEL))
    feed.add(asked)
    try:
        async with database.write("test") as transaction:
            for row in allowed_rows(PING, PONG):
                await write_tuple(transaction, row)
        await asked.load(database)
        tools = (PING, PONG)
        assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed
        async with database.write("test") as transaction:
            # Without the facts that follow from it: a backend that lags must not allow either.
            await switch_off(transaction, object_, "test")
        await feed.keep_up()
        decision = await asked.decide(mira(), PING, {}, now=NOW)
        assert codes(decision) == [code]
        assert public_code(decision) == "tool.unavailable"
        listed = (await asked.visible(mira(), tools, now=NOW)).ids
        assert listed == ({PONG.id} if object_ == PING.id else set())
        explained = await asked.explain(MIRA, AGENT, PING, {}, now=NOW)
        assert [finding.code for finding in explained.findings] == [code]
        again = Authorization(EmbeddedRelationships(MODEL))
        await again.load(database)
        assert codes(await again.decide(mira(), PING, {}, now=NOW)) == [code]
        async with database.write("test") as transaction:
            await switch_on(transaction, object_)
        await feed.keep_up()
        assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed
        assert (await asked.visible(mira(), tools, now=NOW)).ids == {PING.id, PONG.id}
    finally:
        feed.close()
        await database.close()


@pytest.mark.anyio
async def test_a_person_who_is_switched_off_holds_nothing(tmp_path: Path) -> None:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    asked = Authorization(EmbeddedRelationships(MODEL))
    async with database.write("test") as transaction:
        for row in allowed_rows(PING):
            await write_tuple(transaction, row)
        await switch_off(transaction, MIRA, "test")
    await asked.load(database)
    assert not await asked.holds(MIRA, "caller", "server:tickets", now=NOW)
    assert await asked.usable_by(Person(MIRA, ""), (PING,), now=NOW) == frozenset()
    await database.close()


@given(
    off=st.frozensets(st.sampled_from([*SWITCHES, *OTHERS])),
    effect=st.sampled_from(Effect),
    reason=st.sampled_from(["user.not_allowed", "agent.not_granted", "access.allowed"]),
)
def test_a_switch_only_ever_denies_and_loses_no_reason(off: frozenset[str], effect: Effect, reason: str) -> None:
    before = Decision(effect, (Reason(reason),))
    after = switched_off(before, mira(), PING, off)
    named = [SWITCHES[object_] for object_ in SWITCHES if object_ in off]
    assert after.allowed == (before.allowed and not named)
    assert [code for code in codes(after) if code.endswith(".disabled")] == named
    if not before.allowed:
        assert Reason(reason) in after.reasons
