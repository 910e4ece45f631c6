"""What an upstream says of something it offers, in words for people. Pure.

The text comes from an upstream and may try to deceive its reader: invisible characters,
reversed text, walls of words. Nothing of that is shown; the definition itself is kept as it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mcp_gateway.catalog import variables
from mcp_gateway.model.tool import JsonObject, Kind

MAX_NAME = 128
MAX_URI = 2_048
MAX_TITLE = 160
MAX_DESCRIPTION = 2000
_MAX_PARAMETERS = 100
_MAX_CHOICES = 8
_MAX_NESTING = 4

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_SELECTORS = frozenset(map(chr, _VARIATION_SELECTORS))
_LINE_BREAKS = frozenset("\n\u2028\u2029\u0085\x0b\x0c")
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    """In words: `string`, `integer or null`, `array of string`."""
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Described:
    title: str
    """Empty when the upstream gave none."""
    description: str
    parameters: tuple[Parameter, ...]
    """Required ones first, otherwise in the schema's order."""


def describe(definition: JsonObject, kind: Kind = Kind.TOOL) -> Described:
    """Never fails: whatever is not of the expected shape is left out."""
    annotations = _object(definition.get("annotations"))
    title = definition.get("title") or annotations.get("title")
    if kind in (Kind.RESOURCE, Kind.TEMPLATE):
        # What it is known by is its URI; its `name` is for people.
        title = title or definition.get("name")
    return Described(
        title=_line(title, MAX_TITLE),
        description=_text(definition.get("description"), MAX_DESCRIPTION),
        parameters=_of_kind(definition, kind),
    )


def _of_kind(definition: JsonObject, kind: Kind) -> tuple[Parameter, ...]:
    if kind is Kind.TOOL:
        return _parameters(_object(definition.get("inputSchema")))
    if kind is Kind.PROMPT:
        said = map(_argument, map(_object, _array(definition.get("arguments"))[:_MAX_PARAMETERS]))
        return _required_first(argument for argument in said if argument.name)
    text = definition.get("uriTemplate")
    names = variables(text) if kind is Kind.TEMPLATE and isinstance(text, str) else ()
    return tuple(Parameter(one_line(name, MAX_NAME), "string", required=False, description="") for name in names)


def _argument(said: Mapping[str, Any]) -> Parameter:
    """Of a prompt; every one is a string (MCP PromptArgument)."""
    required = said.get("required") is True
    return Parameter(
        _line(said.get("name"), MAX_NAME), "string", required, _text(said.get("description"), MAX_DESCRIPTION)
    )


def readable(text: str, limit: int) -> str:
    """`text` without anything a reader cannot see, at most `limit` characters; line breaks stay."""
    # Only so much is looked at: what is invisible may be longer than any text.
    seen = "".join(_shown(character) for character in text[: limit * 4])
    clean = "\n".join(line.rstrip() for line in seen.split("\n")).strip()
    while "\n\n\n" in clean:
        clean = clean.replace("\n\n\n", "\n\n")
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + _ELLIPSIS


def one_line(text: str, limit: int) -> str:
    return " ".join(readable(text, limit).split())


def _shown(character: str) -> str:
    if character in _LINE_BREAKS:
        return "\n"
    if character.isspace():
        return " "
    if character in _INVISIBLE_LETTERS or character in _SELECTORS:
        return ""
    return "" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character


def _parameters(schema: Mapping[str, Any]) -> tuple[Parameter, ...]:
    required = {name for name in _array(schema.get("required")) if isinstance(name, str)}
    properties = list(_object(schema.get("properties")).items())[:_MAX_PARAMETERS]
    found = [
        Parameter(
            name=one_line(name, MAX_NAME),
            type=_type(property_schema),
            required=name in required,
            description=_text(_object(property_schema).get("description"), MAX_DESCRIPTION),
        )
        for name, property_schema in properties
    ]
    return _required_first(found)


def _required_first(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    return tuple(sorted(parameters, key=lambda parameter: not parameter.required))


def _type(schema: object, depth: int = 0) -> str:
    node = _object(schema)
    if not node or depth > _MAX_NESTING:
        return "any"
    if "const" in node:
        return f"always {_literal(node['const'])}"
    choices = _array(node.get("enum"))
    if choices:
        return _one_of(choices)
    if "$ref" in node:
        return one_line(str(node["$ref"]).rsplit("/", 1)[-1], MAX_NAME) or "any"
    for keyword in ("anyOf", "oneOf"):
        if branches := _array(node.get(keyword)):
            return " or ".join(dict.fromkeys(_type(branch, depth + 1) for branch in branches[:_MAX_CHOICES]))
    return _named_type(node, depth)


def _named_type(node: Mapping[str, Any], depth: int) -> str:
    declared = node.get("type")
    names = [declared] if isinstance(declared, str) else [name for name in _array(declared) if isinstance(name, str)]
    words = [
        f"array of {_type(node['items'], depth + 1)}" if name == "array" and "items" in node else one_line(name, 20)
        for name in names[:_MAX_CHOICES]
    ]
    return " or ".join(words) or "any"


def _one_of(choices: Sequence[object]) -> str:
    shown = ", ".join(_literal(choice) for choice in choices[:_MAX_CHOICES])
    return f"one of {shown}{', ' + _ELLIPSIS if len(choices) > _MAX_CHOICES else ''}"


def _literal(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return one_line(str(value), 40)


def _text(value: object, limit: int) -> str:
    return readable(value, limit) if isinstance(value, str) else ""


def _line(value: object, limit: int) -> str:
    return one_line(value, limit) if isinstance(value, str) else ""


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _array(value: object) -> Sequence[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else ()
