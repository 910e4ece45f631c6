"""One call of a modern client that goes on while its client answers: what its upstream sees, and what its client.

The upstream takes it for a client that is asked and answers in the session era; the client sends one request
after the other, and whichever of them is there waits for the next questions or the answer.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

import anyio

from mcp_gateway.errors import AccessDenied, BadRequest, Declined, GatewayError
from mcp_gateway.model.call import Again, Answer, Caller, Era
from mcp_gateway.model.tool import JsonObject, Tool
from mcp_gateway.transport import asking
from mcp_gateway.transport.asking import MAX_QUESTIONS, lacking, outcome_of, refuse_large
from mcp_gateway.transport.inflight import Flight, InFlight
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.turns import INPUT_REQUIRED, Turn
from mcp_gateway.transport.waits import INTERNAL, Waits

log = logging.getLogger(__name__)

_TOGETHER_SECONDS = 0.05
"""What an upstream asks at once goes to the client at once."""
_SELDOM = 5
_PASSED_ON = ("notifications/progress", "notifications/message")
"""The others are of the upstream's era."""


class Places(Protocol):
    """Where calls are parked."""

    @property
    def inflight(self) -> InFlight: ...

    @property
    def waits(self) -> Waits: ...

    def park(self, call: ParkedCall) -> None: ...

    def expect(self, call: ParkedCall) -> None: ...

    def drop(self, call: ParkedCall) -> None: ...


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

    def __init__(self, turn: Turn, item: Tool, places: Places) -> None:
        self.id = secrets.token_urlsafe(18)
        self.asked: list[str] = []
        self.flight: Flight | None = None
        self._turn = turn
        self._item = item
        self._places = places
        self._round = 0
        self._count = 0
        self._open: dict[str, _Asked] = {}
        self._waiting: tuple[Turn, Waiting] | None = None
        self._changed = anyio.Event()
        self._ending: Answer | GatewayError | None = None
        self._abandoned = False
        self._looks = 0

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
            raise Declined("the call asked too often", jsonrpc=INTERNAL)
        self._places.park(self)
        if not self._open:
            self._places.waits.begin(self._item.server)
        key = f"{method.partition('/')[0]}-{self._count}"
        asked = self._open[key] = _Asked(method, params)
        self._changed.set()
        try:
            with anyio.move_on_after(asking.ANSWER_SECONDS):
                await asked.settled.wait()
        finally:
            self._close(key)
            self.asked.append(f"{method}: {'abandoned' if asked.answer is None else outcome_of(asked.answer)}")
        if asked.answer is None:
            # Nobody came back for it, so nobody waits for the answer of the call either.
            self.end()
            raise Declined("the client did not answer", jsonrpc=INTERNAL)
        return asked.answer

    def _close(self, key: str) -> None:
        if self._open.pop(key, None) is not None and not self._open:
            self._places.waits.end(self._item.server)

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
                if self._open:
                    await anyio.sleep(_TOGETHER_SECONDS)
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
        self._places.expect(self)
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
            asked = self._open[key]
            self._close(key)
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
            self._ending = self._ending or _cancelled()
            self._places.drop(self)
            self._changed.set()

    async def _flown(self, again: Again | None) -> Answer:
        if self._abandoned:
            raise _cancelled()
        self.flight = flight = Flight()
        self._places.inflight.enter(flight, self._turn.principal)
        try:
            flight.arrived()
            flight.request = self
            return await self._turn.make(self, again)
        except anyio.get_cancelled_exc_class():
            if not flight.was_ended():
                raise
        finally:
            self._places.inflight.leave(flight)
        if flight.refusal is not None:
            turn = self._turn
            await self._turn.core.record_ended(turn.request.id, turn.principal, turn.name, flight.refusal)
            raise AccessDenied(None, code="access.ended") from flight.refusal
        raise _cancelled()

    def end(self) -> None:
        self._abandoned = True
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
        """While nobody waits for it, only now and then: nothing goes through before its client's next request is decided."""
        self._looks += 1
        if self._waiting is None and self._looks % _SELDOM:
            return None
        return await self._turn.core.refused(self._turn.principal, self._turn.called)


def _cancelled() -> BadRequest:
    return BadRequest("the request was cancelled", code="request.cancelled")
