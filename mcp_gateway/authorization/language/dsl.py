"""Parser of the OpenFGA modelling language, schema 1.1. Every error names its line; it checks syntax only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from mcp_gateway.authorization.language.syntax import (
    Computed,
    ConditionDefinition,
    Direct,
    Document,
    Exclusion,
    From,
    Intersection,
    ParameterType,
    RelationDefinition,
    Restriction,
    Rewrite,
    TypeDefinition,
    Union,
)
from mcp_gateway.errors import OperatorError

_MAX_BYTES = 256 * 1024
_MAX_NESTING = 20
_TOKEN = re.compile(r"but[ \t]+not\b|[A-Za-z0-9_][A-Za-z0-9_./-]*|[][(){}:,#*<>]")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"' r"|'(?:[^'\\\n]|\\.)*'")
_PARAMETERS = frozenset({"bool", "string", "int", "uint", "double", "duration", "timestamp", "ipaddress"})
_CONTAINERS = frozenset({"list", "map"})
_OPERATORS = frozenset({"or", "and", "but not"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    end: int
    """Offset behind the token, so a condition's body can be taken as it stands."""


_END = ""


def parse(text: str, *, where: str = "model.fga") -> Document:
    """The document `text` says; OperatorError at the first line that says nothing."""
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
        raise OperatorError(f"the model is larger than {_MAX_BYTES} bytes", where=where)
    return _Parser(text, where).document()


class _Parser:
    """Recursive descent with one token of lookahead."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._offset = 0
        self._line = 1
        self._next = self._scan()

    def document(self) -> Document:
        self._expect("model")
        self._expect("schema")
        schema = self._advance().text
        if schema != "1.1":
            self._refuse(f"schema {schema or '(missing)'} is not supported; this program reads schema 1.1")
        types: list[TypeDefinition] = []
        conditions: list[ConditionDefinition] = []
        while self._next.text != _END:
            if self._take("type"):
                types.append(self._type())
            elif self._take("condition"):
                conditions.append(self._condition())
            else:
                self._refuse(f"expected `type` or `condition`, found `{self._next.text}`")
        return Document(schema, tuple(types), tuple(conditions))

    def _type(self) -> TypeDefinition:
        line = self._next.line
        name = self._name("a type name")
        relations: list[RelationDefinition] = []
        if self._take("relations"):
            while self._take("define"):
                relations.append(self._relation())
            if not relations:
                self._refuse("expected `define` after `relations`")
        return TypeDefinition(name, tuple(relations), line)

    def _relation(self) -> RelationDefinition:
        line = self._next.line
        name = self._name("a relation name")
        self._expect(":")
        restrictions: list[Restriction] = []
        rewrite = self._expression(restrictions, 0)
        return RelationDefinition(name, rewrite, tuple(restrictions), line)

    def _expression(self, restrictions: list[Restriction], nesting: int) -> Rewrite:
        first = self._term(restrictions, nesting)
        operator = self._next.text
        if operator not in _OPERATORS:
            return first
        parts = [first]
        while self._take(operator):
            parts.append(self._term(restrictions, nesting))
        result = _combined(operator, parts)
        if result is None or self._next.text in _OPERATORS:
            self._refuse("different operators need parentheses around each group")
        return result

    def _term(self, restrictions: list[Restriction], nesting: int) -> Rewrite:
        if self._take("("):
            if nesting == _MAX_NESTING:
                self._refuse(f"more than {_MAX_NESTING} nested parentheses")
            inner = self._expression(restrictions, nesting + 1)
            self._expect(")")
            return inner
        if self._take("["):
            if restrictions:
                self._refuse("a relation may have one `[...]` only")
            restrictions.extend(self._several(self._restriction, "]"))
            return Direct()
        name = self._name("a relation name, `[` or `(`")
        return From(name, self._name("a relation name")) if self._take("from") else Computed(name)

    def _restriction(self) -> Restriction:
        name = self._name("a type name")
        wildcard, relation = False, ""
        if self._take(":"):
            self._expect("*")
            wildcard = True
        elif self._take("#"):
            relation = self._name("a relation name")
        condition = self._name("a condition name") if self._take("with") else ""
        return Restriction(name, relation, wildcard, condition)

    def _condition(self) -> ConditionDefinition:
        line = self._next.line
        name = self._name("a condition name")
        self._expect("(")
        parameters = self._several(self._parameter, ")")
        repeated = {one for one, _ in parameters if [other for other, _ in parameters].count(one) > 1}
        if repeated:
            self._refuse(f"parameter `{min(repeated)}` is declared twice")
        if self._next.text != "{":
            self._refuse(f"expected `{{`, found `{self._next.text}`")
        return ConditionDefinition(name, tuple(parameters), self._body(), line)

    def _parameter(self) -> tuple[str, ParameterType]:
        name = self._name("a parameter name")
        self._expect(":")
        kind = self._name("a parameter type")
        if kind in _PARAMETERS:
            return name, ParameterType(kind)
        if kind not in _CONTAINERS:
            self._refuse(f"`{kind}` is not a parameter type")
        self._expect("<")
        element = self._name("a parameter type")
        if element not in _PARAMETERS:
            self._refuse(f"`{element}` is not an element type")
        self._expect(">")
        return name, ParameterType(kind, element)

    def _body(self) -> str:
        """The text between the braces, as it stands."""
        start = self._next.end
        end = _closing_brace(self._text, start)
        if end < 0:
            self._refuse("the condition's `}` is missing")
        self._line += self._text.count("\n", start, end)
        self._offset = end + 1
        self._next = self._scan()
        return self._text[start:end].strip()

    def _several(self, one: Callable[[], T], closing: str) -> list[T]:
        found = [one()]
        while self._take(","):
            found.append(one())
        self._expect(closing)
        return found

    def _name(self, what: str) -> str:
        if not _NAME.fullmatch(self._next.text):
            self._refuse(f"expected {what}, found `{self._next.text or 'the end'}`")
        return self._advance().text

    def _take(self, text: str) -> bool:
        if self._next.text != text:
            return False
        self._advance()
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._refuse(f"expected `{text}`, found `{self._next.text or 'the end'}`")

    def _advance(self) -> _Token:
        taken, self._next = self._next, self._scan()
        return taken

    def _scan(self) -> _Token:
        for skipped in self._blank():
            self._line += skipped.count("\n")
            self._offset += len(skipped)
        if self._offset == len(self._text):
            return _Token(_END, self._line, self._offset)
        match = _TOKEN.match(self._text, self._offset)
        if match is None:
            self._stop(f"unexpected character {self._text[self._offset]!r}", self._line)
        self._offset = match.end()
        text = "but not" if match.group()[3:4].isspace() else match.group()
        return _Token(text, self._line, self._offset)

    def _blank(self) -> Iterator[str]:
        """White space and comments; a `#` opens a comment only after white space, elsewhere it joins a userset."""
        while self._offset < len(self._text):
            comment = self._text[self._offset] == "#" and self._text[self._offset - 1 : self._offset].isspace()
            if comment or (self._offset == 0 and self._text[0] == "#"):
                end = self._text.find("\n", self._offset)
                yield self._text[self._offset : end if end >= 0 else None]
            elif self._text[self._offset].isspace():
                yield self._text[self._offset]
            else:
                return

    def _refuse(self, problem: str) -> NoReturn:
        self._stop(problem, self._next.line)

    def _stop(self, problem: str, line: int) -> NoReturn:
        raise OperatorError(problem, where=f"{self._where}:{line}")


def _combined(operator: str, parts: list[Rewrite]) -> Rewrite | None:
    """The parts under their operator; None for a chained `but not`, which does not say what it excludes from."""
    if operator == "or":
        return Union(tuple(parts))
    if operator == "and":
        return Intersection(tuple(parts))
    return Exclusion(parts[0], parts[1]) if len(parts) == 2 else None


def _closing_brace(text: str, start: int) -> int:
    """Offset of the `}` that closes what opened before `start`, or -1; braces inside strings do not count."""
    depth, position = 1, start
    while position < len(text):
        quoted = _STRING.match(text, position) if text[position] in "\"'" else None
        depth += 0 if quoted else {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
        position = quoted.end() if quoted else position + 1
    return -1
