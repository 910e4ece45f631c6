"""What must hold of every company, agent, tool and call: properties of the rule, on the real model and engine."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization import EmbeddedRelationships, InContext
from mcp_gateway.authorization.engine.conditions import Circumstances
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.overlay import overlay_of
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import EMPTY, Key, Row, TupleIndex
from mcp_gateway.authorization.kinds import GOVERNED
from mcp_gateway.model.decision import Check, Decision, Effect, Obligation, Reason, all_of, allow, deny
from mcp_gateway.model.ids import resource_id
from mcp_gateway.model.tool import Kind, ResourceRule, ReviewState, Risk, Tool
from mcp_gateway.storage import Change
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import (
    AGENT,
    MIRA,
    MODEL,
    NOW,
    READ,
    WRITE,
    authorization,
    codes,
    item,
    mira,
    row,
    tool,
)

T = TypeVar("T")

GRANT_EXPIRED, GRANT_ACTIVE = "2027-01-15T07:59:00Z", "2027-01-15T08:10:00Z"
TICKETS = ("T-1", "T-2")

READS = (ResourceRule("can_read", "ticket", "/ticket", None),)
WRITES = (ResourceRule("can_write", "ticket", "/ticket", None),)

TOOLS = [
    tool("get", Risk.READ, resources=READS),
    tool("update", Risk.WRITE, resources=WRITES),
    tool("delete", Risk.DESTRUCTIVE),
    tool("pending", Risk.READ, state=ReviewState.PENDING),
]
PROMPTS = [
    item(Kind.PROMPT, "triage", resources=READS),
    item(Kind.PROMPT, "close", Risk.WRITE),
    item(Kind.PROMPT, "wipe", Risk.DESTRUCTIVE),
    item(Kind.PROMPT, "changed", state=ReviewState.CHANGED),
]
RESOURCES = [
    item(Kind.RESOURCE, "ticket://open"),
    item(Kind.TEMPLATE, "ticket://{ticket}", resources=READS),
    item(Kind.TEMPLATE, "draft://{ticket}", Risk.WRITE, resources=WRITES),
    item(Kind.RESOURCE, "ticket://all", Risk.DESTRUCTIVE),
    item(Kind.RESOURCE, "ticket://new", state=ReviewState.QUARANTINED),
]
ITEMS = [*TOOLS, *PROMPTS, *RESOURCES]
RISK_FACT = {Risk.READ: "read_only", Risk.WRITE: "writable"}

MAYBE = [
    "user:* enabled server:tickets",
    f"{MIRA} member group:eng",
    "group:eng#member member group:staff",
    f"{MIRA} reader server:tickets",
    "group:staff#member writer server:tickets",
    "role:support#assignee caller server:tickets",
    "group:eng#member assignee role:support",
    f"{MIRA} delegator {AGENT}",
    f"user:* delegator {AGENT}",
    f"{AGENT}#acting_for agent_reader server:tickets",
    f"{AGENT}#acting_for agent_caller server:tickets",
    "agent:local/other#acting_for agent_caller server:tickets",
    f"{AGENT} agent grant:1",
    f"{MIRA} audience grant:1",
    "group:staff#member audience grant:1",
    "grant:1#effective agent_writer server:tickets",
    *(f"grant:1#effective direct_agent {one.id}" for one in ITEMS),
    *(f"{MIRA} {GOVERNED[one.kind].direct_user} {one.id}" for one in ITEMS),
    *(f"user:* enabled {one.id}" for one in ITEMS),
    *(f"server:tickets server {one.id}" for one in ITEMS),
    *(f"user:* {RISK_FACT[one.risk]} {one.id}" for one in ITEMS if one.risk in RISK_FACT and one is not TOOLS[3]),
    "server:tickets server ticket:tickets/T-1",
    "project:tickets/PAY project ticket:tickets/T-1",
    "group:eng#member viewer project:tickets/PAY",
    f"{MIRA} editor project:tickets/PAY",
    f"{MIRA} viewer ticket:tickets/T-2",
    f"{MIRA} assignee ticket:tickets/T-2",
    f"{AGENT}#acting_for agent_writer project:tickets/PAY",
    "grant:1#effective agent_writer ticket:tickets/T-2",
]


@st.composite
def companies(draw: st.DrawFn) -> list[RelationshipTuple]:
    """Any subset of the facts, mostly a large one, and the grant absent, running out, or open."""
    absent = draw(st.sets(st.sampled_from(MAYBE), max_size=draw(st.sampled_from([3, len(MAYBE)]))))
    active = draw(st.sampled_from([None, [], [GRANT_EXPIRED], [GRANT_ACTIVE]]))
    rows = [row(one) for one in MAYBE if one not in absent]
    if active is not None:
        rows.append(row("user:* active grant:1", expires_at=active[0] if active else None))
    return rows


ANY_NAME: list[Any] = [*TICKETS, "T-9", "t-1", "", "*", 1, 391, None, True, 1.5, {}]
NAMES: st.SearchStrategy[Any] = st.sampled_from(ANY_NAME)
ARGUMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"ticket": NAMES | st.lists(NAMES, max_size=3)}
)
SCOPES = st.sampled_from([READ, WRITE, READ | WRITE, frozenset[str]()])
PROGRAM = compile_program(MODEL)


def _now(awaitable: Coroutine[Any, Any, T]) -> T:
    """The embedded engine never waits, so its coroutines end at the first step."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def _holds(rows: Sequence[RelationshipTuple], relation: str, object_: str) -> bool:
    """The same question put to the engine directly, with nothing between."""
    index = TupleIndex(MODEL)
    index.load(rows)
    said: dict[Key, Row] = {(AGENT, "in_context"): Row({MIRA: None}, EMPTY.usersets)}
    return Query(PROGRAM, index, MIRA, Circumstances(NOW, {}), overlay_of(index.places, index.tables, said)).holds(
        relation, object_
    )


def _may(rows: Sequence[RelationshipTuple], one: Tool) -> bool:
    """What the whole rule says of a tool, a prompt or a resource."""
    return _holds(rows, {"tool": "can_call", "prompt": "can_get"}.get(one.kind.value, "can_read"), one.id)


def _names(arguments: dict[str, Any]) -> list[str] | None:
    """The tickets a call names without doubt, said independently of the product's extractor."""
    value = arguments.get("ticket")
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    clear = [one for one in values if (isinstance(one, str) and one) or (isinstance(one, int) and one is not True)]
    return [str(one) for one in clear] if clear and len(clear) == len(values) else None


@pytest.mark.parametrize("items", [TOOLS, PROMPTS, RESOURCES, ITEMS], ids=["tools", "prompts", "resources", "mixed"])
@settings(deadline=None)
@given(companies(), SCOPES)
def test_a_thing_is_listed_exactly_when_the_rule_of_its_kind_holds(
    items: list[Tool], rows: list[RelationshipTuple], scopes: frozenset[str]
) -> None:
    listed = _now(authorization(rows).visible(mira(scopes), items, now=NOW)).tools
    expected = [t.id for t in items if t.state is ReviewState.APPROVED and _may(rows, t)]
    assert list(listed) == expected


@settings(max_examples=300, deadline=None)
@given(companies(), st.sampled_from(ITEMS), ARGUMENTS, SCOPES)
def test_a_use_is_allowed_exactly_when_thing_scope_and_each_clearly_named_resource_hold(
    rows: list[RelationshipTuple], one: Tool, arguments: dict[str, Any], scopes: frozenset[str]
) -> None:
    decision = _now(authorization(rows).decide(mira(scopes), one, arguments, now=NOW))
    names = _names(arguments) if one.resources else []
    in_scope = "mcp:write" in scopes or (one.risk is Risk.READ and "mcp:read" in scopes)
    expected = (
        one.state is ReviewState.APPROVED
        and in_scope
        and _may(rows, one)
        and names is not None
        and all(
            _holds(rows, rule.relation, resource_id("ticket", "tickets", name))
            for rule in one.resources
            for name in names
        )
    )
    assert decision.allowed is expected
    assert decision.allowed == (codes(decision) == ["access.allowed"])


@settings(max_examples=300, deadline=None)
@given(companies(), st.sampled_from(ITEMS), ARGUMENTS)
def test_list_and_use_agree(rows: list[RelationshipTuple], one: Tool, arguments: dict[str, Any]) -> None:
    asked = authorization(rows)
    decision = _now(asked.decide(mira(), one, arguments, now=NOW))
    listed = one.id in _now(asked.visible(mira(), ITEMS, now=NOW)).tools
    refused_by_resource = all(code.startswith("resource.") for code in codes(decision))
    assert listed is (decision.allowed or refused_by_resource)


@settings(deadline=None)
@given(companies(), st.sampled_from(ITEMS), ARGUMENTS)
def test_a_kept_decision_is_the_one_that_would_be_made_anew(
    rows: list[RelationshipTuple], one: Tool, arguments: dict[str, Any]
) -> None:
    asked = authorization(rows)
    first = _now(asked.decide(mira(), one, arguments, now=NOW))
    again = _now(asked.decide(mira(), one, arguments, now=NOW))
    anew = _now(authorization(rows, cached_decisions=0).decide(mira(), one, arguments, now=NOW))
    assert first == again == anew


GOVERNED_ALIKE = [TOOLS[1], item(Kind.PROMPT, "close", Risk.WRITE, resources=WRITES), RESOURCES[2]]
SIDES = {
    "user access": ("user.not_allowed", f"{MIRA} caller server:tickets"),
    "agent grant": ("agent.not_granted", f"{AGENT}#acting_for agent_caller server:tickets"),
    "delegation": ("agent.not_delegated", f"{MIRA} delegator {AGENT}"),
    "its own availability": ("tool.not_available", "user:* enabled {}"),
    "server availability": ("tool.not_available", "user:* enabled server:tickets"),
    "user's right to the resource": ("resource.user_not_allowed", f"{MIRA} editor ticket:tickets/T-1"),
    "agent's right to the resource": (
        "resource.agent_not_granted",
        f"{AGENT}#acting_for agent_writer ticket:tickets/T-1",
    ),
}
UNRELATED = st.lists(
    st.sampled_from(
        [
            "user:local/omar caller server:tickets",
            "user:local/omar editor ticket:tickets/T-1",
            "user:* enabled server:other",
            f"{MIRA} caller server:other",
            f"{AGENT}#acting_for agent_caller server:other",
            "agent:local/other#acting_for agent_caller server:tickets",
            f"{MIRA} delegator agent:local/other",
            *(f"user:* writable {one.id}" for one in GOVERNED_ALIKE),
            f"{MIRA} editor ticket:tickets/T-2",
            f"{MIRA} member group:eng",
        ]
    ),
    unique=True,
)


@pytest.mark.parametrize("one", GOVERNED_ALIKE, ids=lambda one: one.kind.value)
@pytest.mark.parametrize("side", SIDES)
@settings(deadline=None)
@given(more=UNRELATED)
def test_taking_away_any_one_side_turns_an_allow_into_a_deny_that_names_it(
    side: str, one: Tool, more: list[str]
) -> None:
    needed = [text.format(one.id) for _, text in SIDES.values()]
    needed.append(f"server:tickets server {one.id}")
    reason, gone = SIDES[side]
    whole = _now(authorization(map(row, [*needed, *more])).decide(mira(), one, {"ticket": "T-1"}, now=NOW))
    rest = [text for text in needed if text != gone.format(one.id)]
    part = _now(authorization(map(row, [*rest, *more])).decide(mira(), one, {"ticket": "T-1"}, now=NOW))
    assert whole.allowed
    assert codes(part) == [reason]


GRANTS = st.lists(
    st.tuples(
        st.sampled_from([MIRA, "user:local/omar", "user:*", "group:eng#member", "role:support#assignee"]),
        st.sampled_from([AGENT, "agent:local/other"]),
        st.sampled_from([None, GRANT_ACTIVE, GRANT_EXPIRED, "revoked"]),
    ),
    min_size=20,
    max_size=40,
)
MEMBERSHIPS = st.sets(
    st.sampled_from(
        [
            f"{MIRA} member group:sre",
            "group:sre#member member group:eng",
            "group:eng#member member group:sre",
            "group:eng#member assignee role:support",
            f"{MIRA} delegator {AGENT}",
        ]
    )
)


@settings(deadline=None)
@given(GRANTS, MEMBERSHIPS, st.sets(st.integers(0, 39)))
def test_many_grants_on_one_server_are_narrowed_without_changing_an_answer(
    grants: list[tuple[str, str, str | None]], memberships: set[str], ended: set[int]
) -> None:
    rows = [*map(row, sorted(memberships)), row("user:* audience grant:nobody")]
    for number, (audience, agent, active) in enumerate(grants):
        one = f"grant:{number}"
        rows += [row(f"{agent} agent {one}"), row(f"{audience} audience {one}")]
        rows.append(row(f"{one}#effective agent_reader server:tickets"))
        if active != "revoked":
            rows.append(row(f"user:* active {one}", expires_at=active))
    gone = [one for one in rows if one.relation == "audience" and int(one.object[6:].replace("nobody", "99")) in ended]
    relationships = EmbeddedRelationships(MODEL)
    relationships.replace(rows, revision=1)
    _now(relationships.follow([_deleted(number, one) for number, one in enumerate(gone, start=2)]))
    check = Check(MIRA, "agent_reader", "server:tickets")
    narrowed = _now(relationships.answer([check], in_context=InContext(MIRA, AGENT), now=NOW)).answers[check]
    assert narrowed is _holds([one for one in rows if one not in gone], "agent_reader", "server:tickets")


def _deleted(revision: int, one: RelationshipTuple) -> Change:
    payload = {"object": one.object, "relation": one.relation, "subject": one.subject, "condition": None}
    return Change(revision, NOW, "test", "tuple.deleted", payload)


DECISIONS = st.builds(
    Decision,
    effect=st.sampled_from(Effect),
    reasons=st.lists(st.builds(Reason, st.sampled_from(["access.allowed", "user.not_allowed"])), max_size=2).map(tuple),
    obligations=st.lists(st.builds(Obligation, st.sampled_from("ab")), max_size=2).map(tuple),
)


@settings(deadline=None)
@given(st.lists(DECISIONS, max_size=5))
def test_all_of_allows_exactly_when_there_is_a_part_and_every_part_allows(parts: list[Decision]) -> None:
    whole = all_of(parts)
    assert whole.allowed is (bool(parts) and all(part.allowed for part in parts))
    assert all(reason in whole.reasons for part in parts for reason in part.reasons)
    assert all(one in whole.obligations for part in parts for one in part.obligations)


@settings(deadline=None)
@given(st.lists(DECISIONS, min_size=1, max_size=3), st.lists(DECISIONS, min_size=1, max_size=3))
def test_all_of_does_not_care_how_its_parts_are_grouped_or_ordered(one: list[Decision], two: list[Decision]) -> None:
    assert all_of([all_of(one), all_of(two)]) == all_of([*one, *two])
    assert all_of([*one, *two]).effect is all_of([*two, *one]).effect


def test_a_single_deny_outweighs_every_allow() -> None:
    assert not all_of([allow(Reason("access.allowed"))] * 9 + [deny(Reason("user.not_allowed"))]).allowed


@settings(deadline=None)
@given(DECISIONS)
def test_a_decision_has_no_truth_value(decision: Decision) -> None:
    with pytest.raises(TypeError):
        bool(decision)
