"""A decision told to an operator: every question and answer, the missing sides, what would change it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_gateway.authorization.judge import public_code
from mcp_gateway.model.decision import Check, Decision
from mcp_gateway.model.reasons import REASONS


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


@dataclass(frozen=True, slots=True)
class Explanation:
    allowed: bool
    user: str
    agent: str
    tool: str
    public_code: str
    """What the caller is told; `access.allowed` for an allow."""
    findings: tuple[Finding, ...]
    asked: tuple[Asked, ...]
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
            "public_code": self.public_code,
            "reasons": [{"code": f.code, "evidence": f.evidence, "remedy": f.remedy} for f in self.findings],
            "checks": [_asked_as_dict(asked) for asked in self.asked],
            "revision": self.revision,
            "model_id": self.model_id,
            "valid_until": self.valid_until,
        }


def explanation(
    decision: Decision, *, user: str, agent: str, tool: str, because: Mapping[Check, tuple[str, ...]]
) -> Explanation:
    return Explanation(
        allowed=decision.allowed,
        user=user,
        agent=agent,
        tool=tool,
        public_code="access.allowed" if decision.allowed else public_code(decision),
        findings=tuple(Finding(r.code, r.evidence, REASONS[r.code].remedy) for r in decision.reasons),
        asked=tuple(
            Asked(check.subject, check.relation, check.object, answer, because.get(check, ()))
            for check, answer in decision.answers.items()
        ),
        revision=decision.revision,
        model_id=decision.model_id,
        valid_until=decision.valid_until,
    )


def _asked_as_dict(asked: Asked) -> dict[str, Any]:
    return {
        "subject": asked.subject,
        "relation": asked.relation,
        "object": asked.object,
        "answer": asked.answer,
        "because": list(asked.because),
    }
