"""A model as JSON and as text: nothing is lost between them, and foreign JSON is read strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.language.canonical import canonical, model_id
from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.json_model import from_json, to_json
from mcp_gateway.authorization.language.printing import to_dsl
from mcp_gateway.authorization.language.syntax import Document
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.language.documents import documents


@given(documents())
def test_a_document_survives_json(document: Document) -> None:
    assert from_json(to_json(document)) == document


@given(documents())
def test_a_document_survives_being_printed_and_read(document: Document) -> None:
    read = parse(to_dsl(document))
    assert read == document
    assert to_dsl(read) == to_dsl(document)


@given(documents(), st.randoms())
def test_the_order_of_types_relations_and_conditions_changes_no_id(document: Document, random: Any) -> None:
    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(items, len(items)))

    other = Document("1.2", mixed(document.types), mixed(document.conditions))
    assert canonical(other) == canonical(document)
    assert model_id(other) == model_id(document)


def _deep(levels: int) -> dict[str, Any]:
    return {"union": {"child": [_deep(levels - 1)]}} if levels else {"this": {}}


def _one_relation(rewrite: object) -> dict[str, object]:
    return {"schema_version": "1.1", "type_definitions": [{"type": "doc", "relations": {"a": rewrite}}]}


@pytest.mark.parametrize(
    ("model", "pointer", "problem"),
    [
        ([], "", "expected an object"),
        ({}, "/schema_version", "(missing)"),
        ({"schema_version": "1.0"}, "/schema_version", "schema 1.0"),
        ({"schema_version": "1.1", "type_definitions": {}}, "/type_definitions", "expected an array"),
        ({"schema_version": "1.1", "type_definitions": [{"type": "a b"}]}, "/type_definitions/0/type", "not a name"),
        (_one_relation({}), "/type_definitions/0/relations/a", "exactly one thing"),
        (_one_relation({"this": {}, "union": {}}), "/type_definitions/0/relations/a", "exactly one thing"),
        (_one_relation({"expression": {}}), "/type_definitions/0/relations/a/expression", "not a rewrite"),
        (_one_relation({"union": {}}), "/type_definitions/0/relations/a/union", "needs operands"),
        (_one_relation({"computedUserset": {"relation": 3}}), "/type_definitions/0/relations/a", "expected a string"),
        (_one_relation(_deep(40)), "/type_definitions/0/relations/a/union/child/0/union", "nested operators"),
        (
            {"schema_version": "1.1", "conditions": {"c": {"name": "c", "parameters": {"x": {"type_name": "ANY"}}}}},
            "/conditions/c/parameters/x",
            "`any` is not a parameter type",
        ),
    ],
)
def test_json_of_another_shape_is_refused_with_the_place(model: object, pointer: str, problem: str) -> None:
    with pytest.raises(OperatorError) as refused:
        from_json(model, where="model.json")
    assert refused.value.where.startswith(f"model.json{pointer}")
    assert problem in refused.value.problem


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("type", "relations", "metadata", "union", "child", "this", "difference", "base", "name")),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries({"schema_version": st.just("1.1"), "type_definitions": st.lists(_json), "conditions": _json})
)
def test_foreign_json_is_read_or_refused_and_nothing_else(model: dict[str, Any]) -> None:
    try:
        to_json(from_json(model))
    except OperatorError:
        return
