"""Which resources a call names: a tool's rules and the call's arguments → resource ids. Pure.

Whatever does not name a resource unambiguously names none, and the call is denied: a missing or
null value, an empty string or array, a boolean, a fraction, an object, a nested or too long list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from mcp_gateway.model.ids import resource_id
from mcp_gateway.model.tool import ResourceRule

_MAX_CHARACTERS = 512
_MAX_ELEMENTS = 100
_MAX_INTEGER = 10**20
_PART = re.compile(r"\{(/[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Unidentified:
    """The rule that found no resource; `rule` is the pointer or template, never a value."""

    rule: str


Resource: TypeAlias = tuple[str, str]
"""(relation, object): what must hold on which resource."""

Identified: TypeAlias = tuple[Resource, ...] | Unidentified


def identify(server: str, rules: Sequence[ResourceRule], arguments: Mapping[str, Any]) -> Identified:
    """Every resource the call names, each once, or the first rule that cannot say."""
    found: dict[Resource, None] = {}
    for rule in rules:
        names = _names(rule, arguments)
        if not names:
            return Unidentified(rule.pointer or rule.template or "")
        for name in names:
            found[(rule.relation, _object(rule.type, server, name))] = None
    return tuple(found)


_object = lru_cache(maxsize=4096)(resource_id)


def _names(rule: ResourceRule, arguments: Mapping[str, Any]) -> Sequence[str]:
    """The names one rule finds; empty when it finds none or cannot be sure."""
    if (rule.pointer is None) == (rule.template is None):
        return ()
    if rule.template is not None:
        return _composed(rule.template, arguments)
    value = _at(rule.pointer or "", arguments)
    if isinstance(value, list):
        return _every(cast("list[Any]", value))
    name = _scalar(value)
    return (name,) if name else ()


def _every(values: list[Any]) -> Sequence[str]:
    if len(values) > _MAX_ELEMENTS:
        return ()
    names = [_scalar(value) for value in values]
    return cast("list[str]", names) if all(names) else ()


def _composed(template: str, arguments: Mapping[str, Any]) -> Sequence[str]:
    """`{/owner}/{/name}` filled in; a value holding a character of the text between parts is ambiguous."""
    between, pointers = _pieces(template)
    if not pointers or not all(between[1:-1]):
        return ()
    values = [_scalar(_at(pointer, arguments)) for pointer in pointers]
    reserved = frozenset("".join(between[1:-1]))
    if any(not value or not reserved.isdisjoint(value) for value in values):
        return ()
    name = between[0] + "".join(str(value) + text for value, text in zip(values, between[1:], strict=True))
    return (name,) if len(name) <= _MAX_CHARACTERS else ()


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[list[str], list[str]]:
    pieces = _PART.split(template)
    return pieces[::2], pieces[1::2]


def _scalar(value: Any) -> str | None:
    if value.__class__ is str:
        return value if 0 < len(value) <= _MAX_CHARACTERS else None
    if value.__class__ is int and -_MAX_INTEGER < value < _MAX_INTEGER:
        return str(value)
    return None


def _at(pointer: str, document: Any) -> Any:
    """The value a JSON Pointer (RFC 6901) leads to, or None; the whole document names nothing."""
    if not pointer.startswith("/"):
        return None
    for token in _tokens(pointer):
        if isinstance(document, Mapping):
            document = cast("Mapping[str, Any]", document).get(token)
        elif isinstance(document, list):
            document = _element(cast("list[Any]", document), token)
        else:
            return None
    return document


def _element(values: list[Any], token: str) -> Any:
    canonical = token == "0" or (token.isascii() and token.isdigit() and token[0] != "0")
    return values[int(token)] if canonical and len(token) < 9 and int(token) < len(values) else None


@lru_cache(maxsize=1024)
def _tokens(pointer: str) -> tuple[str, ...]:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
