"""From a decision to a permit, or to the error that says no. Pure; the gateway calls it for every verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.authorization import public_code
from mcp_gateway.errors import AccessDenied, AuthorizationUnavailable, InsufficientScope
from mcp_gateway.model.call import Permit, Request
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, Risk, Tool


def admit(
    request: Request,
    principal: Principal,
    tool: Tool,
    arguments: Mapping[str, Any],
    decision: Decision,
    method: str = "tools/call",
    params: Mapping[str, Any] | None = None,
) -> Permit:
    """The only place a Permit is made."""
    if decision.allowed:
        return Permit(request, principal, tool, arguments, decision, method, params)
    code = public_code(decision)
    if code == "scope.insufficient":
        missing = [reason.evidence for reason in decision.reasons if reason.code == code]
        raise InsufficientScope(" ".join(dict.fromkeys([scope_for(tool.risk), *missing])))
    if code == "authorization.unavailable":
        raise AuthorizationUnavailable("a question stayed unanswered")
    if code == "tool.unavailable":
        # A link is read by the right to the tool that gave it; its reader hears of a resource.
        code = Kind.RESOURCE.unavailable if method == "resources/read" else tool.kind.unavailable
    raise AccessDenied(decision, code=code)


def scope_for(risk: Risk) -> str:
    """The scope a tool needs; `mcp:write` implies `mcp:read`."""
    return "mcp:read" if risk is Risk.READ else "mcp:write"
