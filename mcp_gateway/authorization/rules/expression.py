"""One CEL expression over the attributes: refused at load unless it is typed, bounded and yields a bool.

CEL itself ends every evaluation: no loops but over given lists, and a budget of iterations. What it does
not bound is what a list's elements grow to, so nothing is put together with `+` inside of a macro, and
macros stand at most two deep. An expression is plain ASCII: a look-alike letter in a name would compare
unequal to what it seems to say. For the same reason arguments are not judged that have a key which only
looks like one the expression names: some servers read `Force` where the rule looked for `force`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from mcp_gateway.authorization.language.syntax import ParameterType
from mcp_gateway.authorization.rules.attributes import ATTRIBUTES, Values
from mcp_gateway.authorization.spelling import folded
from mcp_gateway.errors import OperatorError

if TYPE_CHECKING:
    from mcp_gateway.authorization.engine.programs import Program

MAX_CHARACTERS = 4096

_MAX_SUMS = 8
_MAX_MACRO_DEPTH = 2
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_TOKEN = re.compile(
    r"""
    //[^\n]*                                                         # a comment
    | (?:[rR][bB]?|[bB][rR]) (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*' )
    | [bB]? (?: \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>[^\s\w])
    | \s+ | .
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED = re.compile(
    r"""
    \.\s*\??\s*([A-Za-z_][A-Za-z0-9_]*)\b(?!\s*\()                     # arguments.force
    | (?:\[\s*\??\s*)(?:"([^"\\\n]*)"|'([^'\\\n]*)')\s*\]           # arguments["force"]
    | (?:"([^"\\\n]*)"|'([^'\\\n]*)')\s*in\b                        # "force" in arguments
    """,
    re.VERBOSE,
)
"""Keys an expression looks for; one too many only denies what has a key that looks like it."""
_COMPLAINT = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")


class Verdict(StrEnum):
    HELD = "held"
    DENIED = "denied"
    UNDECIDABLE = "undecidable"
    """An attribute is not known, or the expression met a value it cannot work with. Denies."""


class Expression:
    """Compiled once; `reads` are the only attributes it is given."""

    __slots__ = ("_folded", "_names", "_program", "reads", "text")

    def __init__(self, text: str, program: Program, reads: frozenset[str]) -> None:
        self.text = text
        self.reads = reads
        self._program = program
        found = _NAMED.findall(text) if "arguments" in reads else []
        self._names = frozenset("".join(groups) for groups in found) - {""}
        self._folded = frozenset(map(folded, self._names))

    def evaluate(self, values: Values) -> Verdict:
        if self._folded and self._may_be_misread(values.get("arguments")):
            return Verdict.UNDECIDABLE
        try:
            result = self._program.evaluate(values)
        except Exception:
            # Whatever the library meets in foreign arguments: it never allows, and it never ends a request.
            return Verdict.UNDECIDABLE
        if result is None:
            return Verdict.UNDECIDABLE
        return Verdict.HELD if result else Verdict.DENIED

    def _may_be_misread(self, arguments: Any) -> bool:
        """A key is another than one the expression names, and the same to a reader who ignores case or form."""
        waiting: list[Any] = [arguments]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += cast("list[Any]", value)
            elif isinstance(value, dict):
                members = cast("dict[str, Any]", value)
                if any(folded(key) in self._folded for key in members.keys() - self._names):
                    return True
                waiting += members.values()
        return False


def compile_expression(text: str, *, relations: frozenset[str] = frozenset(), where: str = "") -> Expression:
    """`relations` are the rule's own names; each is a bool `relations.<name>`. Raises OperatorError."""
    words = _checked(text, where)
    variables = {name: attribute.kind for name, attribute in ATTRIBUTES.items() if name.partition(".")[0] in words}
    variables |= dict.fromkeys(relations, ParameterType("bool"))
    program = _compiled(text, variables, where)
    # What it reads is what it does not compile without; an attribute it is not given denies in any case.
    reads = {name for name in variables if not _compiles(text, {n: t for n, t in variables.items() if n != name})}
    return Expression(text, program, frozenset(reads))


def _compiled(text: str, variables: Mapping[str, ParameterType], where: str) -> Program:
    # Most companies begin without a rule.
    from mcp_gateway.authorization.engine.programs import NotCompiled, compiled

    try:
        return compiled(text, variables)
    except NotCompiled as exc:
        raise OperatorError(f"not a CEL expression: {_complaint(str(exc))}", where=where) from exc
    except TypeError as exc:
        raise OperatorError(f"the expression must be a bool, not {exc}", where=where) from exc


def _compiles(text: str, variables: Mapping[str, ParameterType]) -> bool:
    try:
        _compiled(text, variables, "")
    except OperatorError:
        return False
    return True


def _complaint(said: str) -> str:
    found = _COMPLAINT.search(said)
    if found is None:
        return said.split("\n", 1)[0][:200]
    line, column, sentence = found.groups()
    unknown = _UNDECLARED.match(sentence)
    if unknown:
        known = ", ".join(sorted(ATTRIBUTES))
        return f"`{unknown.group(1)}` is neither an attribute nor a function; attributes are {known}"
    return f"{sentence[:200]} (line {line}, column {column} of the expression)"


def _checked(text: str, where: str) -> frozenset[str]:
    """The words of an expression whose cost is bounded."""
    if len(text) > MAX_CHARACTERS:
        raise OperatorError(f"the expression is longer than {MAX_CHARACTERS} characters", where=where)
    if not all(character.isascii() and (character.isprintable() or character in "\n\t") for character in text):
        raise OperatorError("the expression must be plain ASCII; write other letters as \\u escapes", where=where)
    words: set[str] = set()
    sums = 0
    for kind, value, depth in _tokens(text):
        if depth > _MAX_MACRO_DEPTH:
            raise OperatorError(f"macros stand more than {_MAX_MACRO_DEPTH} deep", where=where)
        if kind == "word":
            words.add(value)
        elif value == "+":
            sums += 1
            if depth or sums > _MAX_SUMS:
                raise OperatorError(f"`+` must not stand in a macro, nor more than {_MAX_SUMS} times", where=where)
    return frozenset(words)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, token, how many macros are around it); texts and comments are left out."""
    open_: list[bool] = []
    last = ""
    for match in _TOKEN.finditer(text):
        kind, value = match.lastgroup, match.group()
        if kind is None:
            continue
        if value in {"(", "[", "{"}:
            open_.append(value == "(" and last in _MACROS)
        elif value in {")", "]", "}"} and open_:
            open_.pop()
        yield kind, value, sum(open_)
        last = value
