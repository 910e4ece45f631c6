"""What a kill switch makes of a decision: an allow becomes a deny that names the switch. Pure.

The relationships deny what is switched off by themselves where there is a fact to remove (`enabled` of tools and
servers). Users and agents have none; and a person who reads a denial should learn that it was a switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mcp_gateway.model.decision import Decision, Effect, Reason
from mcp_gateway.model.ids import GATEWAY, server_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool


def switched_off(decision: Decision, principal: Principal, tool: Tool, off: frozenset[str]) -> Decision:
    """`decision`, denied by every switch in `off` that is about it; what else denied it stays said."""
    switches = tuple(_switches(principal, tool, off))
    if not switches:
        return decision
    others = decision.reasons if decision.effect is Effect.DENY else ()
    return replace(decision, effect=Effect.DENY, reasons=switches + others)


def switched_on(tools: Sequence[Tool], off: frozenset[str]) -> Sequence[Tool]:
    """Those of `tools` that no switch of their own or of their server takes away."""
    if not off:
        return tools
    return [tool for tool in tools if tool.id not in off and server_id(tool.server) not in off]


def _switches(principal: Principal, tool: Tool, off: frozenset[str]) -> Iterator[Reason]:
    about = (
        ("gateway.disabled", GATEWAY),
        ("user.disabled", principal.user),
        ("agent.disabled", principal.agent),
        ("server.disabled", server_id(tool.server)),
        ("tool.disabled", tool.id),
    )
    return (Reason(code, identifier) for code, identifier in about if identifier in off)
