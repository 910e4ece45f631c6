"""The deadline of one call, which stands still while the client is asked something, up to a bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio

from mcp_gateway.errors import UpstreamTimeout
from mcp_gateway.model.call import Answer, Caller, Permit


async def within(
    seconds: float,
    permit: Permit,
    caller: Caller,
    call: Callable[[Permit, Caller], Awaitable[Answer]],
    *,
    patience: float,
) -> Answer:
    """`call`'s answer within `seconds`, and no more than `patience` for all questions; raises UpstreamTimeout."""
    with anyio.move_on_after(seconds) as scope:
        if permit.request.capabilities:
            caller = _Waiting(caller, scope, patience)
        return await call(permit, caller)
    raise UpstreamTimeout(f"{permit.tool.server} did not answer in time")


class _Waiting:
    """The same client; while it is asked, `scope` has time."""

    __slots__ = ("_caller", "_last", "_left", "_open", "_scope", "notify")

    def __init__(self, caller: Caller, scope: anyio.CancelScope, patience: float) -> None:
        self._caller = caller
        self._scope = scope
        self._last = scope.deadline + patience
        self._left = 0.0
        self._open = 0
        self.notify = caller.notify

    @property
    def asked(self) -> Sequence[str]:
        return self._caller.asked

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        self._stand_still()
        try:
            return await self._caller.ask(method, params)
        finally:
            self._go_on()

    def _stand_still(self) -> None:
        self._open += 1
        if self._open == 1:
            self._left = self._scope.deadline - anyio.current_time()
            self._scope.deadline = self._last

    def _go_on(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._scope.deadline = min(self._last, anyio.current_time() + self._left)
