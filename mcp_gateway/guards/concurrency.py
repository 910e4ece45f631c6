"""How many calls one principal may have open at once; whoever is over it is told so, nobody queues."""

from __future__ import annotations

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.model.call import Answer, Caller, Forward, Permit

LIMIT = 32


class ConcurrencyGuard:
    """Counts in this process. A principal is the pair of user and agent, whatever its token."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._open: dict[tuple[str, str], int] = {}

    async def __call__(self, permit: Permit, caller: Caller, proceed: Forward) -> Answer:
        principal = (permit.principal.user, permit.principal.agent)
        already = self._open.get(principal, 0)
        if already >= self._limit:
            raise LimitExceeded(f"{self._limit} calls are open already", code="limit.concurrency")
        self._open[principal] = already + 1
        try:
            return await proceed(permit, caller)
        finally:
            self._release(principal)

    def _release(self, principal: tuple[str, str]) -> None:
        left = self._open[principal] - 1
        if left:
            self._open[principal] = left
        else:
            # Or the table would remember everybody who ever called.
            del self._open[principal]
