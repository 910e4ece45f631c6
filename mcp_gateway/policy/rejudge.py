"""One recorded decision under another policy: allow, deny, or not to be told from what was recorded. Pure.

A denial that is certain stays one whatever is not known; an allow needs everything to be known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from mcp_gateway.authorization import Answers, Unidentified
from mcp_gateway.authorization.judge import LegsOf, judge, questions, sides
from mcp_gateway.authorization.rules import Bound, Facts, narrow
from mcp_gateway.model.decision import Check, Decision
from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Risk, Tool
from mcp_gateway.policy.named import Resources
from mcp_gateway.policy.past import Past
from mcp_gateway.policy.recalled import recalled, request_of

Named: TypeAlias = Resources | Unidentified | str
"""As `named.named` found them; a string says why it could not."""

_EVERY_SCOPE = frozenset({"mcp:read", "mcp:write"})
_SCOPES_UNKNOWN = "the record does not tell the token's scopes"


@dataclass(frozen=True, slots=True)
class Rejudged:
    effect: Literal["allow", "deny", "undecidable"]
    codes: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Why it is undecidable."""


def to_ask(past: Past, tool: Tool, resources: Named, bound: Bound | None, legs: LegsOf) -> tuple[Check, ...]:
    """Everything that must be answered as of the record's revision."""
    principal, certain = _principal(past, _EVERY_SCOPE), _certain(resources)
    every_side = sides(principal, tool, certain, answers={}, legs=legs)
    more = bound.checks(principal.user) if bound else ()
    return tuple(dict.fromkeys((*questions(principal, tool, certain), *every_side, *more)))


def rejudge(
    past: Past, tool: Tool, resources: Named, bound: Bound | None, *, answers: Answers, legs: LegsOf
) -> Rejudged:
    """`bound` is what the candidate's rules say of the tool, `answers` those to `to_ask`."""
    certain = _certain(resources)
    unknown = [resources] if isinstance(resources, str) else []
    scopes, doubt = _scopes(past, tool)
    unknown += doubt
    principal = _principal(past, scopes)
    decision = judge(principal, tool, certain, answers=answers, legs=legs)
    if bound is not None:
        if bound.scopes and past.scopes is None:
            unknown.append(_SCOPES_UNKNOWN)
            bound = replace(bound, scopes=())
        known = not isinstance(resources, str | Unidentified)
        bound, doubt = recalled(bound, past, tool, answers.model_id, resources_known=known)
        unknown += doubt
        facts = Facts(principal, tool, bound.classification, request_of(past), past.at, answers.answers, {}, certain)
        decision = narrow(decision, bound, facts)
    return _concluded(decision, past, unknown)


def _concluded(decision: Decision, past: Past, unknown: list[str]) -> Rejudged:
    # Kill switches are no policy: they stand as they stood.
    off = tuple(code for code in past.codes if code.endswith(".disabled"))
    denied = () if decision.allowed else tuple(reason.code for reason in decision.reasons)
    if off or denied:
        return Rejudged("deny", tuple(dict.fromkeys(off + denied)))
    if unknown:
        return Rejudged("undecidable", (), tuple(dict.fromkeys(unknown)))
    codes = [reason.code for reason in (*decision.reasons, *decision.observed)]
    return Rejudged("allow", tuple(dict.fromkeys(codes)))


def _scopes(past: Past, tool: Tool) -> tuple[frozenset[str], list[str]]:
    """The token's scopes; where they are not recorded, as far as what was said of them tells."""
    if past.scopes is not None:
        return past.scopes, []
    was_enough = "scope.insufficient" not in past.codes
    if (tool.risk is Risk.READ) is (past.risk is Risk.READ):
        return (_EVERY_SCOPE if was_enough else frozenset()), []
    # Enough to write is enough to read; enough to read, or not enough to write, tells nothing of the other.
    certain = was_enough and tool.risk is Risk.READ
    return _EVERY_SCOPE, [] if certain else [_SCOPES_UNKNOWN]


def _certain(resources: Named) -> Resources | Unidentified:
    return () if isinstance(resources, str) else resources


def _principal(past: Past, scopes: frozenset[str]) -> Principal:
    return Principal(UserId(past.user), AgentId(past.agent), scopes, "", "", 0, memberships=past.memberships)
