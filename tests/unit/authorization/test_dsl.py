"""The parser of the modelling language: what it understands, and that it names the line of what it does not."""

from __future__ import annotations

import pytest

from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    Intersection,
    Restriction,
    Union,
)
from mcp_gateway.errors import OperatorError

HEAD = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n"


def _only_relation(definition: str) -> object:
    return parse(HEAD + definition).types[1].relations[0].rewrite


@pytest.mark.parametrize(
    ("definition", "rewrite"),
    [
        ("define a: [user]", Direct()),
        ("define a: b", Computed("b")),
        ("define a: b from c", From("b", "c")),
        ("define a: [user] or b or c from d", Union((Direct(), Computed("b"), From("c", "d")))),
        ("define a: b and c", Intersection((Computed("b"), Computed("c")))),
        ("define a: b but not c", Exclusion(Computed("b"), Computed("c"))),
        ("define a: b but  not c", Exclusion(Computed("b"), Computed("c"))),
        ("define a: (b or c) and d", Intersection((Union((Computed("b"), Computed("c"))), Computed("d")))),
        ("define a: ((b))", Computed("b")),
        ("define a: butter or order", Union((Computed("butter"), Computed("order")))),
        ("define type: [user]", Direct()),
    ],
)
def test_a_definition_means_its_rewrite(definition: str, rewrite: object) -> None:
    assert _only_relation(definition) == rewrite


def test_restrictions_keep_wildcards_usersets_and_conditions() -> None:
    relation = parse(HEAD + "define a: [user, user:*, user with c, doc#a, doc#a with c]").types[1].relations[0]
    assert relation.restrictions == (
        Restriction("user"),
        Restriction("user", wildcard=True),
        Restriction("user", condition="c"),
        Restriction("doc", "a"),
        Restriction("doc", "a", condition="c"),
    )


def test_comments_are_left_out_and_a_hash_inside_a_userset_is_not_one() -> None:
    document = parse("# first\nmodel # m\n  schema 1.1\n# c\ntype user\ntype g\n  relations\n  define m: [g#m] # x\n")
    assert document.types[1].relations[0].restrictions == (Restriction("g", "m"),)


def test_a_conditions_body_keeps_braces_inside_strings() -> None:
    (condition,) = parse(HEAD + 'define a: [user]\ncondition c(x: string, l: list<int>) {\n x == "}" \n}\n').conditions
    assert condition.expression == 'x == "}"'
    assert [name for name, _ in condition.parameters] == ["x", "l"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "expected `model`"),
        ("model\n  schema two\n", 2, "expected a version such as 1.1"),
        ("model\n schema 1.1\ntyp user\n", 3, "found `typ`"),
        ("model\n schema 1.1\ntype user\n relations\n", 5, "expected a new line"),
        (HEAD + "define a [user]", 6, "expected `:` before `[`"),
        (HEAD + "define a: b or c and d", 6, "different operators"),
        (HEAD + "define a: b but not c but not d", 6, "different operators"),
        (HEAD + "define a: [user] or [doc]", 6, "stands once"),
        (HEAD + "define a: (b or c", 6, "expected `)`"),
        (HEAD + "define a: [user\n, doc", 7, "expected `,`, `]` or a space"),
        (HEAD + "define a: []", 6, "expected a name"),
        (HEAD + "define a: b from", 6, "expected a space"),
        (HEAD + "define a: b\n\n  define c: $", 8, "has no meaning here"),
        (HEAD + "define a: " + "(" * 30 + "b" + ")" * 30, 6, "nested parentheses"),
        (HEAD + "define a: [user]\ncondition c(x: thing) { x }", 7, "or a parameter type, found `thing`"),
        (HEAD + "define a: [user]\ncondition c(x: list<list>) { x }", 7, "expected a parameter type, found `list`"),
        (HEAD + "define a: [user]\ncondition c(x: int, x: int) { true }", 7, "declared twice"),
        (HEAD + "define a: [user]\ncondition c(x: int) {\n x == 1\n", 9, "expected `}` before the end"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(OperatorError) as refused:
        parse(text, where="policies/model.fga")
    assert refused.value.where.startswith(f"policies/model.fga:{line}:")
    assert problem in refused.value.problem


def test_a_model_beyond_the_size_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(OperatorError, match="larger than"):
        parse("#" * (256 * 1024 + 1))
