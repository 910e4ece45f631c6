"""OpenFGA's own cases of the two notations of a model: what one says, the other says too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from mcp_gateway.authorization.language.canonical import canonical
from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.json_model import from_json, to_json
from mcp_gateway.authorization.language.printing import to_dsl
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.language.corpus import cases, folders


@pytest.mark.parametrize("folder", folders("transformer", having="authorization-model.fga"))
def test_text_and_json_of_a_model_turn_into_each_other(folder: Path) -> None:
    text = (folder / "authorization-model.fga").read_text(encoding="utf-8")
    model = json.loads((folder / "authorization-model.json").read_text(encoding="utf-8"))
    assert _without_empty(to_json(parse(text))) == _without_empty(model)
    assert to_dsl(from_json(model)) == text
    assert canonical(from_json(model)) == canonical(parse(text))


@pytest.mark.parametrize("folder", folders("transformer-module", having="authorization-model.json"))
def test_a_modular_model_keeps_its_modules_in_json_and_tells_them_in_text(folder: Path) -> None:
    model = json.loads((folder / "authorization-model.json").read_text(encoding="utf-8"))
    document = from_json(model)
    assert _without_empty(to_json(document)) == _without_empty(model)
    parts = [*document.types, *(one for kind in document.types for one in kind.relations), *document.conditions]
    modules = sorted({one.source.module for one in parts if one.source.module})
    assert modules == json.loads((folder / "expected_modules.json").read_text(encoding="utf-8"))
    for name, sources in (("combined.fga", False), ("combined-sourceinfo.fga", True)):
        if (folder / name).exists():
            assert to_dsl(document, sources=sources) == (folder / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", cases("json-syntax-transformer-validation-cases.yaml"))
def test_json_the_language_cannot_say_is_refused_when_it_is_printed(case: dict[str, Any]) -> None:
    document = from_json(json.loads(case["json"]))
    if case.get("valid", True):
        assert to_dsl(document)
        return
    with pytest.raises(OperatorError, match="cannot be said in the modelling language"):
        to_dsl(document)


@pytest.mark.parametrize("case", cases("json-validation-cases.yaml"))
def test_json_that_is_no_model_is_refused(case: dict[str, Any]) -> None:
    if not case["expected_errors"]:
        from_json(json.loads(case["json"]))
        return
    symbol = case["expected_errors"][0]["metadata"]["symbol"]
    with pytest.raises(OperatorError) as refused:
        from_json(json.loads(case["json"]))
    assert symbol in str(refused.value) or case["name"].startswith("condition key")


def _without_empty(value: object) -> object:
    """JSON without what says nothing: null, and empty objects and arrays that are not a word of their own."""
    if isinstance(value, list):
        return [_without_empty(one) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    said = cast("dict[str, object]", value)
    return {key: _without_empty(one) for key, one in said.items() if one or key in ("this", "wildcard")}
