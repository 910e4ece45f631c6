"""Rules, scopes and roles in the decision: they narrow calls and lists alike, and cost nothing where they say nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mcp_gateway.authorization import Answers, Authorization, EmbeddedRelationships, Held, InContext, public_code
from mcp_gateway.authorization.rules import NO_RULES
from mcp_gateway.model.decision import Check, Decision
from mcp_gateway.model.tool import Mode, Risk, Tool
from tests.unit.authorization.rules.books import book, narrowed_by, request, rule
from tests.unit.authorization.world import (
    AGENT,
    MIRA,
    MODEL,
    NOW,
    PROMPT,
    READ,
    RESOURCE,
    TEMPLATE,
    WRITE,
    allowed_rows,
    codes,
    mira,
    on_ticket,
    row,
    tool,
)

pytestmark = pytest.mark.anyio

PING = tool("ping")
PAY = tool("pay", Risk.WRITE)
GET = tool("ticket_get", resources=on_ticket())
TOOLS = [PING, PAY, GET]
ROWS = allowed_rows(*TOOLS)


async def _decide(
    rules: str, one: Tool = PING, arguments: dict[str, Any] | None = None, *, tools: str = "", **more: Any
) -> Decision:
    asked = narrowed_by(book(rules, tools=tools), [*ROWS, *more.pop("rows", [])])
    who = more.pop("principal", mira())
    return await asked.decide(who, one, arguments or {}, now=NOW, request=more.pop("request", request()))


@pytest.mark.parametrize(
    ("require", "reasons"),
    [
        ('network.address.in_cidr("10.0.0.0/8")', ["access.allowed"]),
        ('network.address.in_cidr("192.168.0.0/16")', ["rule.denied"]),
        ('tool.risk == "read" && tool.server == "tickets" && tool.name == "ping"', ["access.allowed"]),
        ('user.id == "user:local/mira" && agent.id == "agent:local/docs"', ["access.allowed"]),
        ('user.id == "user:l\\u043ecal/mira"', ["rule.denied"]),
        ("time < timestamp('2000-01-01T00:00:00Z')", ["rule.denied"]),
        ('tool.classification == "public"', ["rule.undecidable"]),
        ('tenant == "tenant:okta/acme"', ["rule.undecidable"]),
        ('!("group:okta/x" in user.groups)', ["rule.undecidable"]),
        ('session.id != ""', ["rule.undecidable"]),
        ('session.era == "modern" && session.protocol == "2026-07-28"', ["access.allowed"]),
    ],
)
async def test_a_rule_denies_what_it_does_not_hold_for_and_what_it_cannot_decide(
    require: str, reasons: list[str]
) -> None:
    decision = await _decide(rule(require))
    assert codes(decision) == reasons
    assert [finding.id for finding in decision.rules] == ["r1"]
    if not decision.allowed:
        assert decision.reasons[0].evidence == "r1"


async def test_what_the_token_says_of_the_user_can_be_read() -> None:
    groups = (("member", "group:okta/sre"), ("assignee", "role:okta/lead"), ("member", "tenant:okta/acme"))
    who = replace(mira(), memberships=groups)
    told = '"group:okta/sre" in user.groups && "role:okta/lead" in user.roles && tenant == "tenant:okta/acme"'
    assert (await _decide(rule(told), principal=who)).allowed
    two = replace(who, memberships=(*groups, ("member", "tenant:okta/other")))
    assert codes(await _decide(rule(told), principal=two)) == ["rule.undecidable"], "two tenants are none"


async def test_what_the_store_says_of_the_user_is_asked_for() -> None:
    text = rule("!relations.contractor", relations="{contractor: group:contractors}")
    assert (await _decide(text)).allowed
    member = [row(f"{MIRA} member group:contractors")]
    assert codes(await _decide(text, rows=member)) == ["rule.denied"]


async def test_a_rule_never_allows_what_the_relationships_deny() -> None:
    asked = narrowed_by(book(rule("true")), [one for one in ROWS if one.relation != "delegator"])
    assert codes(await asked.decide(mira(), PING, {}, now=NOW)) == ["agent.not_delegated"]


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ("{}", True),
        ("{servers: [tickets]}", True),
        ("{servers: [other]}", False),
        ("{tools: ['pi*', 'x']}", True),
        ("{tools: ['pi?']}", False),
        ("{risks: [write, destructive]}", False),
        ("{classifications: [regulated]}", True),
        ("{servers: [tickets], tools: [ping], risks: [read]}", True),
        ("{servers: [tickets], tools: [pay]}", False),
    ],
)
async def test_a_rule_applies_to_tools_that_fit_every_part_of_its_when(when: str, applies: bool) -> None:
    decision = await _decide(rule("false", when=when), tools="tickets: {classification: regulated}")
    assert decision.allowed is not applies
    assert bool(decision.rules) is applies


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ("{}", {"ping", "triage", "ticket://open", "ticket://{id}"}),
        ("{tools: ['*']}", {"ping"}),
        ("{prompts: ['tri*']}", {"triage"}),
        ("{resources: ['ticket://o*']}", {"ticket://open"}),
        ("{resources: ['ticket://{id}']}", {"ticket://{id}"}),
        ("{tools: [nothing], prompts: ['*'], resources: ['file:*']}", {"triage"}),
        ("{tools: ['*'], prompts: ['*'], servers: [other]}", set[str]()),
    ],
)
async def test_a_rule_is_about_the_kinds_whose_names_it_gives_and_about_all_when_it_gives_none(
    when: str, applies: set[str]
) -> None:
    items = [PING, PROMPT, RESOURCE, TEMPLATE]
    asked = narrowed_by(book(rule("false", when=when)), allowed_rows(*items))
    denied = {one.name for one in items if codes(await asked.decide(mira(), one, {}, now=NOW)) == ["rule.denied"]}
    listed = (await asked.visible(mira(), items, now=NOW)).ids
    assert denied == applies == {one.name for one in items if one.id not in listed}


async def test_a_rule_can_read_the_kind_and_a_template_s_variables() -> None:
    text = rule("tool.kind != 'template' || arguments.id != 'T-9'")
    asked = narrowed_by(book(text), allowed_rows(PROMPT, TEMPLATE))
    assert (await asked.decide(mira(), PROMPT, {}, now=NOW)).allowed
    assert (await asked.decide(mira(), TEMPLATE, {"id": "T-1"}, now=NOW)).allowed
    refused = await asked.decide(mira(), TEMPLATE, {"id": "T-9"}, now=NOW)
    assert (codes(refused), public_code(refused, TEMPLATE.kind)) == (["rule.denied"], "rule.denied")
    assert TEMPLATE.id in (await asked.visible(mira(), [TEMPLATE], now=NOW)).ids


async def test_a_prompt_or_resource_may_need_a_scope_or_a_role_of_its_own() -> None:
    tools = """\
tickets:
  prompts: {triage: {scopes: [desk], classification: internal}}
  resources: {"ticket://{id}": {roles: [role:support]}}
"""
    asked = narrowed_by(book(tools=tools), allowed_rows(PROMPT, RESOURCE, TEMPLATE, PING))
    found = [await asked.decide(mira(), one, {}, now=NOW) for one in (PROMPT, TEMPLATE, RESOURCE, PING)]
    assert [codes(one) for one in found] == [
        ["scope.insufficient"],
        ["role.not_held"],
        ["access.allowed"],
        ["access.allowed"],
    ]
    assert (found[0].classification, found[3].classification) == ("internal", None)


@pytest.mark.parametrize("one", [PROMPT, TEMPLATE], ids=lambda one: one.kind.value)
async def test_what_only_a_right_denies_is_let_through_where_it_is_observed(one: Tool) -> None:
    observing = replace(one, mode=Mode.OBSERVE)
    rows = [r for r in allowed_rows(one) if r.relation != "caller"]
    decision = await narrowed_by(NO_RULES, rows).decide(mira(), observing, {}, now=NOW)
    assert (codes(decision), [r.code for r in decision.observed]) == (["access.observed"], ["user.not_allowed"])
    listed = await narrowed_by(NO_RULES, rows).visible(mira(), [observing], now=NOW)
    assert listed.tools == (one.id,)


async def test_the_classification_of_a_tool_wins_over_its_servers_and_is_on_the_decision() -> None:
    policies = "tickets: {classification: internal, tools: {ping: {classification: public}}}"
    text = rule('tool.classification == "public"')
    assert (await _decide(text, tools=policies)).classification == "public"
    denied = await _decide(text, PAY, tools=policies)
    assert (denied.classification, codes(denied)) == ("internal", ["rule.denied"])


async def test_a_tool_may_need_more_scopes_and_the_refusal_names_the_one() -> None:
    policies = "tickets: {scopes: ['tickets:use'], tools: {pay: {scopes: ['pay:do']}}}"
    decision = await _decide("", PAY, tools=policies)
    assert {reason.evidence for reason in decision.reasons} == {"tickets:use", "pay:do"}
    assert public_code(decision) == "scope.insufficient"
    whole = mira(READ | WRITE | {"tickets:use", "pay:do"})
    assert (await _decide("", PAY, tools=policies, principal=whole)).allowed


async def test_a_tool_may_need_roles_and_all_of_them() -> None:
    policies = "tickets: {roles: [role:support, admin tenant:acme]}"
    held = [row(f"{MIRA} assignee role:support")]
    decision = await _decide("", tools=policies, rows=held)
    assert [(r.code, r.evidence) for r in decision.reasons] == [("role.not_held", f"{MIRA} admin tenant:acme")]
    assert public_code(decision) == "tool.unavailable"
    assert (await _decide("", tools=policies, rows=[*held, row(f"{MIRA} admin tenant:acme")])).allowed
    through_the_token = replace(mira(), memberships=(("assignee", "role:support"), ("admin", "tenant:acme")))
    assert (await _decide("", tools=policies, principal=through_the_token)).allowed


async def test_a_refusal_for_the_arguments_is_told_as_such_and_any_other_hides_the_tool() -> None:
    of_arguments = await _decide(rule("arguments.amount <= 10"), PAY, {"amount": 11})
    assert (codes(of_arguments), public_code(of_arguments)) == (["rule.denied"], "rule.denied")
    missing = await _decide(rule("arguments.amount <= 10"), PAY, {})
    assert (codes(missing), public_code(missing)) == (["rule.undecidable"], "rule.denied")
    other = await _decide(rule('tool.risk == "read"'), PAY, {})
    assert public_code(other) == "tool.unavailable"
    both = await _decide(rule("arguments.amount <= 10"), GET, {"ticket": "T-9", "amount": 11})
    assert public_code(both) == "resource.denied"


async def test_arguments_too_large_to_look_through_are_not_looked_at() -> None:
    text = rule("size(arguments.list) >= 0")
    assert (await _decide(text, arguments={"list": list(range(450))})).allowed
    assert codes(await _decide(text, arguments={"list": list(range(600))})) == ["rule.undecidable"]
    assert codes(await _decide(text, arguments={"list": [], "text": "x" * 70_000})) == ["rule.undecidable"]


async def test_a_rule_may_read_which_resources_a_call_names() -> None:
    text = rule("size(resources) == 1 && resources[0].startsWith('ticket:')", when="{tools: [ticket_get]}")
    assert (await _decide(text, GET, {"ticket": "T-1"})).allowed
    assert codes(await _decide(text, GET, {"ticket": ["T-1", "T-2"]})) == ["rule.denied"]
    assert codes(await _decide(text, GET, {})) == ["resource.unidentified", "rule.undecidable"]


async def test_only_named_attributes_go_on_record() -> None:
    text = rule("time > timestamp('2020-01-01T00:00:00Z') && agent.id != '' && user.id != ''", audit="[time, user.id]")
    (finding,) = (await _decide(text)).rules
    assert dict(finding.attributes) == {"time": "2027-01-15T08:00:00+00:00", "user.id": MIRA}


async def test_a_kept_decision_is_narrowed_anew_by_what_the_call_and_the_moment_bring() -> None:
    text = rule("network.address == '10.1.2.3' && arguments.n < 5 && time < timestamp('2027-01-15T08:00:10Z')")
    asked = narrowed_by(book(text), ROWS)

    async def allowed(n: int, address: str | None = "10.1.2.3", now: float = NOW) -> bool:
        return (await asked.decide(mira(), PING, {"n": n}, now=now, request=request(address))).allowed

    assert await allowed(1)
    assert not await allowed(6)
    assert not await allowed(1, "10.1.2.4")
    assert not await allowed(1, None)
    assert not await allowed(1, now=NOW + 10)
    assert await allowed(1)


async def test_a_decision_that_rests_on_the_time_is_good_for_this_moment_only() -> None:
    assert (await _decide(rule("time != timestamp('2000-01-01T00:00:00Z')"))).valid_until == NOW
    assert (await _decide(rule("user.id != ''"))).valid_until is None


async def test_without_rules_a_decision_is_the_kept_object_itself() -> None:
    asked = narrowed_by(NO_RULES, ROWS)
    first = await asked.decide(mira(), PING, {}, now=NOW)
    assert await asked.decide(mira(), PING, {}, now=NOW, request=request()) is first
    elsewhere = narrowed_by(book(rule("false", when="{tools: [pay]}")), ROWS)
    first = await elsewhere.decide(mira(), PING, {}, now=NOW)
    assert await elsewhere.decide(mira(), PING, {}, now=NOW, request=request()) is first


async def test_another_book_binds_the_next_decision() -> None:
    asked = narrowed_by(NO_RULES, ROWS)
    assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed
    assert (await asked.visible(mira(), TOOLS, now=NOW)).tools == tuple(one.id for one in TOOLS)
    asked.adopt_rules(book(rule("false")))
    assert codes(await asked.decide(mira(), PING, {}, now=NOW)) == ["rule.denied"]
    assert (await asked.visible(mira(), TOOLS, now=NOW)).tools == ()
    asked.adopt_rules(NO_RULES)
    assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed


class _Slow(EmbeddedRelationships):
    """A backend during whose answer something else happens."""

    def __init__(self) -> None:
        super().__init__(MODEL)
        self.replace([*ROWS, row(f"{MIRA} assignee role:support")], revision=1)
        self.meanwhile: Callable[[], None] = lambda: None

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        self.meanwhile()
        return await super().answer(checks, in_context=in_context, now=now, fresh=fresh)

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        self.meanwhile()
        return await super().held(subject, relation, objects, in_context=in_context, now=now)


@pytest.mark.parametrize(
    ("policies", "allowed"),
    [("tickets: {roles: [role:support]}", True), ("tickets: {roles: [role:boss]}", False)],
)
async def test_what_was_decided_while_another_book_came_into_force_is_not_kept(policies: str, allowed: bool) -> None:
    relationships, another = _Slow(), book(tools=policies)
    asked = Authorization(relationships)
    relationships.meanwhile = lambda: asked.adopt_rules(another)
    await asked.decide(mira(), PING, {}, now=NOW)
    await asked.visible(mira(), TOOLS, now=NOW)
    relationships.meanwhile = lambda: None
    assert (await asked.decide(mira(), PING, {}, now=NOW)).allowed is allowed
    assert bool((await asked.visible(mira(), TOOLS, now=NOW)).tools) is allowed


async def test_a_list_holds_what_rules_without_arguments_allow_and_the_others_depend() -> None:
    rules = rule("false", name="hidden", when="{tools: [pay]}") + rule(
        "arguments.n < 5", name="depends", when="{tools: [ping]}"
    ).removeprefix("rules:\n")
    asked = narrowed_by(book(rules), ROWS)
    visible = await asked.visible(mira(), TOOLS, now=NOW, request=request())
    assert visible.tools == (PING.id, GET.id)
    assert [asked.depends(one) for one in (PING, PAY, GET)] == [True, False, True]
    assert visible.depends_on_resource == {PING.id, GET.id}


async def test_a_list_depends_on_the_request_and_the_moment_as_its_rules_do() -> None:
    asked = narrowed_by(book(rule("network.address.in_cidr('10.0.0.0/8')")), ROWS)
    inside = await asked.visible(mira(), TOOLS, now=NOW, request=request("10.0.0.1"))
    assert (await asked.visible(mira(), TOOLS, now=NOW, request=request("11.0.0.1"))).tools == ()
    assert await asked.visible(mira(), TOOLS, now=NOW, request=request("10.0.0.1")) is inside
    assert len(inside.tools) == 3
    timed = narrowed_by(book(rule("time < timestamp('2027-01-15T08:00:10Z')")), ROWS)
    assert len((await timed.visible(mira(), TOOLS, now=NOW)).tools) == 3
    assert (await timed.visible(mira(), TOOLS, now=NOW + 10)).tools == ()


async def test_a_list_leaves_out_tools_whose_role_is_missing() -> None:
    policies = "tickets: {tools: {pay: {roles: [role:payer]}}}"
    without, with_ = ROWS, [*ROWS, row(f"{MIRA} assignee role:payer")]
    assert PAY.id not in (await narrowed_by(book(tools=policies), without).visible(mira(), TOOLS, now=NOW)).tools
    assert PAY.id in (await narrowed_by(book(tools=policies), with_).visible(mira(), TOOLS, now=NOW)).tools


async def test_an_explanation_knows_the_rules_and_every_scope() -> None:
    text = rule("arguments.n < 5")
    asked = narrowed_by(book(text, tools="tickets: {scopes: [more]}"), ROWS)
    denied = await asked.explain(MIRA, AGENT, PING, {"n": 7}, now=NOW)
    assert ([finding.code for finding in denied.findings], denied.public_code) == (["rule.denied"], "rule.denied")
    told = denied.as_dict()
    assert told["rules"] == [{"id": "r1", "result": "denied", "of_call": True}]
    assert (await asked.explain(MIRA, AGENT, PING, {"n": 1}, now=NOW)).allowed
    assert (await asked.explain(MIRA, AGENT, PING, None, now=NOW)).allowed, "a list has no arguments"


async def test_an_explanation_names_the_role_to_give_and_what_is_only_observed() -> None:
    policies = book(tools="tickets: {roles: [role:support], classification: internal}")
    denied = await narrowed_by(policies, ROWS).explain(MIRA, AGENT, PING, {}, now=NOW)
    assert denied.findings[0].remedy == "mcp-gateway access add mira assignee role:support"
    assert denied.as_dict()["classification"] == "internal"
    observing = book(tools="tickets: {roles: [role:support]}", mode=Mode.OBSERVE)
    allowed = await narrowed_by(observing, ROWS).explain(MIRA, AGENT, PING, {}, now=NOW)
    assert (allowed.allowed, [finding.code for finding in allowed.observed]) == (True, ["role.not_held"])


def test_a_mode_of_its_own_makes_a_tool_no_part_of_the_shortest_way() -> None:
    assert NO_RULES.of(replace(PING, mode=Mode.ENFORCE)) is None
