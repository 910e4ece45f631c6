"""OpenFGA's own cases of the modelling language: what is wrong is named, every time at the same place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.authorization.engine.model import is_object
from mcp_gateway.authorization.language.dsl import read
from mcp_gateway.authorization.language.files import read_model
from mcp_gateway.authorization.language.json_model import to_json
from mcp_gateway.authorization.language.modules import read_contents
from mcp_gateway.authorization.language.problems import Problem
from mcp_gateway.authorization.language.syntax import Place
from mcp_gateway.authorization.language.validation import problems_of
from tests.unit.authorization.language.corpus import cases, folders

END_OF_FILE = "<EOF>"

CONTRADICTED = {
    "union does not require all child to have entry",
    "union does not require all child to have entry even for intersection child",
    "union does not require all child to have entry even for exclusion child",
}
"""Cases their own suite skips, and the server contradicts: it takes no relation that follows from itself by name."""


@pytest.mark.parametrize("case", cases("dsl-syntax-validation-cases.yaml"))
def test_every_mistake_of_grammar_is_named_at_its_place(case: dict[str, Any]) -> None:
    found = read(case["dsl"], where="model.fga").problems
    expected: list[dict[str, Any]] = case.get("expected_errors") or []
    for problem, error in zip(found, expected, strict=True):
        if error.get("metadata", {}).get("symbol") == END_OF_FILE:
            assert _start(problem.place) == (error["line"]["start"], error["column"]["start"])
        else:
            assert _span(problem.place) == _said(error)


@pytest.mark.parametrize("case", cases("dsl-semantic-validation-cases.yaml"))
def test_everything_that_makes_no_sense_is_named_at_its_place(case: dict[str, Any]) -> None:
    reading = read(case["dsl"], where="model.fga")
    assert reading.document is not None
    found = problems_of(reading.document, where="model.fga")
    if case["name"] in CONTRADICTED:
        assert {one.kind for one in found} == {"relation.hollow"}
    else:
        assert _spans(found) == _expected(case)


@pytest.mark.parametrize("case", cases("fga-mod-transformer-cases.yaml"))
def test_a_list_of_modules_is_read_with_its_places(case: dict[str, Any]) -> None:
    contents = read_contents(case["modFile"])
    assert _spans(contents.problems) == _expected(case)
    if "json" in case:
        expected = json.loads(case["json"])["contents"]["value"]
        assert [(one.path, _span(one.place)) for one in contents.files] == [
            (one["value"], _said(one)) for one in expected
        ]


@pytest.mark.parametrize("folder", folders("transformer-module", having="combined.fga"))
def test_modules_are_put_together_into_one_model(folder: Path, tmp_path: Path) -> None:
    reading = read_model(_as_folder(folder, tmp_path))
    assert reading.document is not None
    assert not reading.problems
    expected = json.loads((folder / "authorization-model.json").read_text(encoding="utf-8"))
    assert _ordered(to_json(reading.document)) == _ordered(expected)


@pytest.mark.parametrize("folder", folders("transformer-module", having="expected_errors.json"))
def test_every_problem_of_every_module_is_named_with_its_file(folder: Path, tmp_path: Path) -> None:
    mod = _as_folder(folder, tmp_path)
    found = [(Path(one.file).name, *_span(one.place)) for one in read_model(mod).problems]
    expected = json.loads((folder / "expected_errors.json").read_text(encoding="utf-8"))
    assert sorted(found) == sorted((one["file"], *_said(one)) for one in expected)


TAKEN_IDS = {
    "invalid: comma (regression - '-' must stay a literal, not a range)": "a server takes it too",
    "invalid: starts with colon": "an id may hold a colon: a part too long for an id becomes `sha256:…`",
    "invalid: contains colon": "an id may hold a colon",
    "invalid: ends with colon": "an id may hold a colon",
}
"""Ids their check of test files refuses and ours does not: name -> why."""


@pytest.mark.parametrize("case", cases("object-id-validation-cases.yaml"))
def test_an_object_is_what_openfga_takes_for_one(case: dict[str, Any]) -> None:
    assert is_object(f"document:{case['object_id']}") == (case["valid"] or case["name"] in TAKEN_IDS)


def _as_folder(folder: Path, to: Path) -> Path:
    """The modules of a case where a fga.mod names them, in the order of their names."""
    names: list[str] = []
    for file in sorted((folder / "module").rglob("*.fga")):
        name = str(file.relative_to(folder / "module"))
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(file.read_bytes())
        names.append(name)
    mod = to / "fga.mod"
    mod.write_text(json.dumps({"schema": "1.2", "contents": names}), encoding="utf-8")
    return mod


def _said(error: dict[str, Any]) -> tuple[int, int, int]:
    return error["line"]["start"], error["column"]["start"], error["column"]["end"]


def _span(place: Place) -> tuple[int, int, int]:
    """Line and columns counted from 0, as the cases count."""
    return place.line - 1, place.column - 1, place.end - 1


def _start(place: Place) -> tuple[int, int]:
    return place.line - 1, place.column - 1


def _expected(case: dict[str, Any]) -> list[tuple[int, int, int]]:
    errors: list[dict[str, Any]] = case.get("expected_errors") or []
    return sorted(map(_said, errors))


def _spans(problems: Iterable[Problem]) -> list[tuple[int, int, int]]:
    return sorted(_span(one.place) for one in problems)


def _ordered(model: dict[str, Any]) -> Any:
    """The model with its types by name; the order of modules is nothing it says."""
    return {**model, "type_definitions": sorted(model["type_definitions"], key=lambda one: one["type"])}
