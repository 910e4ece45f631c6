from __future__ import annotations

import traceback
from typing import Any

import pytest

from mcp_gateway.errors import AccessDenied, InvalidArguments
from mcp_gateway.guards import SchemaGuard
from tests.unit.guards.calls import OK, CountingUpstream, nobody_listens, permit

pytestmark = pytest.mark.anyio

TICKET: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^T-[0-9]+$"},
        "labels": {"type": "array", "items": {"type": "string", "maxLength": 3}},
        "a/b~c": {"type": "integer"},
        "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "required": ["id"],
    "additionalProperties": False,
}


async def refused(arguments: dict[str, Any], schema: object = TICKET) -> InvalidArguments:
    upstream = CountingUpstream()
    with pytest.raises(InvalidArguments) as caught:
        await SchemaGuard()(permit(arguments, schema=schema), nobody_listens, upstream)
    assert upstream.calls == 0
    return caught.value


async def test_arguments_that_fit_go_on() -> None:
    assert await SchemaGuard()(permit({"id": "T-1"}, schema=TICKET), nobody_listens, CountingUpstream()) is OK


@pytest.mark.parametrize(
    ("arguments", "location", "rule"),
    [
        ({}, "", "required"),
        ({"id": 7}, "/id", "type"),
        ({"id": "391"}, "/id", "pattern"),
        ({"id": "T-1", "labels": ["ok", "long"]}, "/labels/1", "maxLength"),
        ({"id": "T-1", "a/b~c": "x"}, "/a~1b~0c", "type"),
        ({"id": "T-1", "other": 1}, "", "additionalProperties"),
    ],
)
async def test_what_does_not_fit_is_named_by_pointer_and_rule(
    arguments: dict[str, Any], location: str, rule: str
) -> None:
    error = await refused(arguments)
    assert (error.code, error.location, error.rule) == ("arguments.invalid", location, rule)


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": "hunter2"},
        {"id": "T-1", "hunter2": 1},
        {"id": "T-1", "extra": {"hunter2": "x"}},
        {"id": "T-1", "labels": ["hunter2"]},
    ],
)
async def test_neither_the_error_nor_its_traceback_repeats_what_the_caller_sent(arguments: dict[str, Any]) -> None:
    error = await refused(arguments)
    assert "hunter2" not in "".join(traceback.format_exception(error))


async def test_without_a_draft_named_it_is_2020_12() -> None:
    error = await refused(
        {"pair": ["x"]}, {"type": "object", "properties": {"pair": {"prefixItems": [{"type": "integer"}]}}}
    )
    assert error.location == "/pair/0"


async def test_the_draft_a_schema_names_is_used() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"pair": {"items": [{"type": "integer"}]}},
    }
    assert (await refused({"pair": ["x"]}, schema)).location == "/pair/0"


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "objekt"},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}},
        {"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}},
    ],
)
async def test_a_schema_that_cannot_be_checked_denies(schema: object) -> None:
    upstream = CountingUpstream()
    with pytest.raises(AccessDenied) as caught:
        await SchemaGuard()(permit({}, schema=schema), nobody_listens, upstream)
    assert caught.value.code == "tool.unavailable"
    assert caught.value.decision is not None
    assert caught.value.decision.reasons[-1].code == "tool.not_available"
    assert upstream.calls == 0


async def test_a_changed_definition_is_checked_by_its_own_schema() -> None:
    guard = SchemaGuard(max_compiled=1)
    strict = permit({}, schema={"type": "object", "required": ["id"]}, digest="new")
    for _ in range(2):
        assert await guard(permit({}, digest="old"), nobody_listens, CountingUpstream()) is OK
        with pytest.raises(InvalidArguments):
            await guard(strict, nobody_listens, CountingUpstream())
