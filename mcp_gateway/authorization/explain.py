"""A decision told to an operator: every question and answer, all missing sides, what would change it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_gateway.authorization.discovery import Access
from mcp_gateway.authorization.judge import public_code
from mcp_gateway.authorization.remedies import remedy
from mcp_gateway.model.decision import Check, Decision, Reason, RuleFinding
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, Tool

ALLOWED = "access.allowed"
_TOLD_BEFORE = {
    "gateway.disabled": "gateway.disabled",
    "user.disabled": "token.revoked",
    "agent.disabled": "token.revoked",
}
"""What is refused before anything is decided, and what the caller is told then; the first that fits."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its answer, and the tuples that made it true."""

    subject: str
    relation: str
    object: str
    answer: bool
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, and what an operator can do about it."""

    code: str
    evidence: str
    remedy: str
    """A command to paste, or a sentence."""
    after: str = ""
    """The code of the finding that hides this one: it would show once that is put right."""


@dataclass(frozen=True, slots=True)
class Explanation:
    allowed: bool
    user: str
    agent: str
    tool: str
    """Empty when a resource was asked about by itself."""
    access: Access | None
    """What the tool is to this principal in lists; None for a resource by itself."""
    resources: tuple[str, ...]
    """What the call names; empty as long as it names nothing."""
    public_code: str
    """What the caller is told; `access.allowed` for an allow."""
    findings: tuple[Finding, ...]
    """Every side that is missing, those that the first one hides included."""
    asked: tuple[Asked, ...]
    rules: tuple[RuleFinding, ...]
    """Every rule that was evaluated."""
    observed: tuple[Finding, ...]
    """What would deny and is let through, because it is only observed."""
    classification: str | None
    revision: int
    model_id: str
    valid_until: float | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {
            "allowed": self.allowed,
            "user": self.user,
            "agent": self.agent,
            "tool": self.tool,
            "access": self.access,
            "resources": list(self.resources),
            "public_code": self.public_code,
            "reasons": [_finding_as_dict(finding) for finding in self.findings],
            "checks": [_asked_as_dict(asked) for asked in self.asked],
            "rules": [{"id": rule.id, "result": rule.result, "of_call": rule.of_call} for rule in self.rules],
            "observed": [_finding_as_dict(finding) for finding in self.observed],
            "classification": self.classification,
            "revision": self.revision,
            "model_id": self.model_id,
            "valid_until": self.valid_until,
        }


def explanation(
    decision: Decision,
    *,
    principal: Principal,
    tool: Tool | None,
    access: Access | None,
    resources: Iterable[str],
    hidden: Sequence[tuple[Reason, str]] = (),
    because: Mapping[Check, tuple[str, ...]],
) -> Explanation:
    """`hidden` are reasons that would show once the code beside them is put right."""
    reasons = [(reason, "") for reason in decision.reasons] + list(hidden)
    return Explanation(
        allowed=decision.allowed,
        user=principal.user,
        agent=principal.agent,
        tool="" if tool is None else tool.id,
        access=access,
        resources=tuple(resources),
        public_code=_told(decision, Kind.TOOL if tool is None else tool.kind),
        findings=tuple(
            Finding(reason.code, reason.evidence, remedy(reason, principal=principal, tool=tool), after)
            for reason, after in reasons
        ),
        asked=tuple(
            Asked(check.subject, check.relation, check.object, answer, because.get(check, ()))
            for check, answer in decision.answers.items()
        ),
        rules=decision.rules,
        observed=tuple(
            Finding(reason.code, reason.evidence, remedy(reason, principal=principal, tool=tool))
            for reason in decision.observed
        ),
        classification=decision.classification,
        revision=decision.revision,
        model_id=decision.model_id,
        valid_until=decision.valid_until,
    )


def _told(decision: Decision, kind: Kind) -> str:
    if decision.allowed:
        return ALLOWED
    codes = {reason.code for reason in decision.reasons}
    return next((told for code, told in _TOLD_BEFORE.items() if code in codes), None) or public_code(decision, kind)


def _finding_as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "evidence": finding.evidence,
        "remedy": finding.remedy,
        "after": finding.after,
    }


def _asked_as_dict(asked: Asked) -> dict[str, Any]:
    return {
        "subject": asked.subject,
        "relation": asked.relation,
        "object": asked.object,
        "answer": asked.answer,
        "because": list(asked.because),
    }
