"""The compiled model: what it refuses at load, its id, and which tuples it accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.authorization.engine.model import compile_gateway_model, compile_model, load_model
from mcp_gateway.authorization.language.printing import to_dsl
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.world import MODEL

HEAD = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n"
POLICY = to_dsl(MODEL.document)


@pytest.mark.parametrize(
    ("body", "line", "problem"),
    [
        ("define a: b", 6, "`b` is not a relation of `doc`"),
        ("define a: [thing]", 6, "`thing` is not a type"),
        ("define a: [doc#b]", 6, "`b` is not a relation of `doc`"),
        ("define a: [user with c]", 6, "`c` is not a condition"),
        ("define a: [user]\ndefine a: [user]", 7, "stands twice"),
        ("define a: [user]\ntype doc", 4, "stands twice"),
        ("define this: [user]", 6, "cannot be named"),
        ("define a: [user]\ndefine b: a from c", 7, "`c` is not a relation"),
        ("define p: [user:*]\ndefine a: [user]\ndefine b: a from p", 8, "directly assigned"),
        ("define p: [doc#a]\ndefine a: [user]\ndefine b: a from p", 8, "directly assigned"),
        ("define p: [doc] or q\ndefine q: [doc]\ndefine a: [user]\ndefine b: a from p", 9, "directly assigned"),
        ("define p: [user]\ndefine a: [user]\ndefine b: a from p", 8, "nothing `p` leads to"),
        ("define a: b\ndefine b: a", 6, "can never hold"),
        ("define a: [doc#a]", 6, "can never hold"),
        ("define a: [user]\ncondition c(x: int) { x + }", 7, "not a CEL expression"),
        ("define a: [user]\ncondition c(x: int) { x + 1 }", 7, "must be a bool"),
        ("define a: [user]\ncondition c(x: int) { y == 1 }", 7, "not a CEL expression"),
        *(
            (f"define a: [user]\ncondition c({parameters}) {{ current_time < {moment} }}", 7, "not a CEL expression")
            for parameters, moment in (
                ("current_time: timestamp, in: timestamp", "in"),
                ("current_time: timestamp, null_type: timestamp", "null_type"),
                ("current_time: timestamp, expires_at: timestamp", "expires"),
                ("expires_at: timestamp", "expires_at"),
            )
        ),
    ],
)
def test_a_model_that_makes_no_sense_is_refused_with_its_line(body: str, line: int, problem: str) -> None:
    with pytest.raises(OperatorError) as refused:
        compile_model(HEAD + body, where="m.fga")
    assert refused.value.where.startswith(f"m.fga:{line}")
    assert problem in refused.value.problem


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("can_call: user_can_call and agent_can_call and available", "can_call: user_can_call", "intersection"),
        ("can_call: user_can_call and agent_can_call and available", "can_call: user_can_call and available", "agent_"),
        ("user_can_call and agent_can_call and available", "user_can_call and agent_can_call", "`available`"),
        (
            "user_can_call and agent_can_call and available",
            "user_can_call or agent_can_call or available",
            "intersection",
        ),
        ("define direct_agent: [", "define direct_agent: [user, ", "`agent_can_call` must hold only through"),
        (
            "define acting_for: in_context and",
            "define acting_for: owner and",
            "through",
        ),
        ("define user_can_call: direct_caller or", "define user_can_call: direct_agent or", "`user_can_call` must not"),
    ],
)
def test_a_model_whose_can_call_lost_a_side_is_refused(old: str, new: str, problem: str) -> None:
    assert old in POLICY
    with pytest.raises(OperatorError) as refused:
        compile_gateway_model(POLICY.replace(old, new))
    assert problem in refused.value.problem
    assert refused.value.where.startswith("policies/model.fga:")


def test_a_model_without_tools_cannot_decide_for_a_gateway() -> None:
    with pytest.raises(OperatorError, match="`tool#can_call` is missing"):
        compile_gateway_model(HEAD + "define a: [user]")


@pytest.mark.parametrize("name", ["can_read", "can_write"])
def test_the_sample_resources_need_the_user_and_the_agent(name: str) -> None:
    for resource_type in ("ticket", "project"):
        MODEL.require_governed(resource_type, name)


@pytest.mark.parametrize(
    ("relation", "problem"),
    [("viewer", "does not intersect"), ("agent_reader", "does not intersect"), ("no", "no rel")],
)
def test_a_mapped_relation_without_both_sides_is_refused(relation: str, problem: str) -> None:
    with pytest.raises(OperatorError, match=problem):
        MODEL.require_governed("ticket", relation, where="registry/tickets.yaml")


def test_the_model_id_follows_the_meaning_and_not_the_spelling() -> None:
    spelled = POLICY.replace("    define", "  define  ") + "\n# a comment\n"
    assert compile_gateway_model(spelled).model_id == MODEL.model_id
    assert compile_gateway_model(POLICY.replace("current_time < e", "current_time <= e")).model_id != MODEL.model_id


def test_an_unreadable_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as refused:
        load_model(tmp_path / "model.fga")
    assert refused.value.where == str(tmp_path / "model.fga")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("user:local/mira reader server:tickets", None),
        ("user:* reader server:tickets", None),
        ("group:eng#member caller server:tickets", "grant_expiry"),
        ("grant:1#effective agent_reader server:tickets", None),
        ("server:tickets server ticket:tickets/sha256:0a", None),
    ],
)
def test_a_tuple_the_model_knows_is_accepted(text: str, condition: str | None) -> None:
    subject, relation, object_ = text.split(" ")
    MODEL.validate_tuple(object_, relation, subject, condition)


@pytest.mark.parametrize(
    ("text", "condition", "problem"),
    [
        ("user:local/mira in_context agent:local/docs", None, "never stored"),
        ("user:mira reader thing:1", None, "no type `thing`"),
        ("user:mira boss server:tickets", None, "no relation `boss`; it has"),
        ("user:mira can_call tool:t/x", None, "follows from other relations"),
        ("agent:local/docs reader server:tickets", None, "does not take `agent`; it takes"),
        ("agent:local/docs agent_reader server:tickets", None, "does not take `agent`"),
        ("user:* member group:eng", None, "does not take `user:*`"),
        ("user:mira reader server:tickets", "office_hours", "with the condition `office_hours`"),
        ("mira reader server:tickets", None, "not a subject"),
        ("user:mira reader tickets", None, "not an object"),
        ("user:mira reader server:*", None, "not an object"),
        ("user:mira reader server:", None, "not an object"),
        ("user:mira reader server:a#b", None, "not an object"),
        ("group:#member reader server:a", None, "not a subject"),
        ("group:*#member reader server:a", None, "not a subject"),
        ("group:g#member member group:g", None, "of itself"),
    ],
)
def test_a_tuple_that_must_not_be_written_is_refused_with_a_sentence(
    text: str, condition: str | None, problem: str
) -> None:
    subject, relation, object_ = text.split(" ")
    with pytest.raises(OperatorError) as refused:
        MODEL.validate_tuple(object_, relation, subject, condition)
    assert problem in refused.value.problem


@pytest.mark.parametrize("context", [{"expires_at": "tomorrow"}, {"until": "2027-01-01T00:00:00Z"}])
def test_a_context_that_does_not_fit_the_condition_is_refused(context: dict[str, str]) -> None:
    with pytest.raises(OperatorError):
        MODEL.validate_tuple("server:s", "reader", "user:mira", "grant_expiry", context=context)
