"""The grammar of the modelling language, as data, and the network of states it is walked in.

Only what is grammatical: which tokens may follow each other. It is written so that every choice
takes its first alternative when two fit, which is what OpenFGA's own grammar does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

from mcp_gateway.authorization.language.lexing import (
    CONTAINER,
    DOTTED,
    END,
    NAME,
    NEWLINE,
    OTHER,
    PARAMETER,
    SPACE,
    VERSION,
)


class Form(Enum):
    STEP = "a token, a rule, or nothing"
    CHOICE = "one of several ways on"
    LOOP = "once more, or out"
    LOOP_BACK = "the end of a round"
    STOP = "the end of the rule"


@dataclass(slots=True, eq=False)
class State:
    """A place in a rule. Compared by identity: two places that look alike are not the same place."""

    rule: str
    form: Form = Form.STEP
    ways: list[State] = field(default_factory=lambda: list[State]())
    """Where it goes on; the first that fits is taken."""
    tokens: frozenset[str] = frozenset()
    """Taken on the way to `ways[0]`."""
    calls: str = ""
    """The rule that is walked on the way to `ways[0]`."""
    optional: bool = False
    """Of a choice or loop: its last way skips it."""
    checked: bool = False
    """Whether what comes next is looked at here, before anything is decided."""


@dataclass(frozen=True, slots=True)
class Grammar:
    start: Mapping[str, State]
    stop: Mapping[str, State]
    callers: Mapping[str, tuple[State, ...]]
    """Rule -> the states that go on behind it."""


_Part = Callable[[State], State]
"""Adds itself behind a state and answers the state it ends in."""


def _take(*kinds: str) -> _Part:
    def add(at: State) -> State:
        after = State(at.rule)
        at.tokens, at.ways = frozenset(kinds), [after]
        return after

    return add


def _call(rule: str) -> _Part:
    def add(at: State) -> State:
        after = State(at.rule)
        at.calls, at.ways = rule, [after]
        return after

    return add


def _row(*parts: _Part) -> _Part:
    def add(at: State) -> State:
        for part in parts:
            at = part(at)
        return at

    return add


def _either(*parts: _Part, optional: bool = False) -> _Part:
    def add(at: State) -> State:
        at.form, at.optional, at.checked = Form.CHOICE, optional, True
        after = State(at.rule)
        for part in parts:
            way = State(at.rule)
            at.ways.append(way)
            part(way).ways.append(after)
        if optional:
            at.ways.append(after)
        return after

    return add


def _maybe(*parts: _Part) -> _Part:
    return _either(_row(*parts), optional=True)


def _any_number(*parts: _Part) -> _Part:
    def add(at: State) -> State:
        at.form, at.optional, at.checked = Form.LOOP, True, True
        again = State(at.rule, Form.LOOP_BACK, checked=True)
        body, after = State(at.rule), State(at.rule)
        at.ways = again.ways = [body, after]
        again.optional = True
        _row(*parts)(body).ways.append(again)
        return after

    return add


def _some(*parts: _Part) -> _Part:
    def add(at: State) -> State:
        at.form, at.checked = Form.CHOICE, True
        again = State(at.rule, Form.LOOP_BACK, optional=True, checked=True)
        body, after = State(at.rule), State(at.rule)
        at.ways, again.ways = [body], [body, after]
        _row(*parts)(body).ways.append(again)
        return after

    return add


_SPACE, _NEWLINE = _take(SPACE), _take(NEWLINE)
_MAYBE_SPACE, _MAYBE_NEWLINE = _maybe(_SPACE), _maybe(_NEWLINE)
# Comments are gone before; where OpenFGA's grammar has them, it looks one token further before it decides.
_MAYBE_COMMENT = _maybe(_NEWLINE, _take("#"))
_BODY = ("but not", NAME, SPACE, NEWLINE, VERSION, OTHER)
_SIGNS = ("==", "!=", "<=", ">=", "&&", "||", *"[]():,#*<>.!+/%-?")


def _partials(operator: str) -> _Part:
    return _row(_SPACE, _take(operator), _SPACE, _either(_call("reference"), _call("group_without_direct")))


_RULES: Mapping[str, _Part] = {
    "file": _row(
        _MAYBE_SPACE,
        _MAYBE_NEWLINE,
        _either(_call("model_header"), _call("module_header")),
        _MAYBE_NEWLINE,
        _call("types"),
        _MAYBE_NEWLINE,
        _call("conditions"),
        _MAYBE_NEWLINE,
        _take(END),
    ),
    "model_header": _row(_take("model"), _NEWLINE, _take("schema"), _SPACE, _take(VERSION), _MAYBE_SPACE),
    "module_header": _row(_take("module"), _SPACE, _call("name"), _MAYBE_SPACE),
    "types": _any_number(_call("type")),
    "type": _row(
        _MAYBE_COMMENT,
        _NEWLINE,
        _maybe(_take("extend"), _SPACE),
        _take("type"),
        _SPACE,
        _call("name"),
        _maybe(_NEWLINE, _take("relations"), _some(_call("relation"))),
    ),
    "relation": _row(
        _MAYBE_COMMENT,
        _NEWLINE,
        _take("define"),
        _SPACE,
        _call("relation_name"),
        _MAYBE_SPACE,
        _take(":"),
        _MAYBE_SPACE,
        _call("definition"),
    ),
    "relation_name": _call("name"),
    "definition": _row(_either(_call("direct"), _call("reference"), _call("group")), _maybe(_call("partials"))),
    "definition_without_direct": _row(
        _either(_call("reference"), _call("group_without_direct")), _maybe(_call("partials"))
    ),
    "partials": _either(_some(_partials("or")), _some(_partials("and")), _partials("but not")),
    "group": _row(_take("("), _any_number(_SPACE), _call("definition"), _any_number(_SPACE), _take(")")),
    "group_without_direct": _row(
        _take("("), _any_number(_SPACE), _call("definition_without_direct"), _any_number(_SPACE), _take(")")
    ),
    "reference": _row(_call("name"), _maybe(_SPACE, _take("from"), _SPACE, _call("name"))),
    "direct": _row(
        _take("["),
        _MAYBE_SPACE,
        _call("restriction"),
        _MAYBE_SPACE,
        _any_number(_take(","), _MAYBE_SPACE, _call("restriction"), _MAYBE_SPACE),
        _take("]"),
    ),
    "restriction": _row(
        _MAYBE_NEWLINE,
        _either(_call("subject"), _row(_call("subject"), _SPACE, _take("with"), _SPACE, _call("condition_name"))),
        _MAYBE_NEWLINE,
    ),
    "subject": _row(
        _call("name"), _either(_row(_take(":"), _take("*")), _row(_take("#"), _call("name")), optional=True)
    ),
    "conditions": _any_number(_call("condition")),
    "condition": _row(
        _MAYBE_COMMENT,
        _NEWLINE,
        _take("condition"),
        _SPACE,
        _call("condition_name"),
        _MAYBE_SPACE,
        _take("("),
        _MAYBE_SPACE,
        _call("parameter"),
        _MAYBE_SPACE,
        _any_number(_take(","), _MAYBE_SPACE, _call("parameter"), _MAYBE_SPACE),
        _MAYBE_NEWLINE,
        _take(")"),
        _MAYBE_SPACE,
        _take("{"),
        _call("expression"),
        _take("}"),
    ),
    "condition_name": _take(NAME),
    "parameter": _row(
        _MAYBE_NEWLINE, _call("parameter_name"), _MAYBE_SPACE, _take(":"), _MAYBE_SPACE, _call("parameter_type")
    ),
    "parameter_name": _take(NAME),
    "parameter_type": _either(_take(PARAMETER), _row(_take(CONTAINER), _take("<"), _take(PARAMETER), _take(">"))),
    "expression": _any_number(_take(*_BODY, *_SIGNS)),
    "name": _take(NAME, DOTTED, "module", "model", "schema", "extend", "type", "relation"),
}


@cache
def grammar() -> Grammar:
    start: dict[str, State] = {}
    stop: dict[str, State] = {}
    for rule, part in _RULES.items():
        start[rule], stop[rule] = State(rule), State(rule, Form.STOP)
        part(start[rule]).ways.append(stop[rule])
    callers: dict[str, list[State]] = {rule: [] for rule in _RULES}
    for state in _states(start.values()):
        if state.calls:
            callers[state.calls].append(state.ways[0])
    return Grammar(start, stop, {rule: tuple(after) for rule, after in callers.items()})


def _states(starts: Iterable[State]) -> list[State]:
    """Every state that can be walked to."""
    found: dict[int, State] = {}
    waiting = list(starts)
    while waiting:
        state = waiting.pop()
        if id(state) not in found:
            found[id(state)] = state
            waiting += state.ways
    return list(found.values())
