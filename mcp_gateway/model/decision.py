"""A decision and what it is made of. Pure.

    questions(principal, tool, resources) -> Check...      authorization asks
    judge(..., answers) -> Decision                        and judges

`bool(decision)` raises: a dataclass is always true, so `if decide(...)` would admit everyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, NoReturn


class Effect(Enum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Check:
    """One relationship question: does `subject` have `relation` on `object`?"""

    subject: str
    relation: str
    object: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code of `model.reasons`, and evidence only operators and the audit see."""

    code: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Obligation:
    """What must be done for an allow to hold; one that nobody handles denies."""

    name: str


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """What one rule said, and the attributes it is allowed to leave in the audit."""

    id: str
    result: Literal["held", "denied", "undecidable"]
    of_call: bool = False
    """It reads the arguments: the tool stays listed, whatever the rule says of one call."""
    digest: str = ""
    """Of what the rule requires, so that a record tells which rule of that id it was."""
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Decision:
    effect: Effect
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...] = ()
    answers: Mapping[Check, bool] = field(default_factory=lambda: MappingProxyType({}))
    """Every question that was asked, with its answer."""
    revision: int = 0
    """Relationship revision the answers were read at."""
    model_id: str = ""
    valid_until: float | None = None
    """Epoch seconds after which a condition may change the answer; None = until the next revision."""
    rules: tuple[RuleFinding, ...] = ()
    """Every rule that was evaluated."""
    observed: tuple[Reason, ...] = ()
    """What would have denied and was let through, because it is only observed."""
    classification: str | None = None
    """Of the tool's data, where a policy says."""

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW

    def __bool__(self) -> NoReturn:
        raise TypeError("a Decision has no truth value; read `.allowed` and its obligations")


def allow(*reasons: Reason, obligations: Iterable[Obligation] = ()) -> Decision:
    return Decision(Effect.ALLOW, reasons, tuple(obligations))


def deny(*reasons: Reason) -> Decision:
    return Decision(Effect.DENY, reasons)


def all_of(parts: Iterable[Decision]) -> Decision:
    """Allow exactly when there is a part and every part allows; silence denies; nothing said gets lost."""
    seen = tuple(parts)
    if not seen:
        return deny(Reason("decision.silent"))
    denied = any(part.effect is Effect.DENY for part in seen)
    return Decision(
        effect=Effect.DENY if denied else Effect.ALLOW,
        reasons=tuple(reason for part in seen for reason in part.reasons),
        obligations=tuple(obligation for part in seen for obligation in part.obligations),
        rules=tuple(finding for part in seen for finding in part.rules),
        observed=tuple(reason for part in seen for reason in part.observed),
    )
