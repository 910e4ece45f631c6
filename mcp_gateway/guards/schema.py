"""Arguments fit the tool's approved input schema before they leave; what does not fit is named, never repeated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jsonschema_rs

from mcp_gateway.errors import InvalidArguments
from mcp_gateway.guards.onion import refusal
from mcp_gateway.guards.schema_lint import compiled
from mcp_gateway.model.call import Answer, Caller, Forward, Permit
from mcp_gateway.model.decision import Reason

_MAX_COMPILED = 4096


@dataclass(frozen=True, slots=True)
class _Compiled:
    validator: jsonschema_rs.Validator
    names: frozenset[str]
    """Property names the schema itself spells out."""


class SchemaGuard:
    """Compiled schemas are kept by the definition's digest, the least recently used go first."""

    def __init__(self, *, max_compiled: int = _MAX_COMPILED) -> None:
        self._max_compiled = max_compiled
        self._kept: OrderedDict[str, _Compiled] = OrderedDict()

    async def __call__(self, permit: Permit, caller: Caller, proceed: Forward) -> Answer:
        """Raises InvalidArguments."""
        if permit.method != "tools/call":
            return await proceed(permit, caller)  # nothing else comes with a schema
        schema = self._schema(permit)
        arguments = permit.arguments if isinstance(permit.arguments, dict) else dict(permit.arguments)
        if not schema.validator.is_valid(arguments):
            raise _misfit(schema, arguments)
        return await proceed(permit, caller)

    def _schema(self, permit: Permit) -> _Compiled:
        digest = permit.tool.digest
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
            return kept
        self._kept[digest] = fresh = _compile(permit)
        if len(self._kept) > self._max_compiled:
            self._kept.popitem(last=False)
        return fresh


def _compile(permit: Permit) -> _Compiled:
    schema: Any = permit.tool.definition.get("inputSchema")
    if not isinstance(schema, dict):
        raise refusal(permit, Reason("tool.not_available", "it has no input schema"))
    try:
        return _Compiled(compiled(cast("dict[str, Any]", schema)), frozenset(_property_names(cast("object", schema))))
    except ValueError as exc:
        # Review quarantines such a tool; one that is here all the same is not called unchecked.
        raise refusal(permit, Reason("tool.not_available", "its input schema does not compile")) from exc


def _misfit(schema: _Compiled, arguments: dict[str, Any]) -> InvalidArguments:
    try:
        schema.validator.validate(arguments)
    except jsonschema_rs.ValidationError as exc:
        # The library's error quotes the value, so it is not chained, and neither is its text used.
        return InvalidArguments(_location(exc.instance_path, schema.names), exc.kind.name)
    return InvalidArguments("", "schema")


def _location(path: list[str | int], names: frozenset[str]) -> str:
    """A JSON Pointer (RFC 6901); a key the caller made up is `*`, as it may be anything."""
    return "".join(f"/{_step(step, names)}" for step in path)


def _step(step: str | int, names: frozenset[str]) -> str:
    if isinstance(step, int):
        return str(step)
    return step.replace("~", "~0").replace("/", "~1") if step in names else "*"


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        members = cast("Mapping[str, object]", schema)
        properties = members.get("properties")
        if isinstance(properties, Mapping):
            yield from cast("Mapping[str, object]", properties)
        for member in members.values():
            yield from _property_names(member)
    elif isinstance(schema, list):
        for item in cast("list[object]", schema):
            yield from _property_names(item)
