"""Whatever stands in a document, reading it ends with tools that can be reviewed or with a flaw."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.catalog.index import digest
from mcp_gateway.guards import lint
from mcp_gateway.upstream import unusable
from mcp_gateway.upstream.openapi.binding import bound
from mcp_gateway.upstream.openapi.document import Document, Flaw, read
from mcp_gateway.upstream.openapi.operations import server_info, tools
from mcp_gateway.upstream.openapi.parameters import Taken
from tests.support.apis import shop

SHOP: dict[str, Any] = shop().openapi()
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "#", "#/", "#/paths", "http://127.0.0.1/", "$ref", "object", "multipart/form-data", "a\x00b"]
    )
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "type", "properties", "schema", "in", "name", "content", "get", "x", "allOf", "enum"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The way to every value of the document."""
    found = [way] if way else []
    if isinstance(value, dict):
        for key, member in value.items():  # pyright: ignore[reportUnknownVariableType]
            found += places(member, (*way, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for index, member in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            found += places(member, (*way, index))  # pyright: ignore[reportUnknownArgumentType]
    return found


PLACES = places(SHOP)


def spoiled(way: tuple[str | int, ...], junk: object) -> dict[str, Any]:
    whole = copy.deepcopy(SHOP)
    around: Any = whole
    for step in way[:-1]:
        around = around[step]
    around[way[-1]] = junk
    return whole


def check(document: Document) -> None:
    for tool in tools(document, taken=Taken(), limit=50):
        digest(tool)
        if unusable(tool) is None:
            bound(tool)
            lint(tool["inputSchema"])  # says what is wrong, or nothing
    server_info(document)


@settings(max_examples=120)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
def test_junk_anywhere_is_a_flaw_or_a_finding(changes: list[tuple[tuple[str | int, ...], object]]) -> None:
    for way, junk in changes:
        try:
            check(read(json.dumps(spoiled(way, junk)).encode()))
        except Flaw as flaw:
            assert str(flaw)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_document_are_a_flaw(data: bytes) -> None:
    with pytest.raises(Flaw):
        read(data)


@pytest.mark.parametrize("count", [1, 40])
def test_schemas_that_multiply_are_bounded(count: int) -> None:
    """Each refers twice to the next: 2^40 parts if they were written out."""
    schemas: dict[str, Any] = {
        f"S{n}": {"properties": {side: {"$ref": f"#/components/schemas/S{n + 1}"} for side in "ab"}}
        for n in range(count)
    }
    schemas[f"S{count}"] = {"type": "string"}
    parameter = {"name": "a", "in": "query", "schema": {"$ref": "#/components/schemas/S0"}}
    whole = {
        "openapi": "3.1.0",
        "paths": {"/x": {"get": {"operationId": "x", "parameters": [parameter]}}},
        "components": {"schemas": schemas},
    }
    (tool,) = tools(read(json.dumps(whole).encode()), taken=Taken(), limit=1)
    assert unusable(tool) is None
    assert len(tool["inputSchema"]["$defs"]) == count + 1
    finding = lint(tool["inputSchema"])
    assert (finding is None) == (count == 1)
