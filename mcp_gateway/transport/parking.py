"""Where calls of modern clients wait for their clients, while a legacy upstream waits for an answer.

A legacy upstream asks in the middle of a call and waits; a modern client can only be asked by a result and
answers with a new request. So the call runs in a task of its own here. It lives in this process alone: a
retry that reaches another one, or comes after the end, is refused like any state that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import Declined, LimitExceeded, Unavailable, UnknownState
from mcp_gateway.model.call import Again, Answer, Caller, Permit
from mcp_gateway.model.tool import JsonObject, Tool
from mcp_gateway.transport.inflight import InFlight
from mcp_gateway.transport.parked import ParkedCall, Waiting
from mcp_gateway.transport.states import State
from mcp_gateway.transport.turns import Turn
from mcp_gateway.transport.waits import INTERNAL, Waits

MAX_PARKED = 1_000
MAX_PER_PRINCIPAL = 16


class Parking:
    """The calls of one process that run for modern clients; `run` owns their tasks."""

    def __init__(
        self,
        inflight: InFlight,
        waits: Waits,
        *,
        limit: int = MAX_PARKED,
        per_principal: int = MAX_PER_PRINCIPAL,
    ) -> None:
        self.inflight = inflight
        self.waits = waits
        self._limit = limit
        self._per_principal = per_principal
        self._awaiting: dict[str, ParkedCall] = {}
        """Calls whose client must come back, by the handle it has to bring."""
        self._parked: dict[ParkedCall, tuple[str, str]] = {}
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            await anyio.sleep_forever()

    def close(self) -> None:
        """The gateway stops: nobody will come back."""
        for call in list(self._awaiting.values()):
            call.end()

    async def begin(self, turn: Turn, client: Waiting, item: Tool, again: Again | None) -> Answer:
        """The answer of a call, or the first questions of its upstream."""
        if self._tasks is None:
            raise LimitExceeded(code="limit.overload")
        call = ParkedCall(turn, item, self)
        self._tasks.start_soon(call.run, again)
        return await call.next(turn, client)

    def taken(self, handle: str) -> ParkedCall:
        """The call that waits for its client to come back with `handle`, which is spent by that; raises UnknownState."""
        call = self._awaiting.pop(handle, None)
        if call is None:
            raise UnknownState
        return call

    async def resume(
        self, turn: Turn, client: Waiting, call: ParkedCall, state: State, answers: Mapping[str, JsonObject]
    ) -> Answer:
        """Feed the answers to the call they are for, and wait for what comes next.

        The retry is decided and recorded like any request; one that is denied ends the call.
        """
        reached = False

        async def go_on(_permit: Permit, _caller: Caller) -> Answer:
            nonlocal reached
            reached = True
            call.feed(answers)
            return await call.next(turn, client)

        try:
            return await turn.make(client, Again({}, item=state.item, began=state.began, forward=go_on))
        except (LimitExceeded, Unavailable):
            if not reached and call.goes_on:
                self.expect(call)  # the client may try again in a moment
            raise
        except BaseException:
            if not reached:
                call.end()
            raise

    def park(self, call: ParkedCall) -> None:
        """A call that asks counts until it is over; raises Declined when there are too many."""
        if call in self._parked:
            return
        if len(self._parked) >= self._limit or list(self._parked.values()).count(call.who) >= self._per_principal:
            raise Declined("too many calls wait for their clients", jsonrpc=INTERNAL)
        self._parked[call] = call.who

    def expect(self, call: ParkedCall) -> None:
        """Its client is to come back with the handle."""
        self._awaiting[call.handle] = call

    def drop(self, call: ParkedCall) -> None:
        self._parked.pop(call, None)
        self._awaiting.pop(call.handle, None)

    def __len__(self) -> int:
        return len(self._parked)
