"""`python -m bench.ungoverned …`: the gateway's own program with a decision that always allows.

What authorization costs is the difference to `python -m mcp_gateway …`. Exists for measuring only: the
product has no such switch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_gateway.authorization import Authorization
from mcp_gateway.authorization.listing import Visible
from mcp_gateway.cli.main import main
from mcp_gateway.compose import office
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Decision, Reason, allow
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool

_ALWAYS = allow(Reason("access.allowed"))


class AlwaysAllows(Authorization):
    async def decide(
        self,
        principal: Principal,
        tool: Tool,
        arguments: Mapping[str, Any],
        *,
        now: float,
        request: Request | None = None,
    ) -> Decision:
        return _ALWAYS

    async def visible(
        self, principal: Principal, tools: Sequence[Tool], *, now: float, request: Request | None = None
    ) -> Visible:
        ids = tuple(tool.id for tool in tools)
        return Visible(ids, frozenset(), 0, "", None, frozenset(ids))


if __name__ == "__main__":
    office.Authorization = AlwaysAllows
    main()
