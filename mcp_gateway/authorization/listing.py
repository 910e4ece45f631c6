"""What a list holds where rules, roles or observing have a say: the decision of a call, as far as no call is needed. Pure.

candidates(...)       tools that could be listed at all
list_questions(...)   what must be asked beyond the rule itself
listed(...)           what was asked and answered -> the list
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mcp_gateway.authorization.judge import judge, questions, sides
from mcp_gateway.authorization.kinds import LegsOf
from mcp_gateway.authorization.relationships import Answers, Held
from mcp_gateway.authorization.rules import Bound, Facts, narrow
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check, Decision, Reason, allow
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool

Bounds = Mapping[ToolId, Bound | None]

_EVERY_SCOPE = frozenset({"mcp:read", "mcp:write"})
_HELD = allow(Reason("access.allowed"))
_NO_ANSWERS: Mapping[Check, bool] = {}


@dataclass(frozen=True, slots=True)
class Visible:
    """The tools a principal may see: those on which `can_call` holds. Arguments and scope are judged on the call."""

    tools: tuple[ToolId, ...]
    """In the order they were given."""
    depends_on_resource: frozenset[ToolId]
    """Those of them whose call also depends on its arguments: on the resource they name, or on a rule that reads them."""
    revision: int
    model_id: str
    valid_until: float | None
    """Epoch seconds after which the list may change by itself; None = until the next revision."""
    ids: frozenset[ToolId]
    """`tools` as a set; the same object as long as the answer is kept."""


def candidates(tools: Sequence[Tool], held: Held, bounds: Bounds) -> Sequence[Tool]:
    """Those that may be called, and those whose refusal might only be observed."""
    holds = frozenset(held.objects)
    return [tool for tool in tools if tool.id in holds or _is_observed(bounds[tool.id])]


def list_questions(
    principal: Principal, tools: Sequence[Tool], held: Held, bounds: Bounds, legs: LegsOf
) -> tuple[Check, ...]:
    holds = frozenset(held.objects)
    asked: dict[Check, None] = {}
    for tool in tools:
        bound = bounds[tool.id]
        asked |= dict.fromkeys(bound.checks(principal.user) if bound else ())
        if tool.id not in holds:
            asked |= dict.fromkeys(questions(principal, tool, ()))
            asked |= dict.fromkeys(sides(principal, tool, (), answers=_NO_ANSWERS, legs=legs))
    return tuple(asked)


def listed(
    principal: Principal,
    tools: Sequence[Tool],
    held: Held,
    answers: Answers | None,
    bounds: Bounds,
    legs: LegsOf,
    *,
    now: float,
    request: Request | None,
) -> Visible:
    holds, asker = frozenset(held.objects), replace(principal, scopes=_EVERY_SCOPE)
    given = answers or Answers(_NO_ANSWERS, held.revision, held.model_id, held.valid_until)
    valid_until = _earlier(held.valid_until, given.valid_until)
    alike: dict[Bound, Decision] = {}
    shown: list[Tool] = []
    for tool in tools:
        bound = bounds[tool.id]
        if bound is None:
            shown.append(tool)
            continue
        decision = alike.get(bound) if tool.id in holds else None
        if decision is None:
            known = _HELD if tool.id in holds else judge(asker, tool, (), answers=given, legs=legs)
            facts = Facts(principal, tool, bound.classification, request, now, given.answers)
            decision = narrow(known, bound, facts)
            valid_until = _earlier(valid_until, decision.valid_until)
            if tool.id in holds and not bound.of_tool:
                alike[bound] = decision
        if decision.allowed:
            shown.append(tool)
    return Visible(
        tools=tuple(tool.id for tool in shown),
        depends_on_resource=frozenset(tool.id for tool in shown if tool.resources or _depends(bounds[tool.id])),
        revision=min(held.revision, given.revision),
        model_id=held.model_id,
        valid_until=valid_until,
        ids=frozenset(tool.id for tool in shown),
    )


def _is_observed(bound: Bound | None) -> bool:
    return bound is not None and bound.observed


def _depends(bound: Bound | None) -> bool:
    return bound is not None and bound.of_call


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
