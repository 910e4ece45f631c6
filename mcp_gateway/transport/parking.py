"""Calls of modern clients that go on while their client answers: how a legacy upstream's questions reach it.

A legacy upstream asks in the middle of a call and waits; a modern client can only be asked by a result and
answers with a new request. So the call runs in a task of its own here, and whichever request of its client is
there waits for the next question or the answer. It lives in this process alone: a retry that reaches another
one, or comes after the end, is refused like any state that is not known.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import (
    AccessDenied,
    BadRequest,
    Declined,
    GatewayError,
    LimitExceeded,
    Unavailable,
    UnknownState,
)
from mcp_gateway.model.call import Again, Answer, Caller, Era, Permit
from mcp_gateway.model.tool import JsonObject, Tool
from mcp_gateway.transport import asking
from mcp_gateway.transport.asking import MAX_QUESTIONS, lacking, outcome_of, refuse_large
from mcp_gateway.transport.inflight import Flight, InFlight
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.states import State
from mcp_gateway.transport.turns import INPUT_REQUIRED, Turn

log = logging.getLogger(__name__)

MAX_PARKED = 1_000
MAX_PER_PRINCIPAL = 16
_INTERNAL = -32603
_PASSED_ON = ("notifications/progress", "notifications/message")
"""The others are of the upstream's era."""


class Waiting(Caller, Protocol):
    """A client's request that waits for a call."""

    reply: Reply
    flight: Flight


class _Asked:
    """One question of the upstream."""

    __slots__ = ("answer", "method", "params", "settled")

    def __init__(self, method: str, params: Mapping[str, Any]) -> None:
        self.method = method
        self.params = params
        self.answer: JsonObject | None = None
        self.settled = anyio.Event()

    @property
    def request(self) -> JsonObject:
        return {"method": self.method, "params": self.params}


class ParkedCall:
    """The client of one call, as the upstream sees it; a Caller, and Recheckable."""

    def __init__(self, turn: Turn, item: Tool, parking: Parking) -> None:
        self.id = secrets.token_urlsafe(18)
        self.asked: list[str] = []
        self.flight: Flight | None = None
        self._turn = turn
        self._item = item
        self._parking = parking
        self._round = 0
        self._count = 0
        self._open: dict[str, _Asked] = {}
        self._waiting: tuple[Turn, Waiting] | None = None
        self._changed = anyio.Event()
        self._ending: Answer | GatewayError | None = None

    # what the upstream sees

    async def notify(self, message: Mapping[str, Any], /) -> None:
        """To whichever request waits, with that request's progress token."""
        method = message.get("method")
        if self._waiting is None or method not in _PASSED_ON:
            return
        turn, client = self._waiting
        if method == "notifications/progress":
            token = turn.request.progress_token
            if token is None:
                return
            message = {**message, "params": {**message.get("params", {}), "progressToken": token}}
        await client.reply.notify(message)

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Raises Declined."""
        if lacking(self._turn.request.capabilities, method, params) is not None:
            raise Declined(f"the client does not answer {method}")
        refuse_large(params)
        self._count += 1
        if self._count > MAX_QUESTIONS:
            raise Declined("the call asked too often", jsonrpc=_INTERNAL)
        self._parking.park(self)
        key = f"{method.partition('/')[0]}-{self._count}"
        asked = self._open[key] = _Asked(method, params)
        self._changed.set()
        try:
            with anyio.move_on_after(asking.ANSWER_SECONDS):
                await asked.settled.wait()
        finally:
            self._open.pop(key, None)
            self.asked.append(f"{method}: {'abandoned' if asked.answer is None else outcome_of(asked.answer)}")
        if asked.answer is None:
            # Nobody came back for it, so nobody waits for the answer of the call either.
            self.end()
            raise Declined("the client did not answer", jsonrpc=_INTERNAL)
        return asked.answer

    # what its client sees

    async def next(self, turn: Turn, client: Waiting) -> Answer:
        """The next questions, or the answer. A client that leaves while it waits cancels the call."""
        self._waiting = (turn, client)
        # The call itself is asked again whether it may go on; once is enough.
        client.flight.request = None
        try:
            while self._ending is None and not self._open:
                self._changed = anyio.Event()
                await self._changed.wait()
        except anyio.get_cancelled_exc_class():
            self.end()
            raise
        finally:
            self._waiting = None
        if isinstance(self._ending, GatewayError):
            raise self._ending
        return self._ending or self._questions()

    def _questions(self) -> Answer:
        self._round += 1
        self._parking.expect(self)
        requests = {key: asked.request for key, asked in self._open.items()}
        result = {"resultType": INPUT_REQUIRED, "inputRequests": requests, "requestState": self.handle}
        return Answer(result, None, Era.LEGACY, self._item)

    @property
    def handle(self) -> str:
        """Good for one retry: the next questions come with another."""
        return f"{self.id}.{self._round}"

    def feed(self, answers: Mapping[str, JsonObject]) -> None:
        """Answers to what is open; others are nobody's."""
        for key in answers.keys() & self._open.keys():
            # Gone for whoever looks next, before the upstream's task runs again.
            asked = self._open.pop(key)
            asked.answer = answers[key]
            asked.settled.set()

    # its life

    async def run(self, again: Again | None) -> None:
        """Never raises but for a cancellation from outside: the tasks of all parked calls are one group."""
        try:
            self._ending = await self._flown(again)
        except GatewayError as exc:
            self._ending = exc
        except Exception:
            log.exception("parked request %s failed", self._turn.request.id)
            self._ending = GatewayError()
        finally:
            self._ending = self._ending or BadRequest("the request was cancelled", code="request.cancelled")
            self._parking.drop(self)
            self._changed.set()

    async def _flown(self, again: Again | None) -> Answer:
        self.flight = flight = Flight()
        self._parking.inflight.enter(flight)
        try:
            flight.arrived()
            flight.request = self
            return await self._turn.make(self, again)
        except anyio.get_cancelled_exc_class():
            if not flight.was_ended():
                raise
        finally:
            self._parking.inflight.leave(flight)
        if flight.refusal is not None:
            turn = self._turn
            await self._turn.core.record_ended(turn.request.id, turn.principal, turn.name, flight.refusal)
            raise AccessDenied(None, code="access.ended") from flight.refusal
        raise BadRequest("the request was cancelled", code="request.cancelled")

    def end(self) -> None:
        if self.flight is not None:
            self.flight.cancel()

    @property
    def goes_on(self) -> bool:
        return self._ending is None

    @property
    def who(self) -> tuple[str, str]:
        return (self._turn.principal.user, self._turn.principal.agent)

    async def ended(self) -> GatewayError | None:
        return await self._turn.core.ended(self._turn.principal)

    async def refused(self) -> GatewayError | None:
        return await self._turn.core.refused(self._turn.principal, self._turn.called)


class Parking:
    """The calls of one process that run for modern clients; `run` owns their tasks."""

    def __init__(
        self,
        inflight: InFlight,
        *,
        limit: int = MAX_PARKED,
        per_principal: int = MAX_PER_PRINCIPAL,
    ) -> None:
        self.inflight = inflight
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

    async def resume(self, turn: Turn, client: Waiting, state: State, answers: Mapping[str, JsonObject]) -> Answer:
        """Feed the answers to the call they are for, and wait for what comes next; raises UnknownState.

        The retry is decided and recorded like any request; one that is denied ends the call.
        """
        handle = state.parked or ""
        call = self._awaiting.pop(handle, None)
        if call is None:
            raise UnknownState
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
                self._awaiting[handle] = call  # the client may try again in a moment
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
            raise Declined("too many calls wait for their clients", jsonrpc=_INTERNAL)
        self._parked[call] = call.who

    def expect(self, call: ParkedCall) -> None:
        """Its client is to come back with the handle."""
        self._awaiting[call.handle] = call

    def drop(self, call: ParkedCall) -> None:
        self._parked.pop(call, None)
        self._awaiting.pop(call.handle, None)

    def __len__(self) -> int:
        return len(self._parked)
