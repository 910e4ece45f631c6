"""Why, for anybody: every missing side at once, the hidden ones included, and a command that would change it."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from mcp_gateway.authorization import Explanation
from mcp_gateway.authorization.discovery import Access, access
from mcp_gateway.authorization.remedies import remedy, said
from mcp_gateway.model.decision import Reason
from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.tool import ReviewState, Risk
from tests.unit.authorization.world import (
    AGENT,
    LATER,
    MIRA,
    NOW,
    allowed_rows,
    authorization,
    facts,
    mira,
    on_ticket,
    row,
    tool,
)

pytestmark = pytest.mark.anyio

PING = tool("ping")
GET = tool("ticket_get", resources=on_ticket())
DELETE = tool("ticket_delete", Risk.DESTRUCTIVE, resources=on_ticket("can_write"))
REQUESTABLE = replace(PING, requestable=True)


def by_code(explained: Explanation) -> dict[str, str]:
    """Code -> the code it is hidden by."""
    return {finding.code: finding.after for finding in explained.findings}


async def test_nothing_granted_names_every_side_at_once_the_hidden_ones_too() -> None:
    explained = await authorization(facts(GET)).explain(MIRA, AGENT, GET, {"ticket": "T-1"}, now=NOW)
    assert by_code(explained) == {
        "user.not_allowed": "",
        "agent.not_delegated": "",
        "resource.user_not_allowed": "",
        "agent.not_granted": "agent.not_delegated",
        "resource.agent_not_granted": "agent.not_delegated",
    }


async def test_with_only_the_delegation_missing_nothing_else_is_named() -> None:
    rows = [r for r in allowed_rows(GET) if r.relation != "delegator"]
    explained = await authorization(rows).explain(MIRA, AGENT, GET, {"ticket": "T-1"}, now=NOW)
    assert by_code(explained) == {"agent.not_delegated": ""}


async def test_a_grant_that_has_ended_is_missing_behind_the_delegation() -> None:
    rows = [r for r in allowed_rows(PING) if r.relation not in {"delegator", "agent_caller"}]
    rows.append(row(f"{AGENT}#acting_for agent_caller server:tickets", expires_at=LATER))
    asked = authorization(rows)
    before = await asked.explain(MIRA, AGENT, PING, {}, now=NOW)
    after = await asked.explain(MIRA, AGENT, PING, {}, now=NOW + 601)
    assert by_code(before) == {"agent.not_delegated": ""}
    assert by_code(after) == {"agent.not_delegated": "", "agent.not_granted": "agent.not_delegated"}


async def test_explaining_changes_nothing_that_is_decided() -> None:
    rows = [r for r in allowed_rows(PING) if r.relation != "delegator"]
    asked = authorization(rows)
    await asked.explain(MIRA, AGENT, PING, {}, now=NOW)
    assert not (await asked.decide(mira(), PING, {}, now=NOW)).allowed


async def test_without_arguments_the_tool_is_explained_and_not_a_call() -> None:
    explained = await authorization(allowed_rows(GET)).explain(MIRA, AGENT, GET, None, now=NOW)
    assert (explained.allowed, explained.access, explained.resources) == (True, Access.DEPENDS, ())
    called = await authorization(allowed_rows(GET)).explain(MIRA, AGENT, GET, {"ticket": "T-1"}, now=NOW)
    assert called.resources == ("ticket:tickets/T-1",)
    nameless = await authorization(allowed_rows(GET)).explain(MIRA, AGENT, GET, {}, now=NOW)
    assert [one.code for one in nameless.findings] == ["resource.unidentified"]


async def test_a_resource_is_explained_by_itself() -> None:
    asked = authorization([r for r in allowed_rows(GET) if r.relation != "editor"])
    refused = await asked.explain_resource(MIRA, AGENT, ("can_read", "ticket:tickets/T-1"), now=NOW)
    assert [one.code for one in refused.findings] == ["resource.user_not_allowed"]
    assert (refused.tool, refused.access, refused.public_code) == ("", None, "resource.denied")
    allowed = await authorization(allowed_rows(GET)).explain_resource(
        MIRA, AGENT, ("can_write", "ticket:tickets/T-1"), now=NOW
    )
    assert allowed.allowed
    assert any(f"{MIRA} editor ticket:tickets/T-1" in one.because for one in allowed.asked)


async def test_a_relation_without_two_sides_explains_nothing_away() -> None:
    explained = await authorization(allowed_rows(GET)).explain_resource(
        MIRA, AGENT, ("viewer", "ticket:tickets/T-1"), now=NOW
    )
    assert [one.code for one in explained.findings] == ["relationship.unknown"]


async def test_membership_a_token_would_bring_counts() -> None:
    rows = [
        *facts(PING),
        row("group:okta/eng#member caller server:tickets"),
        row(f"{MIRA} delegator {AGENT}"),
        row(f"{AGENT}#acting_for agent_caller server:tickets"),
    ]
    asked = authorization(rows)
    assert not (await asked.explain(MIRA, AGENT, PING, {}, now=NOW)).allowed
    belongs = (("member", "group:okta/eng"),)
    assert (await asked.explain(MIRA, AGENT, PING, {}, now=NOW, memberships=belongs)).allowed


async def test_only_a_tool_people_may_ask_for_is_requestable_and_it_is_never_listed_for_it() -> None:
    asked = authorization(facts(REQUESTABLE))
    assert await asked.accessible(mira(), [REQUESTABLE], now=NOW) == {PING.id: Access.REQUESTABLE}
    assert await asked.accessible(mira(), [PING], now=NOW) == {PING.id: Access.HIDDEN}
    assert (await asked.visible(mira(), [REQUESTABLE], now=NOW)).tools == ()
    assert not (await asked.decide(mira(), REQUESTABLE, {}, now=NOW)).allowed
    waiting = replace(REQUESTABLE, state=ReviewState.PENDING)
    assert await asked.accessible(mira(), [waiting], now=NOW) == {PING.id: Access.HIDDEN}


async def test_what_is_listed_is_callable_or_depends_on_the_resource() -> None:
    asked = authorization(allowed_rows(PING, GET))
    found = await asked.accessible(mira(), [PING, GET, DELETE], now=NOW)
    assert found == {PING.id: Access.CALLABLE, GET.id: Access.DEPENDS, DELETE.id: Access.HIDDEN}


@pytest.mark.parametrize("missing", [(), ("tool.not_available",), ("user.not_allowed", "tool.disabled")])
def test_what_asking_cannot_change_is_hidden(missing: tuple[str, ...]) -> None:
    assert access(REQUESTABLE, listed=False, depends=False, missing=missing) is Access.HIDDEN


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        (Reason("user.not_allowed"), "access add mira direct_caller tool:tickets/ticket_get"),
        (Reason("agent.not_delegated"), "delegation add --user mira --agent docs"),
        (
            Reason("agent.not_granted"),
            "grant add --agent docs --on tool:tickets/ticket_get --for user:mira --until 30d --reason 'asked for by mira'",
        ),
        (
            Reason("resource.user_not_allowed", f"{MIRA} viewer ticket:tickets/T-1"),
            "access add mira viewer ticket:tickets/T-1",
        ),
        (
            Reason("resource.agent_not_granted", f"{MIRA} agent_writer ticket:tickets/T-1"),
            "grant add --agent docs --on ticket:tickets/T-1 --access write --for user:mira --until 30d"
            " --reason 'asked for by mira'",
        ),
        (Reason("tool.not_available"), "server show tickets"),
        (Reason("role.not_held", f"{MIRA} assignee role:support"), "access add mira assignee role:support"),
        (Reason("user.disabled"), "user enable mira"),
        (Reason("agent.disabled"), "agent enable docs"),
        (Reason("server.disabled"), "server enable tickets"),
        (Reason("tool.disabled"), "tool enable tickets/ticket_get"),
    ],
)
def test_a_remedy_is_a_command_with_the_real_ids(reason: Reason, command: str) -> None:
    assert remedy(reason, principal=mira(), tool=GET) == f"mcp-gateway {command}"


def test_a_tool_that_waits_is_approved_and_one_that_cannot_be_is_not() -> None:
    reason = Reason("tool.not_available")
    pending = replace(GET, state=ReviewState.PENDING)
    assert remedy(reason, principal=mira(), tool=pending) == "mcp-gateway server approve tickets ticket_get"
    quarantined = replace(GET, state=ReviewState.QUARANTINED)
    assert "approve" not in remedy(reason, principal=mira(), tool=quarantined)


@pytest.mark.parametrize("identifier", ["user:okta/mira", "agent:okta/x", "user:local/a/b", "group:local/x"])
def test_an_id_that_is_not_local_is_said_whole(identifier: str) -> None:
    assert said(identifier) == identifier


def test_a_remedy_cannot_be_made_to_run_something_else() -> None:
    strange = mira(user=UserId("user:local/a;rm$(x)"), agent=AgentId("agent:local/b'\"c"))
    text = remedy(Reason("agent.not_delegated"), principal=strange, tool=GET)
    assert shlex.split(text) == ["mcp-gateway", "delegation", "add", "--user", "a;rm$(x)", "--agent", "b'\"c"]
    text = remedy(Reason("resource.user_not_allowed", f"{strange.user} viewer ticket:t/`x`"), principal=strange)
    assert shlex.split(text)[-1] == "ticket:t/`x`"
