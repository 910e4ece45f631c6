"""Which values make a URI template this URI: RFC 6570 read backwards. Pure.

A right may depend on those values, so a URI fits in one way or not at all: what could be read in two ways, or
is another spelling of a plainer URI, is refused. Nothing is normalised. It takes time linear in the URI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from mcp_gateway.catalog.templates import NAMED, Expression, Part, Template
from mcp_gateway.catalog.uris import has_user, is_uri

Values: TypeAlias = Mapping[str, str | list[str]]
"""By variable, decoded; a list where the template says `*`. Those that the URI leaves out are missing."""

_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_DOUBLY = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SLASHES = frozenset(b"/\\")
_QUERY = frozenset("?&")


def match(template: Template, uri: str) -> Values | None:
    """The values that make `template` this URI, None when it does not fit; raises ValueError when that is unclear."""
    first, last = template.parts[0], template.parts[-1]
    if not (isinstance(first, str) and uri.startswith(first)) or (isinstance(last, str) and not uri.endswith(last)):
        return None
    if not is_uri(uri):
        return None
    texts = _texts(template.parts, uri)
    if texts is None:
        return None
    found: dict[str, str | list[str]] = {}
    for expression, text in texts:
        values = _values(expression, text)
        if values is None:
            return None
        found |= values
    _refuse_detours(uri)
    return found


def _texts(parts: Sequence[Part], uri: str) -> list[tuple[Expression, str]] | None:
    """What each expression stands for; None when nothing fits, ValueError when more than one thing does."""
    # ways[i][at]: in how many ways the first i parts can be the first `at` characters; two stand for many.
    ways = [[1, *[0] * len(uri)]]
    for part in parts:
        ways.append(_after_literal(ways[-1], part, uri) if isinstance(part, str) else _after(ways[-1], part, uri))
    if ways[-1][-1] == 0:
        return None
    if ways[-1][-1] > 1:
        raise ValueError("the URI fits its template in more than one way")
    texts: list[tuple[Expression, str]] = []
    end = len(uri)
    for part, before in zip(reversed(parts), reversed(ways[:-1]), strict=True):
        start = end - len(part) if isinstance(part, str) else _start(before, part, uri, end)
        if not isinstance(part, str):
            texts.append((part, uri[start:end]))
        end = start
    return texts


def _after_literal(ways: Sequence[int], literal: str, uri: str) -> list[int]:
    after = [0] * len(ways)
    for at, count in enumerate(ways):
        if count and uri.startswith(literal, at):
            after[at + len(literal)] = count
    return after


def _after(ways: Sequence[int], part: Expression, uri: str) -> list[int]:
    after = list(ways) if part.optional else [0] * len(ways)
    begun = 0
    for at, character in enumerate(uri):
        if character in part.ends and not (part.optional and character == part.operator):
            begun = 0
            continue
        if character in part.ends:
            begun = 0
        if not part.optional or character == part.operator:
            begun = min(2, begun + ways[at])
        after[at + 1] = min(2, after[at + 1] + begun)
    return after


def _start(before: Sequence[int], part: Expression, uri: str, end: int) -> int:
    """Where the text that ends at `end` begins; there is exactly one such place."""
    for at in range(end - 1, -1, -1):
        ended = uri[at] in part.ends
        if before[at] and (uri[at] == part.operator if part.optional else not ended):
            return at
        if ended:
            break
    return end


def _values(part: Expression, text: str) -> dict[str, str | list[str]] | None:
    """The variables of one expression, None when its text is not of that shape."""
    if part.optional and not text:
        return {}
    if part.operator in NAMED:
        return _named(part, text)
    separator = part.operator if part.operator in {".", "/"} else ","
    bare = text[1:] if part.optional else text
    if part.exploded:
        return {part.variables[0]: [_decoded(piece) for piece in bare.split(separator)]}
    pieces = bare.split(separator) if len(part.variables) > 1 or separator != "," else [bare]
    if len(pieces) != len(part.variables):
        return None
    return {name: _decoded(piece) for name, piece in zip(part.variables, pieces, strict=True)}


def _named(part: Expression, text: str) -> dict[str, str | list[str]] | None:
    separator = ";" if part.operator == ";" else "&"
    found: dict[str, str | list[str]] = {}
    for pair in text[1:].split(separator):
        name, _, raw = pair.partition("=")
        if name not in part.variables:
            return None
        value = _decoded(raw, query=part.operator in _QUERY)
        if name in part.exploded:
            found[name] = [*found.get(name, []), value]
        elif name in found:
            raise ValueError("the URI gives one variable twice")
        else:
            found[name] = value
    return found


def _decoded(raw: str, *, query: bool = False) -> str:
    """A value as its server will read it; raises ValueError when another server could read it otherwise."""
    octets = [int(found, 16) for found in _ENCODED.findall(raw)]
    if any(octet in _UNRESERVED or (not query and octet in _SLASHES) for octet in octets):
        raise ValueError("a value is percent-encoded where it need not or must not be")
    if query and "+" in raw:
        raise ValueError("a + in a query may be a space")
    value = bytes(_octets(raw)).decode("utf-8")
    if not value.isprintable() or (not query and _DOUBLY.search(value)):
        raise ValueError("a value has control characters or is encoded twice")
    return value


def _octets(raw: str) -> Iterator[int]:
    pieces = _ENCODED.split(raw)
    for index, piece in enumerate(pieces):
        if index % 2:
            yield int(piece, 16)
        else:
            yield from piece.encode()


def _refuse_detours(uri: str) -> None:
    """What leads elsewhere than it seems to: dot segments (RFC 3986 §5.2.4), and a user before the host."""
    path = re.split(r"[?#]", uri, maxsplit=1)[0]
    if any(segment in {".", ".."} for segment in path.split("/")):
        raise ValueError("the URI has dot segments")
    if has_user(uri):
        raise ValueError("the URI has user information in it")
