"""The rule itself, with answers given by hand: what is named, what the caller sees, what silence means."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mcp_gateway.authorization.judge import judge, public_code, questions, sides, within_scope
from mcp_gateway.authorization.relationships import Answers
from mcp_gateway.authorization.resources import Identified, Unidentified
from mcp_gateway.model.decision import Check, Reason, deny
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import ReviewState, Risk, Tool
from tests.unit.authorization.world import MODEL, READ, WRITE, codes, mira, tool

TICKET = (("can_read", "ticket:tickets/T-1"),)


def _judged(
    resources: Identified = (),
    *,
    no: tuple[str, ...] = (),
    tool_: Tool | None = None,
    principal: Principal | None = None,
) -> list[str]:
    """The reasons when every question is answered yes but those about the relations `no`."""
    one, who = tool_ or tool(), principal or mira()
    first = {check: check.relation not in no for check in questions(who, one, resources)}
    more = sides(who, one, resources, answers=first, legs=MODEL.legs)
    answers = Answers(first | {check: check.relation not in no for check in more}, 1, "m", None)
    return codes(judge(who, one, resources, answers=answers, legs=MODEL.legs))


@pytest.mark.parametrize(
    ("no", "reasons"),
    [
        ((), ["access.allowed"]),
        (("can_call", "user_can_call"), ["user.not_allowed"]),
        (("can_call", "agent_can_call"), ["agent.not_granted"]),
        (("can_call", "agent_can_call", "acting_for"), ["agent.not_delegated"]),
        (("can_call", "available"), ["tool.not_available"]),
        (
            ("can_call", "user_can_call", "agent_can_call", "available"),
            ["user.not_allowed", "agent.not_granted", "tool.not_available"],
        ),
        (("can_call",), ["relationship.unknown"]),
        (("can_read", "viewer"), ["resource.user_not_allowed"]),
        (("can_read", "agent_reader"), ["resource.agent_not_granted"]),
        (("can_read", "viewer", "agent_reader"), ["resource.user_not_allowed", "resource.agent_not_granted"]),
        (("can_read",), ["relationship.unknown"]),
    ],
)
def test_a_denial_names_every_missing_side(no: tuple[str, ...], reasons: list[str]) -> None:
    assert _judged(TICKET, no=no) == reasons


@pytest.mark.parametrize("state", [state for state in ReviewState if state is not ReviewState.APPROVED])
def test_a_tool_that_is_not_approved_is_denied_whatever_the_tuples_say(state: ReviewState) -> None:
    assert _judged(tool_=tool(state=state)) == ["tool.not_available"]


def test_a_call_that_names_no_resource_is_denied() -> None:
    assert _judged(Unidentified("/ticket")) == ["resource.unidentified"]


@pytest.mark.parametrize("relation", ["viewer", "agent_reader", "nothing"])
def test_a_rule_on_a_relation_without_both_sides_denies(relation: str) -> None:
    assert _judged(((relation, "ticket:tickets/T-1"),)) == ["relationship.unknown"]


@pytest.mark.parametrize(
    ("scopes", "risk", "within"),
    [
        (READ, Risk.READ, True),
        (WRITE, Risk.READ, True),
        (READ, Risk.WRITE, False),
        (READ, Risk.DESTRUCTIVE, False),
        (WRITE, Risk.WRITE, True),
        (WRITE, Risk.DESTRUCTIVE, True),
        (frozenset[str](), Risk.READ, False),
    ],
)
def test_a_scope_is_a_ceiling(scopes: frozenset[str], risk: Risk, within: bool) -> None:
    assert within_scope(scopes, risk) is within
    reasons = _judged(tool_=tool(risk=risk), principal=mira(scopes))
    assert reasons == (["access.allowed"] if within else ["scope.insufficient"])


@pytest.mark.parametrize("answers", [{}, None])
def test_a_question_without_an_answer_denies(answers: Mapping[Check, bool] | None) -> None:
    who, one = mira(), tool()
    given = dict.fromkeys(questions(who, one, TICKET), True) if answers is None else {}
    given.pop(Check(who.user, "can_read", "ticket:tickets/T-1"), None)
    decision = judge(who, one, TICKET, answers=Answers(given, 1, "m", None), legs=MODEL.legs)
    assert not decision.allowed
    assert "relationship.unknown" in codes(decision)


@pytest.mark.parametrize(
    ("reasons", "public"),
    [
        (["scope.insufficient"], "scope.insufficient"),
        (["resource.user_not_allowed"], "resource.denied"),
        (["resource.agent_not_granted", "resource.unidentified"], "resource.denied"),
        (["user.not_allowed"], "tool.unavailable"),
        (["agent.not_delegated", "resource.user_not_allowed"], "tool.unavailable"),
        (["scope.insufficient", "user.not_allowed"], "tool.unavailable"),
        (["relationship.unknown"], "authorization.unavailable"),
        (["relationship.in_context_stored"], "authorization.unavailable"),
        (["decision.silent"], "authorization.unavailable"),
        (["relationship.unknown", "resource.user_not_allowed"], "authorization.unavailable"),
        (["scope.insufficient", "relationship.unknown"], "authorization.unavailable"),
        (["user.not_allowed", "relationship.unknown"], "tool.unavailable"),
        (["relationship.unknown", "tool.disabled"], "tool.unavailable"),
        ([], "tool.unavailable"),
    ],
)
def test_the_caller_sees_one_code_and_never_the_side(reasons: list[str], public: str) -> None:
    assert public_code(deny(*map(Reason, reasons))) == public
