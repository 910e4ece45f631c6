"""The façade over the real store: freshness, caching, failure, lists, explanation."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from mcp_gateway.authorization import Answers, Authorization, EmbeddedRelationships, InContext
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from mcp_gateway.model.ids import AgentId
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import ReviewState, Risk
from mcp_gateway.storage import ChangeFeed, Database, schema
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, write_tuple
from tests.unit.authorization.world import (
    AGENT,
    LATER,
    LATER_SECONDS,
    MIRA,
    MODEL,
    NOW,
    READ,
    allowed_rows,
    authorization,
    codes,
    mira,
    on_ticket,
    row,
    tool,
)

pytestmark = pytest.mark.anyio

GET = tool("ticket_get", resources=on_ticket())
DELETE = tool("ticket_delete", Risk.DESTRUCTIVE, resources=on_ticket("can_write"))
PING = tool("ping")
LISTED = [PING]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    yield database
    await database.close()


async def _write(database: Database, rows: Sequence[RelationshipTuple]) -> None:
    async with database.write("test") as transaction:
        for one in rows:
            await write_tuple(transaction, one)


async def test_nothing_is_allowed_before_the_relationships_are_loaded() -> None:
    decision = await Authorization(EmbeddedRelationships(MODEL)).decide(mira(), PING, {}, now=NOW)
    assert codes(decision) == ["relationship.unknown"]


async def test_a_change_binds_the_next_call_after_it_was_followed(database: Database) -> None:
    await _write(database, allowed_rows(PING))
    asked = Authorization(EmbeddedRelationships(MODEL))
    await asked.load(database)
    feed = ChangeFeed(database)
    feed.add(asked)
    try:
        await feed.catch_up()
        first = await asked.decide(mira(), PING, {}, now=NOW)
        async with database.write("admin") as transaction:
            await delete_tuple(transaction, row(f"{MIRA} delegator {AGENT}"))
        assert feed.moved()
        await feed.catch_up()
        second = await asked.decide(mira(), PING, {}, now=NOW)
    finally:
        feed.close()
    assert first.allowed
    assert codes(second) == ["agent.not_delegated"]
    assert second.revision == first.revision + 1


async def test_a_changed_condition_replaces_the_one_that_stood_there(database: Database) -> None:
    asked = Authorization(EmbeddedRelationships(MODEL))
    await _write(database, allowed_rows(PING))
    await asked.load(database)
    feed = ChangeFeed(database)
    feed.add(asked)
    try:
        await _write(database, [row(f"{MIRA} delegator {AGENT}", expires_at=LATER)])
        await feed.catch_up()
        decision = await asked.decide(mira(), PING, {}, now=NOW)
    finally:
        feed.close()
    assert decision.allowed
    assert decision.valid_until == LATER_SECONDS


async def test_a_stored_in_context_tuple_denies_everything_and_alarms_until_it_is_gone(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await _write(database, allowed_rows(PING))
    async with database.write("intruder") as transaction:
        values = {"object": AGENT, "relation": "in_context", "subject": MIRA}
        await transaction.connection.execute(insert(schema.tuples).values(**values))
    asked = Authorization(EmbeddedRelationships(MODEL))
    with caplog.at_level(logging.CRITICAL):
        await asked.load(database)
    assert "in_context" in caplog.text
    assert codes(await asked.decide(mira(), PING, {}, now=NOW)) == ["relationship.in_context_stored"]
    assert (await asked.visible(mira(), [PING], now=NOW)).tools == ()
    assert not await asked.holds(MIRA, "caller", "server:tickets", now=NOW)
    async with database.write("admin") as transaction:
        await delete_tuple(transaction, RelationshipTuple(AGENT, "in_context", MIRA))
    feed = ChangeFeed(database)
    feed.add(asked)
    try:
        await feed.catch_up()
    finally:
        feed.close()
    assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed


async def test_the_same_question_is_decided_once_per_revision() -> None:
    asked = authorization(allowed_rows(GET))
    first = await asked.decide(mira(), GET, {"ticket": "T-1"}, now=NOW)
    assert await asked.decide(mira(), GET, {"ticket": "T-1", "verbose": True}, now=NOW) is first


@pytest.mark.parametrize("change", ["resource", "scope", "agent", "state", "digest"])
async def test_a_kept_decision_serves_no_other_question(change: str) -> None:
    asked = authorization(allowed_rows(GET, DELETE))
    first = await asked.decide(mira(), DELETE, {"ticket": "T-1"}, now=NOW)
    other = {"state": tool("ticket_delete", Risk.DESTRUCTIVE, resources=DELETE.resources, state=ReviewState.CHANGED)}
    other["digest"] = tool("ticket_delete", Risk.DESTRUCTIVE, resources=DELETE.resources, digest="d2")
    principals = {"scope": mira(READ), "agent": mira(agent=AgentId("agent:local/other"))}
    arguments = {"ticket": "T-2" if change == "resource" else "T-1"}
    second = await asked.decide(principals.get(change, mira()), other.get(change, DELETE), arguments, now=NOW)
    assert first.allowed
    assert second is not first
    assert second.allowed is (change in {"resource", "digest"})


ENG = (("member", "group:okta/eng"),)


def _through_the_group() -> list[RelationshipTuple]:
    """Mira may call because of what her token says, and for nothing else."""
    rows = [one for one in allowed_rows(PING) if one.relation != "caller"]
    return [*rows, row("group:okta/eng#member caller server:tickets")]


async def test_what_the_token_says_the_user_belongs_to_counts_for_that_token_alone() -> None:
    asked = authorization(_through_the_group())
    member = replace(mira(), memberships=ENG)
    for _ in range(2):  # the second time from what was kept
        assert (await asked.decide(member, PING, {}, now=NOW)).allowed
        assert codes(await asked.decide(mira(), PING, {}, now=NOW)) == ["user.not_allowed"]
        assert (await asked.visible(member, LISTED, now=NOW)).tools == (PING.id,)
        assert (await asked.visible(mira(), LISTED, now=NOW)).tools == ()


async def test_an_explanation_of_a_hypothetical_member_names_the_group() -> None:
    explained = await authorization(_through_the_group()).explain(MIRA, AGENT, PING, {}, now=NOW, memberships=ENG)
    assert explained.allowed
    (user_side,) = [asked for asked in explained.asked if asked.relation == "user_can_call"]
    assert "group:okta/eng#member caller server:tickets" in user_side.because


@pytest.mark.parametrize("risk", list(Risk))
async def test_what_changes_something_is_decided_by_the_newest_state(risk: Risk) -> None:
    one = tool("one", risk)
    relationships = _Recording(allowed_rows(one))
    await Authorization(relationships).decide(mira(), one, {}, now=NOW)
    assert relationships.fresh == [risk is not Risk.READ]


class _Recording(EmbeddedRelationships):
    """The embedded backend, which notes how fresh an answer was asked for."""

    def __init__(self, rows: Sequence[RelationshipTuple]) -> None:
        super().__init__(MODEL)
        self.replace(rows, revision=1)
        self.fresh: list[bool] = []

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        self.fresh.append(fresh)
        return await super().answer(checks, in_context=in_context, now=now, fresh=fresh)


async def test_a_kept_decision_does_not_outlive_the_grant_it_rests_on() -> None:
    rows = [r for r in allowed_rows(PING) if r.relation != "delegator"]
    asked = authorization([*rows, row(f"{MIRA} delegator {AGENT}", expires_at=LATER)])
    assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed
    assert codes(await asked.decide(mira(), PING, {}, now=LATER_SECONDS)) == ["agent.not_delegated"]


async def test_the_kept_decisions_are_bounded_and_the_longest_unused_goes_first() -> None:
    asked = authorization(allowed_rows(GET), cached_decisions=2)
    first = await asked.decide(mira(), GET, {"ticket": "T-1"}, now=NOW)
    second = await asked.decide(mira(), GET, {"ticket": "T-2"}, now=NOW)
    assert await asked.decide(mira(), GET, {"ticket": "T-1"}, now=NOW) is first
    await asked.decide(mira(), GET, {"ticket": "T-3"}, now=NOW)
    assert await asked.decide(mira(), GET, {"ticket": "T-1"}, now=NOW) is first
    assert await asked.decide(mira(), GET, {"ticket": "T-2"}, now=NOW) is not second


class _Failing(EmbeddedRelationships):
    """A backend that loses its server, or answers what nobody asked."""

    def __init__(self, answers: dict[Check, bool] | Exception) -> None:
        super().__init__(MODEL)
        self.replace([], revision=1)
        self._given = answers

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        if isinstance(self._given, Exception):
            raise self._given
        return Answers(self._given, 1, self.model_id, None)


@pytest.mark.parametrize(
    "answers", [ConnectionError("down"), RuntimeError("odd"), {Check("user:x", "can_call", "tool:y/z"): True}]
)
async def test_a_backend_that_fails_or_lies_decides_nothing(answers: dict[Check, bool] | Exception) -> None:
    asked = Authorization(_Failing(answers))
    with pytest.raises(AuthorizationUnavailable):
        await asked.decide(mira(), PING, {}, now=NOW)


async def test_a_backend_that_leaves_a_question_open_denies_and_nothing_is_kept() -> None:
    asked = Authorization(_Failing({}))
    first = await asked.decide(mira(), PING, {}, now=NOW)
    assert codes(first) == ["relationship.unknown"]
    assert await asked.decide(mira(), PING, {}, now=NOW) is not first


async def test_a_list_keeps_the_given_order_and_says_which_calls_also_need_a_resource() -> None:
    rows = allowed_rows(DELETE, PING, GET)
    found = await authorization(rows).visible(mira(READ), [DELETE, PING, GET, tool("unknown")], now=NOW)
    assert found.tools == (DELETE.id, PING.id, GET.id)
    assert found.depends_on_resource == {DELETE.id, GET.id}


async def test_a_list_stands_until_the_first_grant_in_it_expires() -> None:
    rows = [r for r in allowed_rows(PING) if r.relation != "delegator"]
    found = await authorization([*rows, row(f"{MIRA} delegator {AGENT}", expires_at=LATER)]).visible(
        mira(), [PING], now=NOW
    )
    assert (found.tools, found.valid_until, found.revision) == ((PING.id,), LATER_SECONDS, 1)


async def test_a_person_without_an_agent_is_shown_what_the_user_may_use() -> None:
    rows = [r for r in allowed_rows(PING) if r.relation not in {"delegator", "agent_caller"}]
    asked = authorization(rows)
    pending = tool("ping2", state=ReviewState.PENDING)
    assert await asked.usable_by(Person(MIRA, "s"), [PING, pending], now=NOW) == {PING.id}
    assert (await asked.visible(mira(), [PING], now=NOW)).tools == ()


async def test_an_explanation_tells_each_side_the_path_and_the_remedy() -> None:
    rows = [r for r in allowed_rows(GET) if r.subject != f"{AGENT}#acting_for"]
    explained = await authorization(rows).explain(MIRA, AGENT, GET, {"ticket": "T-1"}, now=NOW)
    told = json.loads(json.dumps(explained.as_dict()))
    assert told["allowed"] is False
    assert told["public_code"] == "tool.unavailable"
    assert {reason["code"] for reason in told["reasons"]} == {"agent.not_granted", "resource.agent_not_granted"}
    assert all("grant add" in reason["remedy"] for reason in told["reasons"])
    (user_side,) = [check for check in told["checks"] if check["relation"] == "user_can_call"]
    assert user_side["answer"] is True
    assert f"{MIRA} caller server:tickets" in user_side["because"]


async def test_an_explanation_agrees_with_the_decision_and_names_every_side_of_an_allow() -> None:
    asked = authorization(allowed_rows(GET))
    explained = await asked.explain(MIRA, AGENT, GET, {"ticket": "T-1"}, now=NOW)
    relations = {one.relation for one in explained.asked}
    assert explained.allowed
    assert {"user_can_call", "agent_can_call", "available", "acting_for", "viewer", "agent_reader"} <= relations
    assert all(one.because for one in explained.asked)


async def test_an_explanation_judges_the_scopes_it_is_given() -> None:
    explained = await authorization(allowed_rows(DELETE)).explain(
        MIRA, AGENT, DELETE, {"ticket": "T-1"}, now=NOW, scopes=READ
    )
    assert [finding.code for finding in explained.findings] == ["scope.insufficient"]
