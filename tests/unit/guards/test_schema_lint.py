from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.guards import lint


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def doubling(steps: int) -> dict[str, Any]:
    """Each part refers twice to the next: 2^steps to check, a few bytes to say."""
    parts: dict[str, Any] = {
        f"p{i}": {"allOf": [{"$ref": f"#/$defs/p{i + 1}"}, {"$ref": f"#/$defs/p{i + 1}"}]} for i in range(steps)
    }
    return {"type": "object", "$ref": "#/$defs/p0", "$defs": {**parts, f"p{steps}": {}}}


def chain(length: int) -> dict[str, Any]:
    parts: dict[str, Any] = {f"p{i}": {"$ref": f"#/$defs/p{i + 1}"} for i in range(length)}
    return {"type": "object", "$ref": "#/$defs/p0", "$defs": {**parts, f"p{length}": {}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
        {"type": "object", "properties": {"t": {"$dynamicRef": "#T"}}, "$defs": {"t": {"$dynamicAnchor": "T"}}},
        {"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"},
        {"type": "object", "x-vendor": {"anything": [1, 2]}},
        nested(10),
        doubling(8),
        chain(100),
    ],
)
def test_a_usable_schema_has_no_finding(schema: object) -> None:
    assert lint(schema) is None


@pytest.mark.parametrize(
    ("schema", "finding"),
    [
        (None, "not an object"),
        ("object", "not an object"),
        ({"title": "x"}, 'lacks "type": "object"'),
        ({"type": ["object", "null"]}, 'lacks "type": "object"'),
        ({"type": "object", "description": "x" * 70_000}, "larger than"),
        (nested(40), "nested deeper"),
        (nested(3000), "nested deeper"),
        ({"type": "object", "allOf": [{"type": "object"}] * 2100}, "more than 2000 parts"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.com/s"}}}, "outside itself"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "outside itself"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}, "invalid"),
        ({"type": "object", "properties": {"a": {"type": "strnig"}}}, "invalid"),
        ({"type": "object", "properties": {"a": {"pattern": "(a"}}}, "at /properties/a/pattern"),
        ({"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}}, "linear time"),
        ({"type": "object", "properties": {"a": {"pattern": "(a{1000}){1000}"}}}, "linear time"),
        ({"type": "object", "$schema": "https://example.com/dialect"}, "invalid"),
        (doubling(30), "multiply"),
        (chain(1500), "too long a chain"),
    ],
)
def test_an_unusable_schema_is_found_out(schema: object, finding: str) -> None:
    assert finding in (lint(schema) or "")
