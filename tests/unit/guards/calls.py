"""A permit for tests of guards, and an upstream that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.model.call import Answer, Caller, Era, Permit, Request
from mcp_gateway.model.decision import Obligation, Reason, allow
from mcp_gateway.model.ids import agent_id, tool_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import ReviewState, Risk, Tool
from tests.support.callers import Nobody

OK = Answer({"content": []}, None, Era.MODERN)
ANY_OBJECT: dict[str, Any] = {"type": "object"}


def permit(
    arguments: Mapping[str, Any] | None = None,
    *,
    schema: object = ANY_OBJECT,
    digest: str = "d1",
    obligations: tuple[str, ...] = (),
    user: str = "mira",
) -> Permit:
    request = Request("r-1", Era.MODERN, "2026-07-28", None, None, {}, None)
    principal = Principal(user_id("local", user), agent_id("local", "docs"), frozenset(), "http://gw/mcp", "j", 1)
    definition = {"name": "find", "inputSchema": schema}
    tool = Tool(tool_id("s", "find"), "s", "find", "s__find", Risk.READ, ReviewState.APPROVED, digest, definition, ())
    decision = allow(Reason("access.allowed"), obligations=map(Obligation, obligations))
    return Permit(request, principal, tool, arguments or {}, decision)


nobody_listens = Nobody()


class CountingUpstream:
    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, permit: Permit, caller: Caller) -> Answer:
        self.calls += 1
        return OK
