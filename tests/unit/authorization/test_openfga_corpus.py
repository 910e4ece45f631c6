"""The check assertions of OpenFGA's own conformance corpus, where `OPENFGA_TESTS` says it lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway.authorization.engine.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.model import Model, compile_model
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import Key, Row, TupleIndex
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

FILES = ("consolidated_1_1_tests.yaml", "abac_tests.yaml")

DIFFERENT = {
    "validation_user_invalid/0": "an id may hold a colon: a part too long for an id becomes `sha256:…`",
}
"""Assertions we answer differently: name -> why."""


def _cases() -> Iterator[Any]:
    folder = os.environ.get("OPENFGA_TESTS")
    if not folder:
        reason = "set OPENFGA_TESTS to the folder of OpenFGA's tests (consolidated_1_1_tests.yaml, abac_tests.yaml)"
        yield pytest.param(None, marks=pytest.mark.skip(reason=reason), id="corpus")
        return
    for name in FILES:
        text = (Path(folder) / name).read_text(encoding="utf-8")
        for test in yaml.load(text, Loader=yaml.CSafeLoader)["tests"]:
            yield pytest.param(test, id=f"{name.split('_')[0]}-{test['name']}")


@pytest.mark.parametrize("test", list(_cases()))
@pytest.mark.parametrize("contextual", [False, True], ids=["stored", "contextual"])
def test_every_check_of_the_corpus_is_answered_as_openfga_answers_it(test: Mapping[str, Any], contextual: bool) -> None:
    stored: list[RelationshipTuple] = []
    if contextual and len(test["stages"]) > 1:
        return  # Stages share one store; contextual tuples would not reach the next one.
    for stage in test["stages"]:
        model = compile_model(stage["model"])
        stored += [_tuple(row) for row in stage.get("tuples") or ()]
        for number, assertion in enumerate(stage.get("checkAssertions") or ()):
            if f"{test['name']}/{number}" not in DIFFERENT:
                _assert_as_expected(model, stored, assertion, contextual, f"{test['name']}/{number}")


def _assert_as_expected(
    model: Model, stored: Sequence[RelationshipTuple], assertion: Mapping[str, Any], contextual: bool, name: str
) -> None:
    more = [_tuple(row) for row in assertion.get("contextualTuples") or ()]
    key: Mapping[str, str] = assertion["tuple"]
    context: Mapping[str, Any] = assertion.get("context") or {}
    try:
        query = _query(
            model, [] if contextual else stored, [*stored, *more] if contextual else more, key["user"], context
        )
        answer: object = query.holds(key["relation"], key["object"])
    except Undecidable:
        answer = "undecidable"
    expected = "undecidable" if "errorCode" in assertion else assertion["expectation"]
    assert answer == expected, f"{name}: {key}"


def _query(
    model: Model,
    stored: Sequence[RelationshipTuple],
    contextual: Sequence[RelationshipTuple],
    subject: str,
    context: Mapping[str, Any],
) -> Query:
    index = TupleIndex(model)
    index.load(stored)
    for row in contextual:
        if model.objection(row.object, row.relation, row.subject, row.condition.name if row.condition else ""):
            raise Undecidable("a contextual tuple the model does not accept")
    return Query(
        compile_program(model), index, subject, Circumstances(None, context), _overlay(model, stored, contextual)
    )


def _overlay(
    model: Model, stored: Sequence[RelationshipTuple], contextual: Sequence[RelationshipTuple]
) -> dict[Key, Row]:
    """Rows with both the stored and the contextual tuples, for every relation a contextual tuple touches."""
    touched = {(row.object, row.relation) for row in contextual}
    index = TupleIndex(model)
    index.load([*(row for row in stored if (row.object, row.relation) in touched), *contextual])
    return index.rows


def _tuple(row: Mapping[str, Any]) -> RelationshipTuple:
    condition = row.get("condition")
    rule = Condition(condition["name"], condition.get("context") or {}) if condition else None
    return RelationshipTuple(row["object"], row["relation"], row["user"], rule)
