"""What every relationship backend does alike: the embedded engine, a real OpenFGA server, and what joins them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.authorization import Authorization, InContext
from mcp_gateway.authorization.engine.codes import RequestRefused
from mcp_gateway.authorization.relationships import Legs
from mcp_gateway.authorization.tree import Subjects
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError
from mcp_gateway.model.decision import Check
from mcp_gateway.model.tool import Kind, Risk
from mcp_gateway.storage.relationships import RelationshipTuple, write_tuple
from tests.support.backends import ACTOR, BACKENDS, Bench, Servers
from tests.unit.authorization.world import AGENT, MIRA, allowed_rows, codes, item, mira, on_ticket, row, tool

pytestmark = pytest.mark.anyio

OTHER_KINDS = [
    item(Kind.PROMPT, "triage"),
    item(Kind.PROMPT, "Ärger melden & schließen"),
    item(Kind.RESOURCE, "ticket://open?sort=age&q=a%20b#top"),
    item(Kind.RESOURCE, f"file:///{'deep/' * 60}notes.md"),
    item(Kind.TEMPLATE, "ticket://{project}/{+path}{?q*}"),
    item(Kind.TEMPLATE, "draft://{id}", Risk.WRITE),
]
READ_TOOL = tool("ticket_get", resources=on_ticket())
WRITE_TOOL = tool("ticket_set", Risk.WRITE)
BOUND = InContext(MIRA, AGENT)
CAN_CALL = Check(MIRA, "can_call", READ_TOOL.id)
LATER_SECONDS = 3600.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.fixture(params=sorted(BACKENDS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> AsyncGenerator[Bench]:
    async with BACKENDS[request.param](tmp_path, servers) as made:
        yield made


async def allows(bench: Bench, *, fresh: bool = False, bound: InContext | None = BOUND) -> bool:
    answers = await bench.relationships.answer([CAN_CALL], in_context=bound, now=time.time(), fresh=fresh)
    return answers.answers[CAN_CALL]


async def test_user_and_agent_and_tool_together_answer_yes(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    assert await allows(bench)
    assert await allows(bench, fresh=True)


async def test_another_agent_gains_nothing_from_this_ones_rights(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    assert not await allows(bench, bound=InContext(MIRA, "agent:local/other"))
    assert not await allows(bench, bound=None)


async def test_without_any_one_of_the_facts_the_answer_is_no(bench: Bench) -> None:
    rows = allowed_rows(READ_TOOL)[:-4]
    await bench.write(*rows)
    for missing in rows:
        await bench.delete(missing)
        # Who may call everything needs no fact about the tool's risk.
        assert await allows(bench) is (missing.relation == "read_only"), missing
        await bench.write(missing)
    assert await allows(bench)


async def test_what_is_taken_away_is_gone_with_the_next_question(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    assert await allows(bench)
    await bench.delete(row(f"{MIRA} delegator {AGENT}"))
    assert not await allows(bench)
    await bench.write(row(f"{MIRA} delegator {AGENT}"))
    assert await allows(bench)


async def test_a_right_that_ends_is_held_until_then_and_not_after(bench: Bench) -> None:
    rows = [one for one in allowed_rows(READ_TOOL) if one.relation != "delegator"]
    now = time.time()
    until = datetime.fromtimestamp(now + LATER_SECONDS, UTC).isoformat()
    await bench.write(*rows, row(f"{MIRA} delegator {AGENT}", expires_at=until))
    held = await bench.relationships.answer([CAN_CALL], in_context=BOUND, now=now + LATER_SECONDS - 60)
    ended = await bench.relationships.answer([CAN_CALL], in_context=BOUND, now=now + LATER_SECONDS + 1)
    assert (held.answers[CAN_CALL], ended.answers[CAN_CALL]) == (True, False)


async def test_another_end_replaces_the_first(bench: Bench) -> None:
    now = time.time()
    await bench.write(*allowed_rows(READ_TOOL))
    past = datetime.fromtimestamp(now - LATER_SECONDS, UTC).isoformat()
    await bench.write(row(f"{MIRA} delegator {AGENT}", expires_at=past))
    assert not await allows(bench)
    await bench.write(row(f"{MIRA} delegator {AGENT}"))
    assert await allows(bench)


async def test_groups_in_groups_give_what_they_hold(bench: Bench) -> None:
    rows = [one for one in allowed_rows(READ_TOOL) if one.relation != "caller"]
    await bench.write(*rows, row("group:all#member caller server:tickets"))
    assert not await allows(bench)
    await bench.write(row("group:eng#member member group:all"), row(f"{MIRA} member group:eng"))
    assert await allows(bench)


async def test_a_membership_of_the_token_counts_for_this_request_only(bench: Bench) -> None:
    rows = [one for one in allowed_rows(READ_TOOL) if one.relation != "caller"]
    await bench.write(*rows, row("group:okta/eng#member caller server:tickets"))
    claimed = InContext(MIRA, AGENT, (("member", "group:okta/eng"),))
    assert await allows(bench, bound=claimed)
    assert not await allows(bench)


async def test_a_membership_the_model_does_not_know_is_no_answer(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    claiming = replace(mira(), memberships=(("member", "planet:earth"),))
    with pytest.raises(AuthorizationUnavailable):
        await Authorization(bench.relationships).decide(claiming, WRITE_TOOL, {}, now=time.time())


async def test_many_questions_are_each_answered(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    asked = [Check(MIRA, "can_call", f"tool:tickets/other-{number}") for number in range(120)]
    answers = await bench.relationships.answer([*asked, CAN_CALL], in_context=BOUND, now=time.time())
    assert answers.answers == {**dict.fromkeys(asked, False), CAN_CALL: True}
    assert answers.model_id == bench.model.model_id


async def test_a_list_names_exactly_what_is_held_in_the_order_asked(bench: Bench) -> None:
    tools = [tool(f"t{number:03}") for number in range(130)]
    await bench.write(*allowed_rows(*tools[::2]))
    ids = [one.id for one in reversed(tools)]
    held = await bench.relationships.held(MIRA, "can_call", ids, in_context=BOUND, now=time.time())
    assert list(held.objects) == [one.id for one in reversed(tools[::2])]


async def test_a_question_the_model_does_not_know_stays_unanswered_and_the_others_do_not(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    unknown = Check(MIRA, "can_fly", READ_TOOL.id)
    answers = await bench.relationships.answer([unknown, CAN_CALL], in_context=BOUND, now=time.time())
    assert answers.answers.get(unknown) is not True
    assert answers.answers[CAN_CALL] is True


async def test_a_decision_names_the_side_that_is_missing(bench: Bench) -> None:
    authorization = Authorization(bench.relationships)
    await bench.write(*allowed_rows(READ_TOOL))
    allowed = await authorization.decide(mira(), READ_TOOL, {"ticket": "T-1"}, now=time.time())
    assert codes(allowed) == ["access.allowed"]
    elsewhere = await authorization.decide(mira(), READ_TOOL, {"ticket": "T-9"}, now=time.time())
    assert "resource.user_not_allowed" in codes(elsewhere)
    await bench.delete(row(f"{AGENT}#acting_for agent_caller server:tickets"))
    await authorization.follow([])
    denied = await authorization.decide(mira(), READ_TOOL, {"ticket": "T-1"}, now=time.time())
    assert "agent.not_granted" in codes(denied)


async def test_what_is_listed_is_what_may_be_called(bench: Bench) -> None:
    tools = [tool("a"), tool("b", Risk.WRITE), tool("c", Risk.DESTRUCTIVE)]
    rows = [one for one in allowed_rows(*tools) if one.relation != "agent_caller"]
    await bench.write(*rows, row(f"{AGENT}#acting_for agent_writer server:tickets"))
    authorization = Authorization(bench.relationships)
    listed = await authorization.visible(mira(), tools, now=time.time())
    callable_ = [one.id for one in tools if (await authorization.decide(mira(), one, {}, now=time.time())).allowed]
    assert list(listed.tools) == callable_ == [tools[0].id, tools[1].id]


async def test_prompts_and_resources_are_decided_and_listed_as_tools_are(bench: Bench) -> None:
    rows = [one for one in allowed_rows(*OTHER_KINDS) if one.relation != "agent_caller"]
    await bench.write(*rows, row(f"{AGENT}#acting_for agent_reader server:tickets"))
    authorization = Authorization(bench.relationships)
    listed = await authorization.visible(mira(), OTHER_KINDS, now=time.time())
    decisions = {one.id: await authorization.decide(mira(), one, {}, now=time.time()) for one in OTHER_KINDS}
    assert list(listed.tools) == [one.id for one in OTHER_KINDS if one.risk is Risk.READ]
    assert [one for one, decision in decisions.items() if decision.allowed] == list(listed.tools)
    assert codes(decisions[OTHER_KINDS[-1].id]) == ["agent.not_granted"]
    await bench.delete(row(f"{MIRA} delegator {AGENT}"))
    await authorization.follow([])
    denied = [await authorization.decide(mira(), one, {}, now=time.time()) for one in OTHER_KINDS]
    assert {code for decision in denied for code in codes(decision)} == {"agent.not_delegated"}


async def test_who_this_request_is_cannot_be_stored(bench: Bench) -> None:
    with pytest.raises(OperatorError, match="never stored"):
        async with bench.database.write(ACTOR) as transaction:
            await write_tuple(transaction, RelationshipTuple(AGENT, "in_context", MIRA))


async def test_both_sides_of_a_governed_relation_are_known(bench: Bench) -> None:
    assert bench.relationships.legs("ticket", "can_read") == Legs(("viewer",), ("agent_reader",))
    assert bench.relationships.legs("ticket", "viewer") is None


async def test_the_revision_of_an_answer_is_the_one_that_was_followed(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    answers = await bench.relationships.answer([CAN_CALL], in_context=BOUND, now=time.time())
    assert answers.revision == bench.relationships.revision == bench.feed.revision


async def test_people_can_search_what_the_backend_decides_by(bench: Bench) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    await bench.relationships.answer([CAN_CALL], in_context=BOUND, now=time.time())
    about: dict[str, Any] = {"in_context": BOUND, "now": time.time(), "limit": 10}
    objects = await bench.relationships.list_objects(MIRA, "can_call", "tool", **about)
    users = await bench.relationships.list_users(READ_TOOL.id, "can_call", "user", **about)
    members = await bench.relationships.expand("server:tickets", "caller", in_context=None)
    assert (objects.found, users.found) == ((READ_TOOL.id,), (MIRA,))
    assert members.root == Subjects((MIRA,))


async def test_a_search_for_what_the_model_does_not_know_is_refused(bench: Bench) -> None:
    about: dict[str, Any] = {"in_context": None, "now": time.time(), "limit": 10}
    with pytest.raises(RequestRefused):
        await bench.relationships.list_objects(MIRA, "can_fly", "tool", **about)
    with pytest.raises(RequestRefused):
        await bench.relationships.expand("planet:earth", "member", in_context=None)


async def test_people_are_told_by_which_tuples_something_holds(bench: Bench) -> None:
    rows = [one for one in allowed_rows(READ_TOOL) if one.relation != "caller"]
    await bench.write(*rows, row("group:eng#member caller server:tickets"), row(f"{MIRA} member group:eng"))
    asked = Check(MIRA, "caller", "server:tickets")
    path = await bench.relationships.witness(asked, in_context=BOUND, now=time.time())
    assert set(path) == {"group:eng#member caller server:tickets", f"{MIRA} member group:eng"}
    unknown = Check("user:local/omar", "caller", "server:tickets")
    assert await bench.relationships.witness(unknown, in_context=None, now=time.time()) == ()


@pytest.mark.parametrize(
    "malformed", ["tool:" + "x" * 300, "tool:a\nb", "tool:", "tool:*", "no type", "tool:a#b", "plane:1"]
)
async def test_an_object_that_cannot_be_hides_no_other(bench: Bench, malformed: str) -> None:
    await bench.write(*allowed_rows(READ_TOOL))
    asked = Check(MIRA, "can_call", malformed)
    held = await bench.relationships.held(
        MIRA, "can_call", [malformed, READ_TOOL.id], in_context=BOUND, now=time.time()
    )
    answers = await bench.relationships.answer([asked, CAN_CALL], in_context=BOUND, now=time.time())
    assert held.objects == (READ_TOOL.id,)
    assert (answers.answers.get(asked) is True, answers.answers[CAN_CALL]) == (False, True)
