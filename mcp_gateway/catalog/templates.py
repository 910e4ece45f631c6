"""URI templates (RFC 6570, levels 1 to 3 and `*`): their parts, as far as they can be read backwards. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from mcp_gateway.catalog.uris import MAX_URI, has_user, is_uri

MAX_EXPRESSIONS = 16
_KEPT = 16_384

_EXPRESSION = re.compile(r"\{([^{}]*)\}")
_BODY = re.compile(r"([+#./;?&]?)((?:VAR)(?:,VAR)*)".replace("VAR", r"(?:\w|%[0-9A-Fa-f]{2})[\w.%]*\*?"), re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

_ENDS: Mapping[str, str] = {
    "": "/?#&",
    "+": "#",
    "#": "#",
    ".": "/?#&",
    "/": "?#",
    ";": "/?#",
    "?": "#",
    "&": "#",
}
"""Characters that no value of an expression holds as they are, by operator."""
NAMED = frozenset(";?&")
"""Operators whose variables stand in the URI with their names."""


@dataclass(frozen=True, slots=True)
class Expression:
    operator: str
    variables: tuple[str, ...]
    exploded: frozenset[str]
    ends: frozenset[str]
    """What its text never contains behind its first character."""

    @property
    def optional(self) -> bool:
        return bool(self.operator) and self.operator != "+"


Part: TypeAlias = "str | Expression"


@dataclass(frozen=True, slots=True)
class Template:
    text: str
    parts: tuple[Part, ...]
    literal: int
    """How many characters of it are fixed."""
    free: int
    """How many of its expressions may hold slashes."""

    @property
    def reserved(self) -> frozenset[str]:
        """Variables whose values may hold whole paths and queries."""
        free = (part for part in self.parts if isinstance(part, Expression) and part.operator == "+")
        return frozenset(name for part in free for name in part.variables)

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(name for part in self.parts if isinstance(part, Expression) for name in part.variables)


@lru_cache(maxsize=_KEPT)
def parse(text: str) -> Template:
    """Raises ValueError, with what is wrong, for what is no template or could never be read backwards."""
    if len(text) > MAX_URI:
        raise ValueError(f"the template is longer than {MAX_URI} characters")
    pieces = _EXPRESSION.split(text)
    if any(piece and not is_uri(piece) for piece in pieces[::2]):
        raise ValueError("the template has characters outside its expressions that RFC 6570 does not allow")
    if not _SCHEME.match(pieces[0]):
        raise ValueError("the template does not begin with a scheme")
    if not 1 <= len(pieces) // 2 <= MAX_EXPRESSIONS:
        raise ValueError(f"the template needs 1 to {MAX_EXPRESSIONS} expressions")
    if has_user(text):
        raise ValueError("the template has user information in it")
    bodies = [_body(piece) for piece in pieces[1::2]]
    names = [name for _, variables in bodies for name, _ in variables]
    if len(set(names)) != len(names):
        raise ValueError("the template names a variable twice")
    parts = tuple(_parts(pieces, bodies))
    free = sum(isinstance(part, Expression) and part.operator in "+/#" and part.operator != "" for part in parts)
    return Template(text, parts, sum(map(len, pieces[::2])), free)


def variables(text: str) -> tuple[str, ...]:
    """The names in `text`, in their order; none when it is no template."""
    try:
        parts = parse(text).parts
    except ValueError:
        return ()
    return tuple(name for part in parts if isinstance(part, Expression) for name in part.variables)


_Body: TypeAlias = "tuple[str, list[tuple[str, bool]]]"


def _body(text: str) -> _Body:
    """The operator and each variable with whether it is exploded."""
    found = _BODY.fullmatch(text)
    if found is None:
        what = "a prefix, which cannot be read backwards" if ":" in text else "something RFC 6570 does not allow"
        raise ValueError(f"an expression of the template has {what}")
    variables = [(name.rstrip("*"), name.endswith("*")) for name in found[2].split(",")]
    if len(variables) > 1 and any(exploded for _, exploded in variables) and found[1] not in NAMED:
        raise ValueError("an expression of the template has `*` beside another variable")
    return found[1], variables


def _parts(pieces: Sequence[str], bodies: Sequence[_Body]) -> Iterator[Part]:
    for index, (operator, variables) in enumerate(bodies):
        if pieces[2 * index]:
            yield pieces[2 * index]
        # The character that begins the next expression, or the query, ends this one.
        following = bodies[index + 1][0] if index + 1 < len(bodies) and not pieces[2 * index + 2] else ""
        query = any("?" in piece for piece in pieces[2 * index + 2 :: 2]) or any(
            o == "?" for o, _ in bodies[index + 1 :]
        )
        ends = _ENDS[operator] + following.replace("+", "") + ("?" if query else "")
        exploded = frozenset(name for name, star in variables if star)
        yield Expression(operator, tuple(name for name, _ in variables), exploded, frozenset(ends))
    if pieces[-1]:
        yield pieces[-1]
