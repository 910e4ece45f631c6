"""Conditions of tuples: CEL with typed parameters. Anything but `true` is no; what cannot be evaluated is undecided.

The context stored with the tuple wins over the request's: whoever asks cannot change what was
granted. A condition that only says `current_time < expires_at` is compared here instead of in CEL
(a tenth of the cost), and tells until when its answer stands; any other that reads the clock
stands for this moment only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mcp_gateway.authorization.engine.parameters import cast_value, epoch_seconds
from mcp_gateway.authorization.language.syntax import ConditionDefinition, ParameterType
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError

if TYPE_CHECKING:
    from mcp_gateway.authorization.engine.programs import Program

CLOCK = "current_time"
"""The one context value the gateway sends."""

_MAX_EXPRESSION_CHARACTERS = 4096
_MAX_STORED_CHARACTERS = 32 * 1024
_EXPIRY = re.compile(rf"{CLOCK}\s*<\s*([A-Za-z_]\w*)")
_TIMESTAMP = ParameterType("timestamp")
_RESERVED = frozenset(
    (
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
        "bool",
        "bytes",
        "double",
        "dyn",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "type",
        "uint",
    )
)
"""What is no name of a parameter in CEL: its language definition keeps the words, its types have the others."""


class Undecidable(AuthorizationUnavailable):
    """This question has no answer: a parameter is missing or of another type, or it goes too deep."""


@dataclass(slots=True)
class Circumstances:
    """What conditions may read in one query, and until when their answers stand."""

    now: float | None
    """Our clock; None when only `context` may be read."""
    context: Mapping[str, Any]
    valid_until: float | None = None

    def until(self, moment: float) -> None:
        self.valid_until = moment if self.valid_until is None else min(self.valid_until, moment)


class CompiledCondition:
    """One condition of the model, ready to be bound to a tuple's context."""

    def __init__(self, definition: ConditionDefinition, *, where: str) -> None:
        line = f"{where}:{definition.line}"
        if len(definition.expression) > _MAX_EXPRESSION_CHARACTERS:
            problem = f"`{definition.name}` is longer than {_MAX_EXPRESSION_CHARACTERS} characters"
            raise OperatorError(problem, where=line)
        self.name = definition.name
        self.expression = definition.expression
        self.parameters: Mapping[str, ParameterType] = dict(definition.parameters)
        self.reads_clock = CLOCK in self.parameters
        self._line = line
        self._expiry = self._expiry_parameter(definition.expression)
        if self._expiry is None or self._expiry in _RESERVED:
            _ = self._program  # a mistake shows at load

    @property
    def only_expires(self) -> bool:
        """It says `current_time < ...` of a stored moment and nothing else, so our clock always decides it."""
        return self._expiry is not None

    def bind(self, context: Mapping[str, Any]) -> BoundCondition:
        """The condition with a tuple's stored context; ValueError when that does not fit the parameters."""
        unknown = sorted(context.keys() - self.parameters.keys())
        if unknown:
            raise ValueError(f"`{self.name}` has no parameter `{unknown[0]}`")
        if len(repr(context)) > _MAX_STORED_CHARACTERS:
            raise ValueError("the stored context is too large")
        stored = {name: self._cast(name, value) for name, value in context.items()}
        # With a stored clock the comparison would not be against ours.
        expiry = context.get(self._expiry) if self._expiry and CLOCK not in context else None
        return BoundCondition(self, stored, None if expiry is None else epoch_seconds(expiry))

    def evaluate(self, stored: Mapping[str, Any], at: Circumstances) -> bool:
        if self.reads_clock and CLOCK not in stored:
            at.until(at.now if at.now is not None else 0.0)
        merged = self._merged(stored, at)
        try:
            result = self._program.evaluate(merged)
        except (RuntimeError, TypeError, ValueError) as exc:  # the iteration budget, among others
            raise Undecidable(f"the condition `{self.name}` could not be evaluated") from exc
        if result is None:
            raise Undecidable(f"the condition `{self.name}` could not be evaluated")
        return result

    @cached_property
    def _program(self) -> Program:
        # An expiry is compared without it, and most models have no other condition.
        from mcp_gateway.authorization.engine.programs import NotCompiled, compiled

        try:
            return compiled(self.expression, self.parameters)
        except NotCompiled as exc:
            reason = str(exc).split("\n", 1)[0]
            raise OperatorError(f"`{self.name}` is not a CEL expression: {reason}", where=self._line) from exc
        except TypeError as exc:
            raise OperatorError(f"`{self.name}` must be a bool, not {exc}", where=self._line) from exc

    def _merged(self, stored: Mapping[str, Any], at: Circumstances) -> dict[str, Any]:
        merged = dict(stored)
        for name in self.parameters.keys() - stored.keys():
            if name in at.context:
                merged[name] = self._requested(name, at.context[name])
            elif name == CLOCK and at.now is not None:
                merged[name] = self._requested(name, datetime.fromtimestamp(at.now, UTC))
            else:
                raise Undecidable(f"the condition `{self.name}` needs `{name}`")
        return merged

    def _requested(self, name: str, value: Any) -> Any:
        try:
            return self._cast(name, value)
        except ValueError as exc:
            raise Undecidable(str(exc)) from exc

    def _cast(self, name: str, value: Any) -> Any:
        kind = self.parameters[name]
        try:
            return cast_value(value, kind)
        except ValueError as exc:
            raise ValueError(f"`{name}` of `{self.name}` must be a {kind.name}") from exc

    def _expiry_parameter(self, expression: str) -> str | None:
        match = _EXPIRY.fullmatch(expression.strip())
        if match is None:
            return None
        timestamps = all(self.parameters.get(name) == _TIMESTAMP for name in (CLOCK, match.group(1)))
        return match.group(1) if timestamps and len(self.parameters) == 2 else None


class BoundCondition:
    """A condition with one tuple's stored context."""

    __slots__ = ("_condition", "_expires_at", "_stored")

    def __init__(self, condition: CompiledCondition, stored: Mapping[str, Any], expires_at: float | None) -> None:
        self._condition = condition
        self._stored = stored
        self._expires_at = expires_at

    def holds(self, at: Circumstances) -> bool:
        """Whether the tuple counts; Undecidable when that cannot be said."""
        expires_at = self._expires_at
        if expires_at is None or at.now is None or CLOCK in at.context:
            return self._condition.evaluate(self._stored, at)
        if at.now >= expires_at:
            return False
        at.until(expires_at)
        return True

    def __eq__(self, other: object) -> bool:
        """The same condition of the same model with the same stored context."""
        if not isinstance(other, BoundCondition):
            return NotImplemented
        return self._condition is other._condition and self._stored == other._stored

    def __hash__(self) -> int:
        return hash(self._condition.name)

    def __str__(self) -> str:
        return self._condition.name
