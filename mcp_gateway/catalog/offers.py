"""What a definition of each kind is called, what of it is pinned, and what makes it unfit to be listed. Pure.

The schema of a tool is looked at elsewhere; here is what stands without it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import cast

from mcp_gateway.catalog import templates
from mcp_gateway.catalog.uris import uri_finding
from mcp_gateway.model.tool import JsonObject, Kind

NAME_FIELD: Mapping[Kind, str] = {
    Kind.TOOL: "name",
    Kind.PROMPT: "name",
    Kind.RESOURCE: "uri",
    Kind.TEMPLATE: "uriTemplate",
}
"""Which field of a definition is what it is known by."""

_MAX_NAME: Mapping[Kind, int] = {Kind.TOOL: 128, Kind.PROMPT: 2_048}
_MAX_ARGUMENTS = 100
_MAX_TITLE = 2_048


def pinned(kind: Kind, definition: JsonObject) -> JsonObject:
    """What a reviewer approves of it: of a resource not how large its content is or when it last changed."""
    if kind is not Kind.RESOURCE or not ("size" in definition or "annotations" in definition):
        return definition
    kept = {name: value for name, value in definition.items() if name not in {"size", "annotations"}}
    annotations: object = definition.get("annotations")
    if not isinstance(annotations, Mapping):
        return definition if annotations is not None else kept
    said = cast("JsonObject", annotations)
    lasting = {name: value for name, value in said.items() if name != "lastModified"}
    return {**kept, "annotations": lasting} if lasting else kept


def finding(kind: Kind, name: str, definition: JsonObject) -> str | None:
    """Why it is quarantined, in words that repeat nothing of it."""
    if kind is Kind.RESOURCE:
        return uri_finding(name) or _title_finding(definition)
    if kind is Kind.TEMPLATE:
        return _template_finding(name) or _title_finding(definition)
    return _name_finding(kind, name) or (_arguments_finding(definition) if kind is Kind.PROMPT else None)


def _name_finding(kind: Kind, name: str) -> str | None:
    if len(name) > _MAX_NAME[kind]:
        return f"the name is longer than {_MAX_NAME[kind]} characters"
    return None if name.isprintable() else "the name has control or invisible characters"


def _template_finding(text: str) -> str | None:
    try:
        templates.parse(text)
    except ValueError as exc:
        return str(exc)
    return None


def _title_finding(definition: JsonObject) -> str | None:
    """The `name` of a resource is a title that clients show; the specification requires it."""
    name: object = definition.get("name")
    if not isinstance(name, str) or not name:
        return "it has no name"
    if len(name) > _MAX_TITLE:
        return f"the name is longer than {_MAX_TITLE} characters"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "the name has control characters"
    return None


def _arguments_finding(definition: JsonObject) -> str | None:
    arguments: object = definition.get("arguments")
    if arguments is None:
        return None
    if not isinstance(arguments, list) or len(cast("list[object]", arguments)) > _MAX_ARGUMENTS:
        return f"its arguments are not a list of at most {_MAX_ARGUMENTS}"
    names: set[str] = set()
    for argument in cast("list[object]", arguments):
        said: JsonObject = cast("JsonObject", argument) if isinstance(argument, dict) else {}
        name: object = said.get("name")
        if not isinstance(name, str) or not name or name in names or not isinstance(said.get("required", False), bool):
            return "an argument has no name of its own, or does not say as true or false whether it is required"
        if len(name) > _MAX_NAME[Kind.TOOL] or not name.isprintable():
            return "the name of an argument is too long or has control or invisible characters"
        names.add(name)
    return None
