"""Observing: a would-deny is let through and told, and some denials never are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, load_model
from mcp_gateway.authorization.rules import NO_RULES, OBSERVABLE, Facts, RuleBook, narrow
from mcp_gateway.model.decision import Decision, Effect, Reason
from mcp_gateway.model.reasons import REASONS
from mcp_gateway.model.tool import Mode, ReviewState, Risk, Tool
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.support.processes import ROOT
from tests.unit.authorization.rules.books import book, narrowed_by, request, rule
from tests.unit.authorization.world import AGENT, MIRA, NOW, READ, allowed_rows, codes, mira, on_ticket, row, tool

pytestmark = pytest.mark.anyio

POLICIES = ROOT / "policies"
OBSERVE = Mode.OBSERVE
GATEWAY_OBSERVES = RuleBook(mode=Mode.OBSERVE)


def _observed(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.observed]


def _tool(
    name: str = "ping",
    mode: Mode | None = OBSERVE,
    risk: Risk = Risk.READ,
    state: ReviewState = ReviewState.APPROVED,
) -> Tool:
    resources = on_ticket() if name == "ticket_get" else ()
    return replace(tool(name, risk, state=state, resources=resources), mode=mode)


def _without(*relations: str, one: str = "ping") -> list[RelationshipTuple]:
    return [found for found in allowed_rows(_tool(one)) if found.relation not in relations]


@pytest.mark.parametrize(
    ("gone", "let_through"),
    [
        ("caller", ["user.not_allowed"]),
        ("agent_caller", ["agent.not_granted"]),
        ("delegator", None),
        ("enabled", None),
    ],
)
async def test_a_missing_right_is_let_through_and_told_but_no_missing_consent_or_approval(
    gone: str, let_through: list[str] | None
) -> None:
    asked = narrowed_by(NO_RULES, _without(gone))
    decision = await asked.decide(mira(), _tool(), {}, now=NOW)
    assert decision.allowed is (let_through is not None)
    assert _observed(decision) == (let_through or [])
    assert codes(decision)[0] == ("access.observed" if let_through else decision.reasons[0].code)
    visible = await asked.visible(mira(), [_tool()], now=NOW)
    assert bool(visible.tools) is decision.allowed, "what is listed is what may be called"


@pytest.mark.parametrize("gone", [(), ("caller",), ("caller", "agent_caller")])
async def test_what_a_model_asks_besides_the_three_sides_is_never_only_observed(
    gone: tuple[str, ...], tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies)
    gateway = policies / "gateway.fga"
    asked, more = "define can_call: user_can_call and", "define cleared: [user]\n    define can_call: cleared and"
    gateway.write_text(gateway.read_text().replace(asked, f"{more} user_can_call and"))
    for cleared in (False, True):
        relationships = EmbeddedRelationships(load_model(policies))
        facts = [row(f"{MIRA} cleared {_tool().id}")] if cleared else []
        relationships.replace([*_without(*gone), *facts], revision=1)
        authorization = Authorization(relationships, book=GATEWAY_OBSERVES)
        decision = await authorization.decide(mira(), _tool(), {}, now=NOW)
        assert decision.allowed is cleared
        assert cleared or "tool.not_available" in codes(decision)
        assert bool((await authorization.visible(mira(), [_tool()], now=NOW)).tools) is cleared


@pytest.mark.parametrize(
    ("arguments", "let_through"),
    [({"ticket": "T-9"}, ["resource.user_not_allowed"]), ({}, ["resource.unidentified"]), ({"ticket": "T-1"}, [])],
)
async def test_a_missing_resource_right_is_let_through_and_told(
    arguments: dict[str, str], let_through: list[str]
) -> None:
    one = _tool("ticket_get")
    rows = [*allowed_rows(one), row("server:tickets server ticket:tickets/T-9")]
    decision = await narrowed_by(NO_RULES, rows).decide(mira(), one, arguments, now=NOW)
    assert decision.allowed
    assert _observed(decision) == let_through


async def test_the_narrowest_mode_counts() -> None:
    rows = _without("caller")
    for book_, mode, allowed in [
        (NO_RULES, None, False),
        (NO_RULES, Mode.OBSERVE, True),
        (GATEWAY_OBSERVES, None, True),
        (GATEWAY_OBSERVES, Mode.ENFORCE, False),
    ]:
        decision = await narrowed_by(book_, rows).decide(mira(), _tool(mode=mode), {}, now=NOW)
        assert decision.allowed is allowed


async def test_neither_scope_nor_review_state_nor_an_unanswered_question_is_only_observed() -> None:
    asked = narrowed_by(GATEWAY_OBSERVES, allowed_rows(_tool(risk=Risk.WRITE)))
    assert codes(await asked.decide(mira(READ), _tool(risk=Risk.WRITE), {}, now=NOW)) == ["scope.insufficient"]
    pending = _tool(state=ReviewState.PENDING)
    assert codes(await asked.decide(mira(), pending, {}, now=NOW)) == ["tool.not_available"]
    assert (await asked.visible(mira(), [pending], now=NOW)).tools == ()
    intruded = narrowed_by(GATEWAY_OBSERVES, [*allowed_rows(_tool()), row(f"{MIRA} in_context {AGENT}")])
    assert codes(await intruded.decide(mira(), _tool(), {}, now=NOW)) == ["relationship.in_context_stored"]
    assert (await intruded.visible(mira(), [_tool()], now=NOW)).tools == ()


async def test_a_rule_that_only_observes_lets_through_what_it_denies_and_nothing_it_cannot_decide() -> None:
    rows = allowed_rows(_tool(mode=None))
    denies = narrowed_by(book(rule("false", mode="observe")), rows)
    decision = await denies.decide(mira(), _tool(mode=None), {}, now=NOW)
    assert (decision.allowed, codes(decision), _observed(decision)) == (True, ["access.observed"], ["rule.denied"])
    assert decision.rules[0].result == "denied"
    cannot = narrowed_by(book(rule("session.id == ''", mode="observe")), rows)
    assert codes(await cannot.decide(mira(), _tool(mode=None), {}, now=NOW)) == ["rule.undecidable"]
    other = narrowed_by(book(rule("false", mode="observe")), [one for one in rows if one.relation != "caller"])
    decision = await other.decide(mira(), _tool(mode=None), {}, now=NOW)
    assert (codes(decision), _observed(decision)) == (["user.not_allowed"], ["rule.denied"])


async def test_a_role_that_is_missing_can_be_observed() -> None:
    policies = book(tools="tickets: {roles: [role:support]}", mode=Mode.OBSERVE)
    decision = await narrowed_by(policies, allowed_rows(_tool(mode=None))).decide(mira(), _tool(mode=None), {}, now=NOW)
    assert (decision.allowed, _observed(decision)) == (True, ["role.not_held"])


@pytest.mark.parametrize("mode", list(Mode))
def test_a_denial_that_says_nothing_stays_one(mode: Mode) -> None:
    bound = book(rule("true"), mode=mode).of(_tool(mode=None))
    assert bound is not None
    decision = narrow(Decision(Effect.DENY, ()), bound, Facts(mira(), _tool(), None, request(), NOW, {}, {}))
    assert codes(decision) == ["decision.silent"]


CODES = st.lists(st.sampled_from(sorted(REASONS)), max_size=3, unique=True)
VERDICTS = st.lists(st.sampled_from(["true", "false", "session.id == 'x'"]), max_size=2)
MODES = st.sampled_from([None, *Mode])
BOOKS: dict[tuple[tuple[str, str], ...], RuleBook] = {}


def _book(requires: list[str], modes: list[Mode], mode: Mode) -> RuleBook:
    key = (*zip(requires, modes, strict=False), (mode.value, ""))
    if key not in BOOKS:
        texts = [rule(text, name=f"r{n}", mode=modes[n]) for n, text in enumerate(requires)]
        BOOKS[key] = book(
            "rules:\n" + "".join(text.removeprefix("rules:\n") for text in texts) if texts else "", mode=mode
        )
    return BOOKS[key]


@settings(deadline=None)
@given(
    CODES, VERDICTS, st.lists(st.sampled_from(list(Mode)), min_size=2, max_size=2), MODES, st.sampled_from(list(Mode))
)
def test_observing_never_lets_through_more_than_it_may(
    reasons: list[str], requires: list[str], modes: list[Mode], of_tool: Mode | None, of_gateway: Mode
) -> None:
    base = Decision(Effect.DENY if reasons else Effect.ALLOW, tuple(map(Reason, reasons or ["access.allowed"])))
    one = _tool(mode=of_tool)
    bound = _book(requires, modes, of_gateway).of(one)
    if bound is None:
        return
    decision = narrow(base, bound, Facts(mira(), one, None, request(), NOW, {}, {}))
    undecided = any(text.startswith("session") for text in requires)
    never = undecided or not OBSERVABLE.issuperset(reasons)
    if never:
        assert not decision.allowed
        assert all(reason.code in OBSERVABLE for reason in decision.observed)
    if decision.allowed and (reasons or "false" in requires):
        assert decision.observed, "what was let through is told"
        assert codes(decision) == ["access.observed"]
    if not bound.observed:
        assert decision.allowed is (
            base.allowed
            and not undecided
            and all(text != "false" or mode is Mode.OBSERVE for text, mode in zip(requires, modes, strict=False))
        ), "a book that enforces only narrows"


NEEDED = ["caller", "agent_caller", "delegator", "enabled", "server"]


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from(NEEDED)), st.sampled_from(["true", "false", "session.id == ''"]), MODES)
def test_a_list_holds_exactly_the_tools_whose_call_without_arguments_is_allowed(
    gone: set[str], require: str, mode: Mode | None
) -> None:
    asked = narrowed_by(_book([require], [Mode.ENFORCE], Mode.ENFORCE), _without(*gone))
    one = _tool(mode=mode)

    async def both() -> tuple[bool, bool]:
        visible = await asked.visible(mira(), [one], now=NOW, request=request())
        return bool(visible.tools), (await asked.decide(mira(), one, {}, now=NOW, request=request())).allowed

    listed, allowed = anyio.run(both)
    assert listed is allowed
