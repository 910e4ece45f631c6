"""A binding and the arguments of a call as one HTTP request, which no argument can turn into another. Pure.

A path argument stays in its segment: slashes are refused even percent-encoded, because many servers
decode a path before they look for the operation, and so is what a server decoding twice would see.
Values are never repeated in errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, TypeAlias, cast
from urllib.parse import quote, unquote

import orjson

from mcp_gateway.errors import InvalidArguments
from mcp_gateway.upstream.http import Outgoing
from mcp_gateway.upstream.openapi.binding import FORM_BODY, Binding, Body, Place

Pair: TypeAlias = tuple[str, str]

_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
_MAX_DECODINGS = 8
_NAMED = re.compile(r"\{([^{}/]+)\}")
_NOT_IN_PATH = re.compile(r"[/\\\x00-\x1f\x7f]")
_NOT_IN_HEADER = re.compile(r"[^\x20-\x7e]")
_NO_LETTER = re.compile(r"[^a-z0-9]")


def outgoing(
    binding: Binding,
    arguments: Mapping[str, Any],
    *,
    base: str,
    headers: Sequence[Pair] = (),
    queries: Sequence[Pair] = (),
) -> Outgoing:
    """`base` is the path all paths begin with; `headers` and `queries` are the credential. Raises InvalidArguments."""
    given = {name: value for name, value in arguments.items() if value is not None}
    _refuse_unknown(binding, given)
    target = base + _path(binding, given)
    query = [*_query(binding, given, {name for name, _ in queries}), *(f"{_text(k)}={_text(v)}" for k, v in queries)]
    body, kind = _body(binding.body, arguments)
    sent = [*headers, *_headers(binding, given), *([("content-type", kind)] if kind else [])]
    return Outgoing(binding.method, "?".join([target, "&".join(query)] if query else [target]), sent, body)


def _refuse_unknown(binding: Binding, given: Mapping[str, Any]) -> None:
    known = {place.argument for place in binding.parameters} | ({binding.body.argument} if binding.body else set[str]())
    if not given.keys() <= known:
        raise InvalidArguments("", "additionalProperties")


def _path(binding: Binding, given: Mapping[str, Any]) -> str:
    places = {place.name: place for place in binding.parameters if place.where == "path"}

    def fill(found: re.Match[str]) -> str:
        place = places.get(found[1])
        if place is None or place.argument not in given:
            raise InvalidArguments("", "required")
        return _segment(place, given[place.argument])

    path = _NAMED.sub(fill, binding.path)
    if any(_decoded(segment) in (".", "..") for segment in path.split("/")):
        raise InvalidArguments("", "path")
    return path


def _segment(place: Place, value: object) -> str:
    texts = [_json(value)] if place.style == "json" else list(_flat(place, value))
    if not texts or any(not text or _NOT_IN_PATH.search(_decoded(text)) for text in texts):
        raise _misfit(place, "path")
    if place.style == "simple" and place.explode and isinstance(value, dict):
        return ",".join(f"{_text(key)}={_text(member)}" for key, member in _twos(texts))
    return ",".join(_text(text) for text in texts)


def _query(binding: Binding, given: Mapping[str, Any], credentials: Set[str]) -> Iterator[str]:
    places = [place for place in binding.parameters if place.where == "query"]
    taken = [*credentials, *(place.name for place in places)]
    for place in places:
        if place.argument not in given:
            continue
        for key, value in _query_pairs(place, given[place.argument], taken):
            yield f"{key}={value}"


def _query_pairs(place: Place, value: object, taken: Sequence[str]) -> Iterator[Pair]:
    """Both already encoded."""
    name = _text(place.name)
    if place.style == "json":
        yield name, _text(_json(value))
    elif place.style == "deepObject":
        yield from _deep(place, value)
    elif isinstance(value, dict) and place.explode:
        yield from _spread(place, cast("Mapping[str, Any]", value), taken)
    elif isinstance(value, list) and place.explode:
        for text in _flat(place, cast("object", value)):
            yield name, _text(text)
    elif texts := list(_flat(place, cast("object", value))):
        yield name, _SEPARATORS.get(place.style, ",").join(_text(text) for text in texts)


def _spread(place: Place, value: Mapping[str, Any], taken: Sequence[str]) -> Iterator[Pair]:
    """Each member a parameter of its own, which must not pass for another one or for the credential."""
    others = {_alike(name) for name in taken}
    for key, member in value.items():
        if not key or _alike(key) in others:
            raise _misfit(place, "propertyNames")
        if member is not None:
            yield _text(key), _text(_scalar(place, member))


def _deep(place: Place, value: object) -> Iterator[Pair]:
    if not isinstance(value, dict):
        raise _misfit(place, "type")
    for key, member in cast("Mapping[str, Any]", value).items():
        if not key or "[" in key or "]" in key:
            raise _misfit(place, "propertyNames")
        for one in cast("list[object]", member) if isinstance(member, list) else [member]:
            if one is not None:
                yield _text(f"{place.name}[{key}]"), _text(_scalar(place, one))


def _headers(binding: Binding, given: Mapping[str, Any]) -> Iterator[Pair]:
    for place in binding.parameters:
        if place.where != "header" or place.argument not in given:
            continue
        value = given[place.argument]
        texts = [_json(value)] if place.style == "json" else list(_flat(place, value))
        if place.explode and isinstance(value, dict):
            texts = [f"{key}={member}" for key, member in _twos(texts)]
        text = ",".join(texts)
        if _NOT_IN_HEADER.search(text) or text != text.strip():
            raise _misfit(place, "header")
        yield place.name, text


def _body(body: Body | None, arguments: Mapping[str, Any]) -> tuple[bytes, str | None]:
    if body is None or body.argument not in arguments:
        return b"", None
    value = arguments[body.argument]
    if body.type != FORM_BODY:
        return _json(value).encode(), body.type
    if not isinstance(value, dict):
        raise InvalidArguments(f"/{body.argument}", "type")
    place = Place.model_validate(
        {"argument": body.argument, "name": "", "in": "query", "style": "form", "explode": True}
    )
    pairs = [
        f"{_text(key)}={_text(_scalar(place, one))}"
        for key, member in cast("Mapping[str, Any]", value).items()
        for one in (cast("list[object]", member) if isinstance(member, list) else [member])
        if one is not None
    ]
    return "&".join(pairs).encode(), FORM_BODY


def _flat(place: Place, value: object) -> Iterator[str]:
    """One text of a scalar, one each of a list's items, key and value by turns of an object."""
    if isinstance(value, list):
        yield from (_scalar(place, item) for item in cast("list[object]", value))
    elif isinstance(value, dict):
        for key, member in cast("Mapping[str, object]", value).items():
            yield key
            yield _scalar(place, member)
    else:
        yield _scalar(place, value)


def _twos(texts: Sequence[str]) -> Iterator[Pair]:
    return zip(texts[::2], texts[1::2], strict=True)


def _scalar(place: Place, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _json(value)
    raise _misfit(place, "type")


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise InvalidArguments("", "json") from None


def _text(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InvalidArguments("", "json") from None


def _decoded(text: str) -> str:
    """As a server would see it that decodes more than once."""
    for _ in range(_MAX_DECODINGS):
        decoded = unquote(text)
        if decoded == text:
            return text
        text = decoded
    return "/"  # nobody means that


def _alike(name: str) -> str:
    """Some servers take `api.key` for `api_key`."""
    return _NO_LETTER.sub("_", name.lower())


def _misfit(place: Place, rule: str) -> InvalidArguments:
    return InvalidArguments(f"/{place.argument}", rule)
