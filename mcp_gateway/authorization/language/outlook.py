"""What may come next: the tokens that can stand behind a state, and which way of a choice they mean.

A choice is made by looking ahead as far as it takes: all ways are walked at once until one is
left, or none. First without knowing who called the rule, which can be remembered for every later
choice at the same state; only where that leaves two ways open, again from the callers at hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mcp_gateway.authorization.language.grammar import Form, Grammar, State
from mcp_gateway.authorization.language.lexing import END, Token

RETURN = "<return>"
"""Among the tokens behind a state: the rule may end here, and then its caller decides."""

_Callers = tuple[State, ...]


class _Path(NamedTuple):
    """One way that is still possible: where it stands, and the states its callers go on with."""

    way: int
    state: State
    callers: _Callers
    left: bool = False
    """It has come out of the rule the choice stands in."""


@dataclass(slots=True)
class _Step:
    """What is known after some tokens, and what each next token makes of it."""

    paths: frozenset[_Path]
    way: int | None = None
    """The way that all paths agree on."""
    torn: bool = False
    """Different ways have come to the same place: no further token can tell them apart."""
    after: dict[str, _Step | None] = field(default_factory=lambda: dict[str, "_Step | None"]())

    def way_out(self) -> int | None:
        """The first way that has already left the rule: it may be right, and its callers will see."""
        return min((path.way for path in self.paths if path.left), default=None)


class Outlook:
    """For one grammar. What it finds out is kept; the grammar is small, so that is bounded."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._behind: dict[State, frozenset[str]] = {}
        self._quick: dict[State, dict[str, int] | None] = {}
        self._first: dict[State, _Step] = {}

    def behind(self, state: State) -> frozenset[str]:
        """The tokens that may come at `state`; RETURN when its rule may end before one does."""
        if state not in self._behind:
            self._behind[state] = self._tokens(state, leaving=False)
        return self._behind[state]

    def way(self, state: State, tokens: Sequence[Token], at: int, callers: _Callers) -> tuple[int | None, int]:
        """Index of the way to go, None when none fits; and the index of the token that decided."""
        if state not in self._quick:
            self._quick[state] = self._quick_ways(state)
        quick = self._quick[state]
        if quick is None:
            return self._look_ahead(state, tokens, at, callers)
        return quick.get(tokens[at].kind, len(state.ways) - 1 if state.optional else None), at

    def _quick_ways(self, state: State) -> dict[str, int] | None:
        """Token -> way, where one token always tells; None where it does not."""
        told: dict[str, int] = {}
        for way, then in enumerate(state.ways):
            kinds = self._tokens(then, leaving=True)
            if not told.keys().isdisjoint(kinds):
                return None
            told.update(dict.fromkeys(kinds, way))
        return told

    def _tokens(self, state: State, *, leaving: bool) -> frozenset[str]:
        paths = self._closure([_Path(0, state, ())], leaving=leaving)
        ends = [RETURN for path in paths if path.state.form is Form.STOP]
        return frozenset(ends).union(*(path.state.tokens for path in paths))

    def _look_ahead(self, state: State, tokens: Sequence[Token], at: int, callers: _Callers) -> tuple[int | None, int]:
        if state not in self._first:
            self._first[state] = self._begin(state, None)
        start, step = at, self._first[state]
        while True:
            following = self._after(step, tokens[at].kind, leaving=True)
            if following is None:
                return step.way_out(), at
            if following.way is not None:
                return following.way, at
            if following.torn:
                return self._decide_in_context(state, tokens, start, callers)
            step, at = following, at + 1

    def _decide_in_context(
        self, state: State, tokens: Sequence[Token], at: int, callers: _Callers
    ) -> tuple[int | None, int]:
        """The same from the callers at hand; of two ways that fit equally well, the first."""
        step = self._begin(state, callers)
        while True:
            following = self._after(step, tokens[at].kind, leaving=False)
            if following is None:
                return step.way_out(), at
            first = {min(ways) for ways in _ways_by_place(following.paths).values()}
            if len(first) == 1:
                return first.pop(), at
            step, at = following, at + 1

    def _begin(self, state: State, callers: _Callers | None) -> _Step:
        paths = [_Path(way, then, callers or ()) for way, then in enumerate(state.ways)]
        return _Step(self._closure(paths, leaving=callers is None))

    def _after(self, step: _Step, kind: str, *, leaving: bool) -> _Step | None:
        """One token on; None when no path takes it."""
        if kind not in step.after:
            taken = [path._replace(state=path.state.ways[0]) for path in step.paths if kind in path.state.tokens]
            step.after[kind] = _weighed(self._closure(taken, leaving=leaving), kind) if taken else None
        return step.after[kind]

    def _closure(self, paths: Iterable[_Path], *, leaving: bool) -> frozenset[_Path]:
        """The paths up to their next token; where the first rule ends, on in every caller or no further."""
        found: set[_Path] = set()
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._on(path, leaving)
        return frozenset(path for path in found if path.state.tokens or self._ends(path, leaving))

    def _ends(self, path: _Path, leaving: bool) -> bool:
        if path.state.form is not Form.STOP or path.callers:
            return False
        return not (leaving and self._grammar.callers[path.state.rule])

    def _on(self, path: _Path, leaving: bool) -> Iterator[_Path]:
        state, callers = path.state, path.callers
        if state.form is Form.STOP:
            if callers:
                yield path._replace(state=callers[-1], callers=callers[:-1])
            elif leaving:
                for after in self._grammar.callers[state.rule]:
                    yield path._replace(state=after, left=True)
        elif state.calls:
            yield path._replace(state=self._grammar.start[state.calls], callers=(*callers, state.ways[0]))
        elif not state.tokens:
            for after in state.ways:
                yield path._replace(state=after)


def _weighed(paths: frozenset[_Path], kind: str) -> _Step:
    ways = {path.way for path in paths}
    if len(ways) == 1:
        return _Step(paths, ways.pop())
    return _Step(paths, torn=kind == END or _is_torn(paths))


def _is_torn(paths: frozenset[_Path]) -> bool:
    """Some ways have met, and no place is left that only one of them has come to."""
    by_state: defaultdict[State, set[int]] = defaultdict(set)
    for path in paths:
        by_state[path.state].add(path.way)
    met = any(len(ways) > 1 for ways in _ways_by_place(paths).values())
    return met and all(len(ways) > 1 for ways in by_state.values())


def _ways_by_place(paths: frozenset[_Path]) -> dict[tuple[State, _Callers], set[int]]:
    found: defaultdict[tuple[State, _Callers], set[int]] = defaultdict(set)
    for path in paths:
        found[path.state, path.callers].add(path.way)
    return found
