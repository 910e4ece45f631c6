"""What is kept never answers another question: every attribute a rule may read makes a question of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization import Authorization
from mcp_gateway.authorization.rules import RuleBook
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Risk
from tests.unit.authorization.rules.books import book, narrowed_by, request, rule
from tests.unit.authorization.world import NOW, READ, WRITE, allowed_rows, mira, on_ticket, row, tool

PING, PAY, GET = tool("ping"), tool("pay", Risk.WRITE), tool("ticket_get", resources=on_ticket())
TOOLS = [PING, PAY, GET]
ROWS = [*allowed_rows(*TOOLS), row("group:okta/eng#member assignee role:support")]
REQUIRES = [
    "time < timestamp('2027-01-15T08:00:05Z')",
    "network.address == '10.1.2.3'",
    "session.id == 's1'",
    "session.era == 'legacy'",
    "'group:okta/eng' in user.groups",
    "tenant == 'tenant:okta/acme'",
    "tool.name != 'pay'",
    "tool.risk == 'read' && tool.classification == 'internal'",
    "arguments.n < 5",
    "size(resources) == 1",
    "relations.support",
]


def _book(requires: list[str], roles: bool) -> RuleBook:
    texts = [
        rule(text, name=f"r{n}", **({"relations": "{support: role:support}"} if "relations." in text else {}))
        for n, text in enumerate(requires)
    ]
    rules = "rules:\n" + "".join(text.removeprefix("rules:\n") for text in texts) if texts else ""
    return book(rules, tools="tickets: {classification: internal, roles: [" + ("role:support" if roles else "") + "]}")


class Question(NamedTuple):
    principal: Principal
    position: int
    arguments: dict[str, Any]
    address: str | None
    session: str | None
    now: float


def _member(scopes: frozenset[str], memberships: list[tuple[str, str]]) -> Principal:
    return replace(mira(scopes), memberships=tuple(memberships))


PRINCIPALS = st.builds(
    _member,
    st.sampled_from([READ, READ | WRITE]),
    st.lists(st.sampled_from([("member", "group:okta/eng"), ("member", "tenant:okta/acme")]), max_size=2, unique=True),
)
QUESTIONS = st.builds(
    Question,
    PRINCIPALS,
    st.integers(0, 2),
    st.fixed_dictionaries({}, optional={"n": st.sampled_from([1, 9]), "ticket": st.sampled_from(["T-1", "T-9"])}),
    st.sampled_from([None, "10.1.2.3", "::ffff:10.1.2.3", "10.9.9.9"]),
    st.sampled_from([None, "s1", "s2"]),
    st.sampled_from([NOW, NOW + 4, NOW + 6]),
)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from(REQUIRES), max_size=2, unique=True),
    st.booleans(),
    st.lists(QUESTIONS, min_size=2, max_size=8),
)
def test_one_that_keeps_answers_says_what_one_without_memory_says(
    requires: list[str], roles: bool, questions: list[Question]
) -> None:
    made = _book(requires, roles)
    anyio.run(_compare, made, questions)


async def _compare(made: RuleBook, questions: list[Question]) -> None:
    keeping = narrowed_by(made, ROWS)
    for one in questions:
        assert await _said(keeping, one) == await _said(narrowed_by(made, ROWS), one)


async def _said(asked: Authorization, one: Question) -> tuple[Any, ...]:
    given = request(one.address, session=one.session)
    decision = await asked.decide(one.principal, TOOLS[one.position], one.arguments, now=one.now, request=given)
    visible = await asked.visible(one.principal, TOOLS, now=one.now, request=given)
    return decision.effect, decision.reasons, decision.rules, visible.tools, visible.depends_on_resource
