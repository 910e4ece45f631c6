"""Text to tokens: words, signs, white space and line ends of a model, each with its place.

White space is a token, because the language gives it meaning. Comments are left out before:
`#` opens one at the start of a line or behind white space, outside quotes. What no model may
hold (control and invisible characters, a byte order mark) is refused here, wherever it stands.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from mcp_gateway.authorization.language.problems import Problem
from mcp_gateway.authorization.language.syntax import Place

END, NAME, DOTTED, SPACE, NEWLINE, VERSION = "<end>", "<name>", "<dotted name>", "<space>", "<newline>", "<version>"
CONTAINER, PARAMETER, OTHER = "<container>", "<parameter type>", "<other>"

_HEADERS = ("module", "model", "schema", "extend", "type", "condition", "relations", "relation", "define")
KEYWORDS = frozenset((*_HEADERS, "and", "or", "from", "with", "in", "true", "false", "null"))
CONTAINERS = frozenset(("list", "map"))
PARAMETERS = frozenset(("bool", "string", "int", "uint", "double", "duration", "timestamp", "ipaddress"))

# An open quote runs to the end of its line, so that no text is gone through twice.
_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?$)|\'(?:[^\'\\]|\\.)*+(?:\'|\\?$)|(?:^|(?<=\s))#.*')
_TOKEN = re.compile(
    r"""(?P<newline>[ \t]*+\n[ \t\n]*+)
    | (?P<space>[ \t]++)
    | (?P<quoted>[bB]?(?:[rR](?:"[^"\n]*+"|'[^'\n]*+')|"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'))
    | (?P<but_not>but[ \t]++not(?![A-Za-z0-9_-]))
    | (?P<word>[A-Za-z_][A-Za-z0-9_-]*+)
    | (?P<version>[0-9]++\.[0-9]++(?![0-9]|[eE][+-]?[0-9]))
    | (?P<number>0x[0-9A-Fa-f]++[uU]?|(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?[uU]?)
    | (?P<remark>//[^\n]*+)
    | (?P<sign>==|!=|<=|>=|&&|\|\||[][(){}:,\#*<>.!?+/%-])""",
    re.VERBOSE,
)
_DOTTED = re.compile(r"[A-Za-z_](?:[/.-]?[A-Za-z0-9_]++)*+")
_KINDS = {
    "newline": NEWLINE,
    "space": SPACE,
    "quoted": OTHER,
    "but_not": "but not",
    "version": VERSION,
    "number": OTHER,
}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """A keyword or sign is its own kind; the others are named above."""
    text: str
    start: int
    place: Place

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Lexed:
    text: str
    """The source without comments; tokens count in it."""
    tokens: tuple[Token, ...]
    """The last one is END."""
    problems: tuple[Problem, ...]


def lex(source: str, *, where: str) -> Lexed:
    text = _without_comments(source.replace("\r\n", "\n"))
    scanner = _Scanner(text, where)
    tokens = tuple(scanner.tokens())
    return Lexed(text, tokens, tuple(scanner.problems))


def forbidden(source: str, *, where: str) -> Iterator[Problem]:
    """Characters that no model may hold, not even in a comment: what they show is not what they say."""
    for number, line in enumerate(source.replace("\r\n", "\n").split("\n"), 1):
        column = next((at for at, one in enumerate(line, 1) if _is_forbidden(one)), 0)
        if column:
            yield Problem("character", _forbidden(line[column - 1]), where, Place(number, column, column + 1))


def _is_forbidden(character: str) -> bool:
    return not character.isprintable() and character != "\t" and unicodedata.category(character) != "Zs"


def _forbidden(character: str) -> str:
    if character == "\ufeff":
        return "a byte order mark; save the file as UTF-8 without one"
    return f"the character U+{ord(character):04X} is not allowed in a model"


def _without_comments(text: str) -> str:
    return "\n".join(_COMMENT.sub(_kept, line).rstrip() if "#" in line else line.rstrip() for line in text.split("\n"))


def _kept(found: re.Match[str]) -> str:
    return "" if found.group().startswith("#") else found.group()


class _Scanner:
    """One pass over the text. It knows whether it stands in a condition's head or body; nothing else."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._offset = 0
        self._in_head = False
        self._behind_head = False
        self._braces = 0
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.problems: list[Problem] = []

    def tokens(self) -> Iterator[Token]:
        while self._offset < len(self._text):
            kind, text = self._next()
            if text and kind:
                self._follow(kind, text)
                yield Token(kind, text, self._offset, self._place(self._offset, len(text)))
            self._offset += len(text) or self._refuse()
        yield Token(END, "", self._offset, self._place(self._offset, 1))

    def _next(self) -> tuple[str, str]:
        """Kind and text of what stands here; no kind for what is passed over, no text for what is nothing."""
        found = _TOKEN.match(self._text, self._offset)
        if found is None:
            return "", ""
        group, text = found.lastgroup or "", found.group()
        if group == "word":
            return self._word(text)
        if group == "remark":  # of CEL; elsewhere it is two signs
            return ("", text) if self._braces else ("/", "/")
        return self._sign(text) if group == "sign" else (_KINDS[group], text)

    def _word(self, plain: str) -> tuple[str, str]:
        if self._in_head:
            return (CONTAINER if plain in CONTAINERS else PARAMETER if plain in PARAMETERS else NAME), plain
        if self._braces:
            return NAME, plain
        dotted = _DOTTED.match(self._text, self._offset)
        if dotted and dotted.end() - self._offset > len(plain):
            return DOTTED, dotted.group()
        return (plain if plain in KEYWORDS else NAME), plain

    def _sign(self, sign: str) -> tuple[str, str]:
        # Braces inside a condition's body are text; only the one that closes it is a sign.
        inner = sign == "{" if self._braces == 1 else self._braces > 1 and sign in "{}"
        return (OTHER if inner else sign), sign

    def _follow(self, kind: str, text: str) -> None:
        if self._braces:
            self._braces += (text == "{") - (text == "}")
        elif kind == "condition":
            self._in_head = True
        elif kind == ")":
            self._in_head, self._behind_head = False, self._in_head or self._behind_head
        elif kind == "{" and self._behind_head:
            self._braces, self._behind_head = 1, False

    def _refuse(self) -> int:
        """Say what cannot stand here, once for a run of it; how long the run is."""
        character = self._text[self._offset]
        name = repr(character) if character.isascii() else f"U+{ord(character):04X}, which is not ASCII,"
        sentence = f"the character {name} has no meaning here"
        if character in "\"'":
            sentence = "this quote is not closed on its line"
        self.problems.append(Problem("syntax", sentence, self._where, self._place(self._offset, 1)))
        return self._unread(character)

    def _unread(self, character: str) -> int:
        """How much goes with a character that nothing can be made of: an open quote takes its line."""
        end = self._offset + 1
        if character in "\"'":
            end = self._text.find("\n", end)
            return (end if end >= 0 else len(self._text)) - self._offset
        while end < len(self._text) and not self._text[end].isascii():
            end += 1
        return end - self._offset

    def _place(self, offset: int, length: int) -> Place:
        line = bisect_right(self._lines, offset)
        column = offset - self._lines[line - 1] + 1
        return Place(line, column, column + length)
