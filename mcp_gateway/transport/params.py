"""The parameters of the methods we serve, read strictly: what has another type is refused by its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.tool import Kind
from mcp_gateway.verbs import Completion

_MAX_NAMED = 4_096
"""Characters of a name or URI; what is longer names nothing."""


def text(params: Mapping[str, Any], field: str) -> str:
    value: Any = params.get(field)
    if not isinstance(value, str):
        raise BadRequest(f"params.{field} must be text")
    if len(value) > _MAX_NAMED:
        raise BadRequest(f"params.{field} is too long")
    return value


def an_object(params: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """An object that may be left out."""
    value: Any = params.get(field, {})
    if not isinstance(value, dict):
        raise BadRequest(f"params.{field} must be an object")
    return cast("Mapping[str, Any]", value)


def completion(params: Mapping[str, Any]) -> Completion:
    """`completion/complete`: what is being typed, and for which prompt or template."""
    ref, argument = an_object(params, "ref"), an_object(params, "argument")
    text(argument, "name")
    rest: dict[str, Any] = {"argument": argument}
    if "context" in params:
        rest["context"] = an_object(params, "context")
    match ref.get("type"):
        case "ref/prompt":
            return Completion(Kind.PROMPT, text(ref, "name"), rest)
        case "ref/resource":
            return Completion(Kind.TEMPLATE, text(ref, "uri"), rest)
        case _:
            raise BadRequest("params.ref.type must be ref/prompt or ref/resource")
