"""The gateway's own model, case by case: levels, delegation, grants, resources, roles of the program."""

from __future__ import annotations

import pytest

from mcp_gateway.model.tool import Risk
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import (
    AGENT,
    LATER,
    LATER_SECONDS,
    MIRA,
    NOW,
    allowed_rows,
    authorization,
    codes,
    decide,
    facts,
    mira,
    on_ticket,
    row,
    tool,
)

pytestmark = pytest.mark.anyio

TOOLS = {risk: tool(f"t_{risk}", risk) for risk in Risk}
DELEGATED = row(f"{MIRA} delegator {AGENT}")
EVERY_AGENT_RIGHT = row(f"{AGENT}#acting_for agent_caller server:tickets")
EVERY_USER_RIGHT = row(f"{MIRA} caller server:tickets")


async def _allowed(rows: list[RelationshipTuple], *, now: float = NOW) -> list[str]:
    asked = authorization([*facts(*TOOLS.values()), DELEGATED, *rows])
    found = await asked.visible(mira(), list(TOOLS.values()), now=now)
    return [one.removeprefix("tool:tickets/t_") for one in found.tools]


@pytest.mark.parametrize(
    ("level", "risks"),
    [("reader", ["read"]), ("writer", ["read", "write"]), ("caller", ["read", "write", "destructive"])],
)
async def test_each_level_reaches_its_risks_on_both_sides(level: str, risks: list[str]) -> None:
    assert await _allowed([EVERY_AGENT_RIGHT, row(f"{MIRA} {level} server:tickets")]) == risks
    assert await _allowed([EVERY_USER_RIGHT, row(f"{AGENT}#acting_for agent_{level} server:tickets")]) == risks


async def test_a_right_to_one_tool_reaches_no_other() -> None:
    one = TOOLS[Risk.DESTRUCTIVE].id
    assert await _allowed([EVERY_AGENT_RIGHT, row(f"{MIRA} direct_caller {one}")]) == ["destructive"]
    assert await _allowed([EVERY_USER_RIGHT, row(f"{AGENT}#acting_for direct_agent {one}")]) == ["destructive"]


@pytest.mark.parametrize(
    "rows",
    [
        ["user:* reader server:tickets"],
        ["group:eng#member reader server:tickets", "group:sre#member member group:eng", f"{MIRA} member group:sre"],
        ["role:r#assignee reader server:tickets", "group:eng#member assignee role:r", f"{MIRA} member group:eng"],
    ],
)
async def test_a_user_right_flows_through_everybody_groups_and_roles(rows: list[str]) -> None:
    assert await _allowed([EVERY_AGENT_RIGHT, *map(row, rows)]) == ["read"]


def _grant(relation: str, on: str, audience: str = MIRA, *, expires_at: str | None = None) -> list[RelationshipTuple]:
    return [
        row(f"{AGENT} agent grant:1"),
        row(f"{audience} audience grant:1"),
        row("user:* active grant:1", expires_at=expires_at),
        row(f"grant:1#effective {relation} {on}"),
    ]


async def test_a_grant_gives_what_it_names_to_its_audience_only() -> None:
    assert await _allowed([EVERY_USER_RIGHT, *_grant("agent_writer", "server:tickets")]) == ["read", "write"]
    assert await _allowed([EVERY_USER_RIGHT, *_grant("agent_writer", "server:tickets", "user:local/omar")]) == []
    team = [*_grant("agent_reader", "server:tickets", "group:eng#member"), row(f"{MIRA} member group:eng")]
    assert await _allowed([EVERY_USER_RIGHT, *team]) == ["read"]


async def test_a_grant_without_its_active_tuple_gives_nothing() -> None:
    revoked = [one for one in _grant("agent_caller", "server:tickets") if one.relation != "active"]
    assert await _allowed([EVERY_USER_RIGHT, *revoked]) == []


async def test_a_grant_ends_at_its_time() -> None:
    rows = [EVERY_USER_RIGHT, *_grant("agent_reader", "server:tickets", expires_at=LATER)]
    assert await _allowed(rows, now=LATER_SECONDS - 0.001) == ["read"]
    assert await _allowed(rows, now=LATER_SECONDS) == []


async def test_another_agent_gets_nothing_of_a_grant() -> None:
    other = mira(agent=type(AGENT)("agent:local/other"))
    rows = [*allowed_rows(TOOLS[Risk.READ]), row(f"{MIRA} delegator agent:local/other")]
    assert codes(await decide(rows, TOOLS[Risk.READ], principal=other)) == ["agent.not_granted"]


async def test_a_disabled_server_takes_its_tools_with_it() -> None:
    rows = [
        one for one in allowed_rows(TOOLS[Risk.READ]) if one.object != "server:tickets" or one.relation != "enabled"
    ]
    assert codes(await decide(rows, TOOLS[Risk.READ])) == ["tool.not_available"]


@pytest.mark.parametrize(("relation", "level"), [("can_read", "viewer"), ("can_write", "editor")])
@pytest.mark.parametrize("through", ["ticket:tickets/T-7", "project:tickets/PAY"])
async def test_a_resource_right_flows_from_the_project_and_the_agents_also_from_the_server(
    relation: str, level: str, through: str
) -> None:
    one = tool(risk=Risk.READ, resources=on_ticket(relation))
    linked = [row("project:tickets/PAY project ticket:tickets/T-7"), row("server:tickets server ticket:tickets/T-7")]
    rows = [*allowed_rows(one), *linked, row(f"{MIRA} {level} {through}")]
    assert (await decide(rows, one, {"ticket": "T-7"})).allowed


async def test_access_to_a_server_is_not_access_to_its_contents() -> None:
    one = tool(resources=on_ticket())
    rows = [*allowed_rows(one), row("server:tickets server ticket:tickets/T-999")]
    assert codes(await decide(rows, one, {"ticket": "T-999"})) == ["resource.user_not_allowed"]


async def test_an_agent_that_may_only_read_cannot_write_a_resource() -> None:
    one = tool(risk=Risk.READ, resources=on_ticket("can_write"))
    rows = [
        *(r for r in allowed_rows(one) if r.relation != "agent_caller"),
        row(f"{AGENT}#acting_for agent_reader server:tickets"),
    ]
    assert codes(await decide(rows, one, {"ticket": "T-1"})) == ["resource.agent_not_granted"]


async def test_an_administrator_is_an_auditor_and_an_auditor_is_no_administrator() -> None:
    rows = map(
        row,
        [
            "user:local/admin member group:admins",
            "group:admins#member administrator gateway:local",
            f"{MIRA} auditor gateway:local",
        ],
    )
    asked = authorization(rows)
    answers = [
        await asked.holds(user, relation, "gateway:local", now=NOW)
        for user in ("user:local/admin", MIRA)
        for relation in ("administrator", "auditor")
    ]
    assert answers == [True, True, False, True]


async def test_whoever_gave_a_grant_or_owns_its_agent_may_revoke_it() -> None:
    rows = [
        *_grant("agent_reader", "server:tickets"),
        row("user:local/ada granted_by grant:1"),
        row(f"{MIRA} owner {AGENT}"),
    ]
    asked = authorization(rows)
    users = ("user:local/ada", MIRA, "user:local/omar")
    assert [await asked.holds(one, "can_revoke", "grant:1", now=NOW) for one in users] == [True, True, False]
