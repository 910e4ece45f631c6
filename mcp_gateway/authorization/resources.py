"""Which resources a call names: a tool's rules and the call's arguments → resource ids. Pure.

    /ticket            one value, or an array of values: every one of them
    /items/*/ticket    in every element of an array
    {/owner}/{/repo}   composed; with `*` once for each element: {/repos/*/owner}/{/repos/*/name}

Whatever does not name a resource unambiguously names none, and the call is denied: a missing or
null value, an empty text or array, a boolean, a fraction, an object, an array in an array, two keys
or two names that differ only in case or form, more resources than one batch of questions holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from mcp_gateway.authorization.spelling import folded, have_twins, is_clear, name_of
from mcp_gateway.model.ids import resource_id
from mcp_gateway.model.tool import ResourceRule

MAX_RESOURCES = 49
"""With the question about the tool itself they make one batch of fifty."""

_EVERY = "*"
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
        if not names or (len(names) > 1 and have_twins(names)):
            return Unidentified(rule.pointer or rule.template or "")
        for name in names:
            found[(rule.relation, _object(rule.type, server, name))] = None
        if len(found) > MAX_RESOURCES:
            return Unidentified(rule.pointer or rule.template or "")
    if len(rules) > 1 and have_twins(object_ for _, object_ in found):
        return Unidentified(", ".join(rule.pointer or rule.template or "" for rule in rules))
    return tuple(found)


_object = lru_cache(maxsize=4096)(resource_id)


def _names(rule: ResourceRule, arguments: Mapping[str, Any]) -> Sequence[str]:
    """The names one rule finds; empty when it finds none or cannot be sure of one."""
    if (rule.pointer is None) == (rule.template is None):
        return ()
    names = _composed(rule, arguments) if rule.pointer is None else _pointed(rule, arguments)
    return () if None in names else cast("Sequence[str]", names)


def _pointed(rule: ResourceRule, arguments: Mapping[str, Any]) -> Sequence[str | None]:
    values: list[Any] = []
    for value in _found(_tokens(rule.pointer or ""), arguments):
        if isinstance(value, list):
            elements = cast("list[Any]", value)
            if not elements or len(elements) > MAX_RESOURCES:
                return ()
            values += elements
        else:
            values.append(value)
    if len(values) > MAX_RESOURCES:
        return ()
    return [name_of(value, rule.normalise) for value in values]


def _composed(rule: ResourceRule, arguments: Mapping[str, Any]) -> Sequence[str | None]:
    """The template filled in, once for each element its pointers share."""
    template = _template(rule.template or "")
    if template is None:
        return ()
    return [_filled(template, element, rule) for element in _found(template.shared, arguments)]


def _filled(template: _Template, element: Any, rule: ResourceRule) -> str | None:
    """A value holding a character of the text between parts is ambiguous: two calls could fill in alike."""
    values = [name_of(_one(tokens, element), rule.normalise) for tokens in template.pointers]
    if any(value is None or not template.reserved.isdisjoint(value) for value in values):
        return None
    between = template.between
    name = between[0] + "".join(f"{value}{text}" for value, text in zip(values, between[1:], strict=True))
    return name if is_clear(name) else None


@dataclass(frozen=True, slots=True)
class _Template:
    between: tuple[str, ...]
    """The text before, between and behind the parts."""
    shared: tuple[str, ...]
    """The way to the elements; empty without a `*`."""
    pointers: tuple[tuple[str, ...], ...]
    """From an element to its parts."""
    reserved: frozenset[str]


@lru_cache(maxsize=1024)
def _template(text: str) -> _Template | None:
    pieces = _PART.split(text)
    between, pointers = tuple(pieces[::2]), [_tokens(pointer) for pointer in pieces[1::2]]
    if not pointers or not all(between[1:-1]):
        return None
    depths = {_depth(pointer) for pointer in pointers}
    depth = max(depths)
    if len(depths) > 1 or len({pointer[:depth] for pointer in pointers}) > 1:
        return None
    rest = tuple(pointer[depth:] for pointer in pointers)
    return _Template(between, pointers[0][:depth], rest, frozenset("".join(between[1:-1])))


def _depth(tokens: tuple[str, ...]) -> int:
    """How far the way goes that ends with the last `*`."""
    return len(tokens) - tokens[::-1].index(_EVERY) if _EVERY in tokens else 0


def _found(tokens: tuple[str, ...], document: Any) -> list[Any]:
    """What a pointer leads to, in order; empty when there are too many or an array on the way is none or empty."""
    values: list[Any] = [document]
    for token in tokens:
        values = _spread(values) if token == _EVERY else [_step(value, token) for value in values]
    return values


def _spread(values: list[Any]) -> list[Any]:
    spread: list[Any] = []
    for value in values:
        elements = cast("list[Any]", value) if isinstance(value, list) else []
        if not elements or len(elements) > MAX_RESOURCES:
            return []
        spread += elements
    return spread if len(spread) <= MAX_RESOURCES else []


def _one(tokens: tuple[str, ...], document: Any) -> Any:
    for token in tokens:
        document = _step(document, token)
    return document


def _step(document: Any, token: str) -> Any:
    """The member or element a token names, or None."""
    if isinstance(document, dict):
        members = cast("dict[str, Any]", document)
        return None if len(members) > 1 and _has_twin(members, token) else members.get(token)
    if isinstance(document, list):
        return _element(cast("list[Any]", document), token)
    return None


def _has_twin(members: Mapping[str, Any], token: str) -> bool:
    """Another key would be taken for this one by a reader who ignores case or form, as Go's JSON decoder does."""
    length = len(token) if token.isascii() else -1
    for key in members:
        # Two plain keys of different length differ in more than case.
        possible = len(key) == length or length < 0 or not key.isascii()
        if possible and key != token and folded(key) == _folded_token(token):
            return True
    return False


_folded_token = lru_cache(maxsize=1024)(folded)


def _element(values: list[Any], token: str) -> Any:
    canonical = token == "0" or (token.isascii() and token.isdigit() and token[0] != "0")
    return values[int(token)] if canonical and len(token) < 9 and int(token) < len(values) else None


@lru_cache(maxsize=1024)
def _tokens(pointer: str) -> tuple[str, ...]:
    """Of a JSON Pointer (RFC 6901); `*` alone is every element, and what is no pointer leads nowhere."""
    if not pointer.startswith("/"):
        return (_EVERY,)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
