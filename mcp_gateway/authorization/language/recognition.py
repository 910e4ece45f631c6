"""Tokens to a tree, by the grammar; and past an error to the next one, so that one run names them all.

How it goes on after an error is what OpenFGA's own parser does, so both name the same places: a
token too many is passed over when the one behind it fits; a missing one is imagined when the
present one fits behind it; else the rule is given up, and everything passed over until something
that can follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NoReturn, TypeAlias

from mcp_gateway.authorization.language.grammar import Form, Grammar, State, grammar
from mcp_gateway.authorization.language.lexing import (
    CONTAINER,
    DOTTED,
    END,
    KEYWORDS,
    NAME,
    NEWLINE,
    OTHER,
    PARAMETER,
    SPACE,
    VERSION,
    Token,
)
from mcp_gateway.authorization.language.outlook import RETURN, Outlook


@dataclass(slots=True)
class Node:
    """What a rule took: tokens and the nodes of other rules, in order."""

    rule: str
    parts: list[Part] = field(default_factory=lambda: list["Part"]())

    def nodes(self, *rules: str) -> Iterator[Node]:
        return (part for part in self.parts if isinstance(part, Node) and part.rule in rules)

    def tokens(self, *kinds: str) -> Iterator[Token]:
        return (part for part in self.parts if isinstance(part, Token) and part.kind in kinds)


Part: TypeAlias = Node | Token


@dataclass(frozen=True, slots=True)
class Mistake:
    token: Token
    sentence: str


class _Lost(Exception):
    """Nothing fits at this token; the rule is given up."""

    def __init__(self, at: int, sentence: str) -> None:
        super().__init__(sentence)
        self.at = at
        self.sentence = sentence


def recognise(tokens: Sequence[Token]) -> tuple[Node, Sequence[Mistake]]:
    """The tree, and every mistake; with mistakes the tree has holes."""
    walk = _Walk(tokens, *_shared())
    return walk.rule("file"), walk.mistakes


@cache
def _shared() -> tuple[Grammar, Outlook]:
    return grammar(), Outlook(grammar())


class _Walk:
    """One way through the grammar along the tokens."""

    def __init__(self, tokens: Sequence[Token], grammar: Grammar, outlook: Outlook) -> None:
        self._tokens = tokens
        self._grammar = grammar
        self._outlook = outlook
        self._at = 0
        self._callers: list[State] = []
        self._recovering = False
        """Since the last mistake nothing has fitted, so what does not fit now is the same mistake."""
        self._given_up: set[tuple[int, State]] = set()
        self.mistakes: list[Mistake] = []

    def rule(self, name: str) -> Node:
        node = Node(name)
        state = self._grammar.start[name]
        try:
            while state.form is not Form.STOP:
                state = self._step(state, node)
        except _Lost as lost:
            self._say(lost.at, lost.sentence)
            self._give_up(state)
        return node

    def _step(self, state: State, node: Node) -> State:
        if state.calls:
            self._callers.append(state.ways[0])
            node.parts.append(self.rule(state.calls))
            return self._callers.pop()
        if state.tokens:
            return self._take(state, node)
        if state.form is not Form.STEP:
            self._check(state)
            return state.ways[self._choose(state)]
        return state.ways[0]

    def _choose(self, state: State) -> int:
        if len(state.ways) == 1:
            return 0
        way, decided_at = self._outlook.way(state, self._tokens, self._at, tuple(self._callers))
        return self._lose(decided_at, state) if way is None else way

    def _take(self, state: State, node: Node) -> State:
        token = self._tokens[self._at]
        if token.kind in state.tokens:
            self._recovering = False
        elif self._passes_over(state):
            token = self._tokens[self._at]
        elif token.kind in self._expected(state.ways[0]):
            self._say(self._at, f"expected {_listed(state.tokens)} before {_named(token)}")
            return state.ways[0]
        else:
            self._lose(self._at, state)
        node.parts.append(token)
        self._go_on()
        return state.ways[0]

    def _check(self, state: State) -> None:
        """Before a choice: deal with a token that fits none of its ways."""
        behind = self._outlook.behind(state)
        token = self._tokens[self._at]
        if self._recovering or token.kind in behind or RETURN in behind:
            return
        if state.form is not Form.LOOP_BACK:
            if not self._passes_over(state):
                self._lose(self._at, state)
            return
        self._say(self._at, f"{_named(token)} is too much here")
        self._pass_until(self._expected(state) | self._followers())

    def _passes_over(self, state: State) -> bool:
        """Pass over one token that is too much, when the one behind it fits."""
        token = self._tokens[self._at]
        behind = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        expected = self._expected(state)
        if behind.kind not in expected:
            return False
        self._say(self._at, f"{_named(token)} is too much here; expected {_listed(expected)}")
        self._go_on()
        self._recovering = False
        return True

    def _give_up(self, state: State) -> None:
        if (self._at, state) in self._given_up:
            self._go_on()  # The second time at the same place: something must be passed over.
        self._given_up.add((self._at, state))
        self._pass_until(self._followers())

    def _followers(self) -> frozenset[str]:
        """What may follow any of the rules that are open."""
        return frozenset[str]().union(*map(self._outlook.behind, self._callers)) - {RETURN}

    def _expected(self, state: State) -> frozenset[str]:
        """What may come at `state`, with the callers at hand."""
        expected = self._outlook.behind(state)
        for caller in reversed(self._callers):
            if RETURN not in expected:
                break
            expected = (expected - {RETURN}) | self._outlook.behind(caller)
        return expected

    def _pass_until(self, kinds: frozenset[str]) -> None:
        while self._tokens[self._at].kind not in kinds and self._tokens[self._at].kind != END:
            self._go_on()

    def _go_on(self) -> None:
        self._at = min(self._at + 1, len(self._tokens) - 1)

    def _lose(self, at: int, state: State) -> NoReturn:
        raise _Lost(at, f"expected {_listed(self._expected(state))}, found {_named(self._tokens[at])}")

    def _say(self, at: int, sentence: str) -> None:
        if not self._recovering:
            self.mistakes.append(Mistake(self._tokens[at], self._familiar(at, sentence) or sentence))
        self._recovering = True

    def _familiar(self, at: int, sentence: str) -> str:
        """What is meant by a mistake that people often make."""
        here, before = self._tokens[at], self._tokens[max(at - 2, 0)]
        behind = self._tokens[min(at + 1, len(self._tokens) - 1)]
        operator = behind.kind if here.kind == SPACE else here.kind
        if operator in _OPERATORS and (here.kind == SPACE or before.kind in (*_NAMES, ")", "]")):
            return "different operators need parentheses around each group"
        misplaced = here.kind == "[" and "`:`" not in sentence
        return "`[...]` stands once, at the start of a definition" if misplaced else ""


_OPERATORS = frozenset(("or", "and", "but not"))
_NAMES = (NAME, DOTTED)
_WORDS = {
    SPACE: "a space",
    NEWLINE: "a new line",
    END: "the end",
    NAME: "a name",
    DOTTED: "",
    VERSION: "a version such as 1.1",
    PARAMETER: "a parameter type",
    CONTAINER: "`list` or `map`",
    OTHER: "",
}


def _named(token: Token) -> str:
    if not token.text.strip():
        return _WORDS[token.kind]
    # A string may hold a tab.
    shown = "".join(character if character.isprintable() else " " for character in token.text[:60])
    return f"`{shown}`"


def _listed(kinds: frozenset[str]) -> str:
    # Where a name may stand, the keywords that may serve as one are not worth naming.
    shown = kinds - KEYWORDS if NAME in kinds and DOTTED in kinds else kinds
    shown -= {"#"} if len(shown) > 1 else set()
    named = sorted(filter(None, (_WORDS.get(kind, f"`{kind}`") for kind in shown)))
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"
