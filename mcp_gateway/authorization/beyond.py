"""What a missing delegation hides: the agent's side, asked as if the user let the agent act. Explains, never decides.

Every right of an agent ends where nobody lets it act, so a plain denial cannot say whether a grant is missing too.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.authorization.kinds import GOVERNED
from mcp_gateway.authorization.relationships import InContext, Legs, Relationships
from mcp_gateway.authorization.resources import Resource
from mcp_gateway.errors import GatewayError
from mcp_gateway.model.decision import Check, Decision, Reason
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool

NOT_DELEGATED = "agent.not_delegated"
_DELEGATOR = "delegator"


async def hidden(
    relationships: Relationships,
    decision: Decision,
    principal: Principal,
    tool: Tool | None,
    resources: Sequence[Resource],
    *,
    now: float,
) -> list[tuple[Reason, str]]:
    """The reasons that remain once the user lets the agent act, each with the code that hides it."""
    if NOT_DELEGATED not in {reason.code for reason in decision.reasons}:
        return []
    asked = dict(_agent_sides(relationships, principal, tool, resources))
    # The verified token makes such tuples too; this one goes no further than this question.
    as_if = InContext(principal.user, principal.agent, (*principal.memberships, (_DELEGATOR, principal.agent)))
    try:
        answers = await relationships.answer(tuple(asked), in_context=as_if, now=now)
    except GatewayError:
        return []  # a model without such a relation, or a backend that is away: nothing more can be said
    return [(reason, NOT_DELEGATED) for check, reason in asked.items() if answers.answers.get(check) is False]


def _agent_sides(
    relationships: Relationships, principal: Principal, tool: Tool | None, resources: Sequence[Resource]
) -> list[tuple[Check, Reason]]:
    found: list[tuple[Check, Reason]] = []
    if tool is not None:
        check = Check(principal.user, GOVERNED[tool.kind].agent, tool.id)
        found.append((check, Reason("agent.not_granted", _evidence(check))))
    for relation, object_ in resources:
        legs = relationships.legs(object_.partition(":")[0], relation) or Legs((), ())
        for side in legs.agent:
            check = Check(principal.user, side, object_)
            found.append((check, Reason("resource.agent_not_granted", _evidence(check))))
    return found


def _evidence(check: Check) -> str:
    return f"{check.subject} {check.relation} {check.object}"
