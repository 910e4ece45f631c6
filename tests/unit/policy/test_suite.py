"""Test files: what is read, and that every mistake is named at its place."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import OperatorError
from mcp_gateway.policy.problems import Invalid
from mcp_gateway.policy.suite import found_in, read
from mcp_gateway.storage.relationships import Condition, RelationshipTuple
from tests.unit.policy.files import SMALL, written

CHECK = "tests:\n  - check: [{user: 'user:ana', object: 'group:a', assertions: {member: true}}]\n"


def test_tuples_are_gathered_from_every_kind_of_file(tmp_path: Path) -> None:
    written(tmp_path, "- {user: 'user:y', relation: member, object: 'group:a'}\n", "t.yaml")
    written(tmp_path, '[{"user": "user:j", "relation": "member", "object": "group:a"}]', "t.json")
    columns = "user_type,user_id,user_relation,relation,object_type,object_id,condition_name,condition_context\n"
    rows = 'group,g,member,member,group,a,,\nuser,c,,member,group,a,fresh,"{""until"": ""2027-01-01T00:00:00Z""}"\n'
    written(tmp_path, columns + rows, "t.csv")
    text = SMALL + CHECK + "tuple_files: [t.yaml, t.json, t.csv]\n"
    *_, yaml_row, json_row, userset, conditional = read(written(tmp_path, text)).tuples
    assert (yaml_row.subject, json_row.subject, userset.subject) == ("user:y", "user:j", "group:g#member")
    expires = Condition("fresh", {"until": "2027-01-01T00:00:00Z"})
    assert conditional == RelationshipTuple("group:a", "member", "user:c", expires)


def test_tuples_that_are_written_out_win_over_the_tuple_file(tmp_path: Path) -> None:
    written(tmp_path, "- {user: 'user:y', relation: member, object: 'group:a'}\n", "t.yaml")
    assert len(read(written(tmp_path, SMALL + CHECK + "tuple_file: t.yaml\n")).tuples) == 2


def test_a_moment_without_quotes_is_text_to_a_condition(tmp_path: Path) -> None:
    row = "- {user: 'user:y', relation: member, object: 'group:a', condition: {name: fresh, context: {until: 2027-01-01T00:00:00Z}}}"
    written(tmp_path, row + "\n", "t.yaml")
    last = read(written(tmp_path, SMALL + CHECK + "tuple_files: [t.yaml]\n")).tuples[-1]
    assert last.condition is not None
    assert last.condition.context == {"until": "2027-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("name: [\n", ["2:1"]),
        ("name: x\nname: y\n", ["2:1"]),
        (SMALL, ["1:1: there are neither tests nor cases"]),
        (CHECK, ["1:1: tests need model or model_file"]),
        (SMALL + CHECK.replace("true", "maybe") + "colour: blue\n", ["16:64", "17:1"]),
        (SMALL + "tests:\n  - check: [{user: 'user:ana', assertions: {member: true}}]\n", ["16:13"]),
        (SMALL + "cases:\n  - {name: x, principal: {user: u, agent: a}, tool: t/x, expect: {}}\n", ["16:58"]),
        (
            SMALL + "cases:\n  - {name: x, principal: {user: u, agent: a}, tool: t/x, expect: {reasons: [no.such]}}\n",
            ["`no.such` is no reason code"],
        ),
    ],
)
def test_every_mistake_is_named_with_line_and_column(tmp_path: Path, text: str, places: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read(written(tmp_path, text))
    said = list(map(str, refused.value.problems))
    assert len(said) == len(places)
    for one, place in zip(said, places, strict=True):
        assert f"a.fga.yaml:{place}" in one or place in one


def test_a_row_that_is_none_is_named_in_a_csv_file(tmp_path: Path) -> None:
    written(tmp_path, "user_type,user_id\nuser,ana\n", "t.csv")
    with pytest.raises(Invalid, match=r"t\.csv:2"):
        read(written(tmp_path, SMALL + CHECK + "tuple_files: [t.csv]\n"))


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        "a: 2026-13-45",
        "a: " + "[" * 5000,
        "? [a]\n: b",
        "a: !!python/object:os.system x",
        "a: &x [*x]",
        "a: \0",
        "\ufeff- 1",
        BOMB,
    ],
)
def test_a_hostile_file_is_refused_and_nothing_else_happens(tmp_path: Path, text: str) -> None:
    with pytest.raises(OperatorError):
        read(written(tmp_path, text))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), st.integers(0, len(SMALL)))
def test_reading_a_test_file_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, text: str, at: int
) -> None:
    path = written(tmp_path_factory.getbasetemp(), SMALL[:at] + text + SMALL[at:] + CHECK, "any.fga.yaml")
    with contextlib.suppress(OperatorError):
        read(path)


def test_a_folder_holds_its_test_files_and_a_missing_one_is_named(tmp_path: Path) -> None:
    for name in ("b/x.fga.yaml", "a.cases.yaml", "other.yaml"):
        written(tmp_path, "", name)
    assert [path.name for path in found_in([tmp_path])] == ["a.cases.yaml", "x.fga.yaml"]
    with pytest.raises(OperatorError, match="no such file"):
        found_in([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("store", "places"), [("02-missing-model", ["1:1"]), ("03-additional-properties", ["20:9", "23:1"])]
)
def test_openfgas_own_wrong_stores_are_refused(store: str, places: list[str]) -> None:
    folder = os.environ.get("OPENFGA_TESTS")
    if not folder:
        pytest.skip("set OPENFGA_TESTS to the folder of OpenFGA's tests (language/tests/data/stores)")
    with pytest.raises(Invalid) as refused:
        read(Path(folder) / "language/tests/data/stores" / store / "store.fga.yaml")
    assert [f"{one.line}:{one.column}" for one in refused.value.problems] == places
