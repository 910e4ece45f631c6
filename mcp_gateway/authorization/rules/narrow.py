"""A decision by relationships → the decision: scopes, roles and rules taken into account, then what is observed. Pure.

    narrow(decision, bound, facts)      for a call; with `facts.arguments` None for a list

A list leaves out what only a call can tell: scopes, and rules that read the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mcp_gateway.authorization.rules.attributes import NEVER_AUDITED, Facts, values_of
from mcp_gateway.authorization.rules.book import Bound, Rule
from mcp_gateway.authorization.rules.expression import Verdict
from mcp_gateway.model.decision import Check, Decision, Effect, Reason, RuleFinding

OBSERVABLE = frozenset(
    {
        "user.not_allowed",
        "agent.not_granted",
        "resource.user_not_allowed",
        "resource.agent_not_granted",
        "resource.unidentified",
        "role.not_held",
        "rule.denied",
    }
)
"""What observing lets through: a right or a rule that is not there yet. Never what nobody could answer, what the
token or the consent does not reach, and never what was disabled or not approved."""

_SILENT = (Reason("decision.silent"),)
_ALLOWED = (Reason("access.allowed"),)
_OBSERVED = (Reason("access.observed"),)


def narrow(decision: Decision, bound: Bound, facts: Facts) -> Decision:
    findings = tuple(_findings(bound, facts))
    # A denial that says nothing stays one.
    reasons = () if decision.allowed else decision.reasons or _SILENT
    if bound.scopes or bound.roles:
        reasons += (*_missing_scopes(bound, facts), *_missing_roles(bound, facts))
    denied = [_reason(finding) for finding in findings if finding.result != "held"]
    observed: tuple[Reason, ...] = ()
    if denied:
        observed = tuple(r for r in denied if r.evidence in bound.only_observed and r.code in OBSERVABLE)
        reasons += tuple(reason for reason in denied if reason not in observed)
    if reasons and bound.observed and all(reason.code in OBSERVABLE for reason in reasons):
        observed, reasons = observed + reasons, ()
    # Not by `replace`, which costs as much as a rule.
    return Decision(
        Effect.DENY if reasons else Effect.ALLOW,
        reasons or (_OBSERVED if observed else _ALLOWED),
        decision.obligations,
        decision.answers,
        decision.revision,
        decision.model_id,
        _moment(decision.valid_until, facts.now) if bound.of_moment else decision.valid_until,
        findings,
        observed,
        bound.classification,
    )


def _findings(bound: Bound, facts: Facts) -> Iterator[RuleFinding]:
    for rule in bound.rules:
        if facts.arguments is not None or not rule.of_call:
            yield _finding(rule, facts)


def _finding(rule: Rule, facts: Facts) -> RuleFinding:
    values = values_of(rule.require.reads, facts, rule.relations)
    verdict = rule.require.evaluate(values)
    if not rule.audit:
        return RuleFinding(rule.id, verdict.value, rule.of_call, rule.digest)
    attributes = {name: _told(values.get(name)) for name in rule.audit if name not in NEVER_AUDITED}
    return RuleFinding(rule.id, verdict.value, rule.of_call, rule.digest, attributes)


def _reason(finding: RuleFinding) -> Reason:
    return Reason("rule.denied" if finding.result == Verdict.DENIED else "rule.undecidable", finding.id)


def _missing_scopes(bound: Bound, facts: Facts) -> Iterator[Reason]:
    if facts.arguments is not None:
        yield from (Reason("scope.insufficient", s) for s in bound.scopes if s not in facts.principal.scopes)


def _missing_roles(bound: Bound, facts: Facts) -> Iterator[Reason]:
    user = facts.principal.user
    for relation, object_ in bound.roles:
        held = facts.answers.get(Check(user, relation, object_))
        if held is not True:
            yield Reason("relationship.unknown" if held is None else "role.not_held", f"{user} {relation} {object_}")


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(valid_until: float | None, now: float) -> float:
    return now if valid_until is None else min(valid_until, now)
