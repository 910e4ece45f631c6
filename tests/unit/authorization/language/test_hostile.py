"""Models nobody means well with: refused with a place, in time that grows with the text and no faster."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization.engine.model import compile_gateway_model
from mcp_gateway.authorization.language.dsl import MAX_BYTES, parse, read
from mcp_gateway.authorization.language.json_model import to_json
from mcp_gateway.authorization.language.modules import read_contents
from mcp_gateway.authorization.language.printing import to_dsl
from mcp_gateway.authorization.language.validation import problems_of
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.world import MODEL

HEAD = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n"
SHIPPED = to_dsl(MODEL.document)


def first_problem(text: str) -> str:
    problems = read(text, where="m.fga").problems
    assert problems
    return str(problems[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\ufeff" + HEAD + "define a: [user]", "m.fga:1:1: a byte order mark"),
        (HEAD + "define a: [user]\0", "m.fga:6:17: the character U+0000"),
        (HEAD + "define a: [user] # \u202e bidi", "m.fga:6:20: the character U+202E"),
        (HEAD + "define a: [us\u200ber]", "m.fga:6:14: the character U+200B"),
        (HEAD + "define a: [user]\rdefine b: [user]", "m.fga:6:17: the character U+000D"),
        (HEAD + "define \u0430: [user]", "m.fga:6:8: the character U+0430, which is not ASCII"),
        (HEAD + "define a: [\uff55ser]", "m.fga:6:12: the character U+FF55, which is not ASCII"),
        (HEAD + "define a:\u00a0[user]", "m.fga:6:10: the character U+00A0, which is not ASCII"),
        (HEAD + "define a: [user]\u2028define b: [user]", "m.fga:6:17: the character U+2028"),
        (HEAD + "define a: [user]; drop", "m.fga:6:17: the character ';' has no meaning"),
        (HEAD + "define a: [user]\ncondition c(x: string) {\n  x == 'open\n}", "m.fga:8:8: this quote is not closed"),
        (HEAD + "define a: " + "(" * 21 + "b" + ")" * 21, "m.fga:6:31: more than 20 nested parentheses"),
        (HEAD + "define a: [user]\ncondition c(x: int) {" + "{" * 5000, "m.fga:7:5022: expected `}` before the end"),
        ("model\n  schema 9.9\ntype \udc80", "m.fga:3:6: the character U+DC80"),
        ("#" * (MAX_BYTES + 1), "m.fga: the model is larger than 262144 bytes"),
        ("é" * (MAX_BYTES // 2 + 1), "m.fga: the model is larger than 262144 bytes"),
    ],
)
def test_what_looks_like_a_model_and_is_none_is_refused_at_its_place(text: str, said: str) -> None:
    assert first_problem(text).startswith(said)


def test_line_ends_of_any_editor_say_the_same_model() -> None:
    text = HEAD + "define a: [user] # who\ncondition c(x: int) {\n  x > 1\n}\n"
    assert parse(text.replace("\n", "\r\n")) == parse(text)


def test_a_look_alike_in_a_comment_or_a_string_is_nobodys_name() -> None:
    document = parse(HEAD + 'define a: [user] # \u0430 né\ncondition c(x: string) {\n  x == "né } # \u0430"\n}\n')
    assert document.conditions[0].expression == 'x == "né } # \u0430"'


def test_a_model_has_at_most_a_hundred_types() -> None:
    def problems(types: int) -> list[str]:
        document = parse("model\n  schema 1.1\n" + "".join(f"type t{number}\n" for number in range(types)))
        return [one.sentence for one in problems_of(document, where="m.fga")]

    assert problems(100) == []
    assert problems(101) == ["a model has 1 to 100 types"]
    assert problems(0) == ["a model has 1 to 100 types"]


def test_at_most_a_hundred_problems_are_told() -> None:
    assert len(read(HEAD + "define a: [user]\n" * 500).problems) == 100


@pytest.mark.parametrize(
    "piece",
    [
        "define a: [user]\n",
        "define a: b or c from d\n",
        "define a: b or c and d\n",
        '"\\',
        "'\\\"",
        "but ",
        "but not ",
        "a.",
        "a/",
        "1.",
        "# ",
        " #",
        "(",
        ")",
        "[",
        "[user, ",
        "{",
        "}",
        "condition c(",
        "condition c(x: int) {",
        "\n ",
        "\t",
        "/",
        "type t\n",
        "extend type t\n",
    ],
)
def test_time_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    """Counted in steps of the interpreter, which a busy machine does not change."""
    small, large = (_steps(HEAD + piece * (size // len(piece))) for size in (4_000, 32_000))
    assert large < 8 * small * 1.5 + 20_000


def _steps(text: str) -> int:
    count = 0

    def step(*_: object) -> None:
        nonlocal count
        count += 1

    read(text)  # what the grammar finds out about itself is not counted
    before = sys.getprofile()
    sys.setprofile(step)
    try:
        read(text)
    finally:
        sys.setprofile(before)
    return count


_pieces = st.sampled_from(
    [
        *("model", "schema", "1.1", "1.2", "type", "relations", "define", "module", "extend", "condition", "with"),
        *("or", "and", "but not", "but", "from", "user", "a", "b.c", "x-", "int", "list", "map", "self", "this"),
        *"[](){}<>:,#*\n\t \"'\\/.-0&|=!",
        *("\n  ", "\n    define a: [user]", "\ntype t", "(x: int) {", "\r\n", "\0", "é", "\ufeff", "\udc80"),
    ]
)


@settings(max_examples=400)
@given(
    st.one_of(
        st.text(), st.lists(_pieces, max_size=60).map("".join), st.lists(_pieces).map(lambda some: HEAD + "".join(some))
    )
)
@example(HEAD + "define a: [user with c]\ncondition c(x: int) { }")
@example("module m\nextend type t\n  relations\n    define a: [user]")
@example('"\t"')
def test_any_text_is_a_model_or_refused_with_a_place(text: str) -> None:
    reading = read(text, where="m.fga")
    assert (reading.document is None) == bool(reading.problems)
    for problem in reading.problems:
        assert problem.where.startswith("m.fga")
        assert problem.sentence.isprintable()
    if reading.document is not None:
        problems_of(reading.document, where="m.fga")
        to_json(reading.document)
    try:
        compile_gateway_model(text)
    except OperatorError:
        return


@settings(max_examples=60)
@given(st.data())
def test_the_shipped_model_with_a_piece_cut_out_or_put_in_is_a_model_or_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SHIPPED)))
    end = data.draw(st.integers(start, min(start + 40, len(SHIPPED))))
    text = SHIPPED[:start] + "".join(data.draw(st.lists(_pieces, max_size=3))) + SHIPPED[end:]
    try:
        model = compile_gateway_model(text)
    except OperatorError as exc:
        assert exc.where.startswith("policies/model.fga")
    else:
        assert model.legs("tool", "can_call")


@given(
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(
                [
                    "schema:",
                    "contents:",
                    ' "1.2"',
                    "\n",
                    "- a.fga",
                    "&a ",
                    "*a",
                    "<<: ",
                    "!!str ",
                    "[",
                    "]",
                    "{",
                    "}",
                    "  ",
                ]
            )
        ).map("".join),
    )
)
@example("contents: " + "[" * 15 + "]" * 15)
@example("schema: &a [*a]\ncontents: *a")
@example("{" * 5000)
def test_any_list_of_modules_is_read_or_refused_with_a_place(text: str) -> None:
    contents = read_contents(text)
    assert contents.files or contents.problems
    assert all(one.path.endswith(".fga") and ".." not in one.path.split("/") for one in contents.files)
