"""Prompts, resources and templates are judged by the rule of tools: same sides, same reasons, other names."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, compile_gateway_model, public_code
from mcp_gateway.authorization.kinds import GOVERNED, is_modelled, ungoverned
from mcp_gateway.catalog.naming import named
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.decision import Reason, deny
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import Kind, Mode, ResourceRule, ReviewState, Risk, Tool
from mcp_gateway.storage import Change
from mcp_gateway.storage.catalog import ToolRow
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import (
    AGENT,
    MIRA,
    MODEL,
    NOW,
    PROMPT,
    RESOURCE,
    TEMPLATE,
    allowed_rows,
    authorization,
    codes,
    decide,
    facts,
    item,
    mira,
    row,
    tool,
)

pytestmark = pytest.mark.anyio

KINDS = [PROMPT, RESOURCE, TEMPLATE]
TEXT = (Path(__file__).parents[3] / "policies" / "gateway.fga").read_text()
WHOLE = "model\n  schema 1.1\n\ntype user\n" + TEXT.partition("\ntype user\n")[2]
ONLY_TOOLS = WHOLE.partition("# A prompt of a server")[0]
CONDITION = "condition grant_expiry" + WHOLE.partition("condition grant_expiry")[2]


def without(rows: list[RelationshipTuple], *gone: str) -> list[RelationshipTuple]:
    taken = set(map(row, gone))
    assert len(taken & set(rows)) == len(taken)
    return [one for one in rows if one not in taken]


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.kind.value)
async def test_every_kind_is_allowed_when_user_agent_and_availability_hold(one: Tool) -> None:
    decision = await decide(allowed_rows(one), one)
    assert codes(decision) == ["access.allowed"]
    assert [check.relation for check in decision.answers] == [GOVERNED[one.kind].whole]


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.kind.value)
@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        (f"{MIRA} caller server:tickets", "user.not_allowed"),
        (f"{AGENT}#acting_for agent_caller server:tickets", "agent.not_granted"),
        (f"{MIRA} delegator {AGENT}", "agent.not_delegated"),
        ("user:* enabled server:tickets", "tool.not_available"),
    ],
)
async def test_every_kind_is_denied_by_the_side_that_is_missing(one: Tool, gone: str, reason: str) -> None:
    decision = await decide(without(allowed_rows(one), gone), one)
    assert codes(decision) == [reason]
    assert public_code(decision, one.kind) == one.kind.unavailable


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.kind.value)
@pytest.mark.parametrize("state", [state for state in ReviewState if state is not ReviewState.APPROVED])
async def test_what_is_not_approved_is_denied_and_not_listed_whatever_the_tuples_say(
    one: Tool, state: ReviewState
) -> None:
    waiting = item(one.kind, one.name, state=state)
    asked = authorization(allowed_rows(one))
    assert codes(await asked.decide(mira(), waiting, {}, now=NOW)) == ["tool.not_available"]
    assert (await asked.visible(mira(), [waiting], now=NOW)).tools == ()


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.kind.value)
async def test_the_token_s_scope_bounds_every_kind(one: Tool) -> None:
    decision = await authorization(allowed_rows(one)).decide(mira(frozenset()), one, {}, now=NOW)
    assert (codes(decision), public_code(decision, one.kind)) == (["scope.insufficient"], "scope.insufficient")


@pytest.mark.parametrize("kind", [Kind.PROMPT, Kind.RESOURCE])
@pytest.mark.parametrize(
    ("level", "risks"),
    [("reader", ["read"]), ("writer", ["read", "write"]), ("caller", ["read", "write", "destructive"])],
)
async def test_a_server_s_levels_reach_prompts_and_resources_by_their_risk(
    kind: Kind, level: str, risks: list[str]
) -> None:
    items = [item(kind, f"x:{risk}", risk) for risk in Risk]
    for user, agent in ((level, "caller"), ("caller", level)):
        rows = [row(f"{MIRA} {user} server:tickets"), row(f"{AGENT}#acting_for agent_{agent} server:tickets")]
        asked = authorization([*facts(*items), row(f"{MIRA} delegator {AGENT}"), *rows])
        listed = (await asked.visible(mira(), items, now=NOW)).ids
        assert [one.risk.value for one in items if one.id in listed] == risks


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.kind.value)
async def test_a_right_to_one_thing_reaches_no_other_of_its_server(one: Tool) -> None:
    others = [PROMPT, RESOURCE, TEMPLATE, tool("ping")]
    direct = [
        row(f"{MIRA} {GOVERNED[one.kind].direct_user} {one.id}"),
        row(f"{AGENT}#acting_for direct_agent {one.id}"),
        row(f"{MIRA} delegator {AGENT}"),
    ]
    asked = authorization([*facts(*others), *direct])
    assert (await asked.visible(mira(), others, now=NOW)).ids == {one.id}


async def test_kinds_are_listed_together_and_apart_alike() -> None:
    items = [PROMPT, tool("ping"), RESOURCE, TEMPLATE, item(Kind.PROMPT, "other", Risk.DESTRUCTIVE)]
    rows = [*without(allowed_rows(*items), f"{MIRA} caller server:tickets"), row(f"{MIRA} reader server:tickets")]
    asked = authorization(rows)
    together = await asked.visible(mira(), items, now=NOW)
    apart = [(await asked.visible(mira(), [one], now=NOW)).tools for one in items]
    assert together.tools == tuple(identifier for found in apart for identifier in found)
    assert together.ids == {one.id for one in items if one.risk is Risk.READ}


async def test_a_person_without_an_agent_sees_of_every_kind_what_they_may_use() -> None:
    items = [PROMPT, RESOURCE, TEMPLATE, tool("ping", Risk.DESTRUCTIVE)]
    asked = authorization([*facts(*items), row(f"{MIRA} reader server:tickets")])
    assert await asked.usable_by(Person(MIRA, ""), items, now=NOW) == {PROMPT.id, RESOURCE.id, TEMPLATE.id}


async def test_a_template_s_variables_name_the_mapped_resource() -> None:
    one = item(Kind.TEMPLATE, "ticket://{id}", resources=(ResourceRule("can_read", "ticket", "/id", None),))
    asked = authorization(allowed_rows(one))
    assert codes(await asked.decide(mira(), one, {"id": "T-1"}, now=NOW)) == ["access.allowed"]
    refused = await asked.decide(mira(), one, {"id": "T-9"}, now=NOW)
    assert public_code(refused, one.kind) == "resource.denied"
    assert codes(await asked.decide(mira(), one, {}, now=NOW)) == ["resource.unidentified"]


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.kind.value)
async def test_a_switch_takes_one_thing_away_at_once(one: Tool) -> None:
    asked = authorization(allowed_rows(one))
    assert (await asked.decide(mira(), one, {}, now=NOW)).allowed
    await asked.follow([Change(2, NOW, "test", "switch.off", {"object": one.id, "at": NOW})])
    decision = await asked.decide(mira(), one, {}, now=NOW)
    assert codes(decision) == ["tool.disabled"]
    assert public_code(decision, one.kind) == one.kind.unavailable
    assert (await asked.visible(mira(), [one], now=NOW)).tools == ()


@pytest.mark.parametrize(
    ("one", "approved", "given", "granted"),
    [
        (PROMPT, "prompt:triage", "direct_getter prompt:tickets/triage", "prompt:tickets/triage"),
        (TEMPLATE, "'resource:ticket://{id}'", f"direct_reader '{TEMPLATE.id}'", f"'{TEMPLATE.id}'"),
        (RESOURCE, "resource:ticket://open", f"direct_reader {RESOURCE.id}", RESOURCE.id),
    ],
    ids=["prompt", "template", "resource"],
)
async def test_what_would_help_is_a_command_on_the_very_thing(
    one: Tool, approved: str, given: str, granted: str
) -> None:
    waiting = item(one.kind, one.name, state=ReviewState.PENDING)
    told = await authorization(facts(one)).explain(MIRA, AGENT, waiting, None, now=NOW)
    remedies = {finding.code: finding.remedy for finding in told.findings}
    assert remedies["tool.not_available"] == f"mcp-gateway server approve tickets {approved}"
    assert remedies["user.not_allowed"] == f"mcp-gateway access add mira {given}"
    assert remedies["agent.not_granted"].startswith(
        f"mcp-gateway grant add --agent docs --on {granted} --for user:mira"
    )
    row_ = ToolRow("tickets", one.name, ReviewState.PENDING, Risk.READ, "", {}, None, None, None, None, 0.0, one.kind)
    assert named([row_], shlex.split(approved)) == [row_]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Kind.PROMPT, "prompt.unavailable"), (Kind.RESOURCE, "resource.unavailable"), (Kind.TOOL, "tool.unavailable")],
)
@pytest.mark.parametrize(
    "reasons",
    [["tool.unknown"], ["user.not_allowed"], ["relationship.unknown", "user.not_allowed"], ["kind.not_modelled"]],
)
def test_a_caller_learns_the_same_of_everything_hidden(kind: Kind, code: str, reasons: list[str]) -> None:
    assert public_code(deny(*map(Reason, reasons)), kind) == code


def _only_tools(*more: str) -> EmbeddedRelationships:
    model = compile_gateway_model("\n".join([ONLY_TOOLS, *more, CONDITION]))
    relationships = EmbeddedRelationships(model)
    relationships.replace(allowed_rows(*KINDS, tool("ping")), revision=1)
    return relationships


@pytest.mark.parametrize("mode", [None, Mode.OBSERVE])
async def test_a_model_without_prompts_and_resources_denies_each_and_says_why(mode: Mode | None) -> None:
    asked = Authorization(_only_tools())
    for one in KINDS:
        observed = item(one.kind, one.name) if mode is None else _observed(one)
        decision = await asked.decide(mira(), observed, {}, now=NOW)
        assert [(reason.code, reason.evidence) for reason in decision.reasons] == [
            ("kind.not_modelled", str(GOVERNED[one.kind]))
        ]
        assert (await asked.visible(mira(), [observed], now=NOW)).tools == ()
        assert await asked.usable_by(Person(MIRA, ""), [observed], now=NOW) == frozenset()
    assert (await asked.visible(mira(), [PROMPT, tool("ping")], now=NOW)).tools == (tool("ping").id,)


def _observed(one: Tool) -> Tool:
    return replace(one, mode=Mode.OBSERVE)


FOREIGN = """type resource
  relations
    define viewer: [user]
    define agent_reader: [agent#acting_for]
    define can_read: viewer and agent_reader
"""


async def test_a_model_s_own_type_of_that_name_governs_no_resource_of_the_protocol() -> None:
    relationships = _only_tools(FOREIGN)
    relationships.apply(
        [
            (True, row(f"{MIRA} viewer {RESOURCE.id}")),
            (True, row(f"{AGENT}#acting_for agent_reader {RESOURCE.id}")),
        ]
    )
    assert codes(await Authorization(relationships).decide(mira(), RESOURCE, {}, now=NOW)) == ["kind.not_modelled"]


@pytest.mark.parametrize(
    ("whole", "sentence"),
    [
        ("user_can_read and agent_can_read", "`resource#can_read` must be an intersection containing `available`"),
        ("user_can_read and available", "`resource#can_read` must be an intersection containing `agent_can_read`"),
        ("agent_can_read or available", "`resource#can_read` must be an intersection containing `user_can_read`"),
    ],
)
def test_a_model_that_dropped_a_side_of_a_resource_is_refused(whole: str, sentence: str) -> None:
    broken = WHOLE.replace("can_read: user_can_read and agent_can_read and available", f"can_read: {whole}")
    assert broken != WHOLE
    with pytest.raises(OperatorError) as refused:
        compile_gateway_model(broken)
    assert refused.value.problem == sentence


def test_a_model_whose_prompts_any_agent_may_get_is_refused() -> None:
    start = WHOLE.index("define agent_can_get:")
    line = WHOLE[start : WHOLE.index("\n", start)]
    broken = WHOLE.replace(line, "define agent_can_get: [agent#acting_for, user]")
    with pytest.raises(OperatorError) as refused:
        compile_gateway_model(broken)
    assert refused.value.problem.startswith("`agent_can_get` must hold only through `agent#in_context`")


def test_the_gateway_s_own_model_governs_every_kind() -> None:
    assert all(is_modelled(MODEL.legs, kind) for kind in Kind)
    assert ungoverned(MODEL.legs) == ()
    assert ungoverned(_only_tools().legs) == ("prompt", "resource")
