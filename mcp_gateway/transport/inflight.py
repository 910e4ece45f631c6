"""Calls under way: their number, whether their client is still there and may still call, and how to end them.

A fast call costs two dictionary operations. Only a call that has been running for a tick gets a watcher task,
and only one that goes on is asked again whether it would still be let through, so the common path never pays
for either. Nor for a cancel scope, which costs a call more than reading its body does: whoever ends a call
cancels the server's own task for it, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Protocol, TypeAlias

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from mcp_gateway.errors import GatewayError, LimitExceeded, Unavailable
from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.shedding import TICK_SECONDS, Shedding
from mcp_gateway.transport.turnstile import STRANGERS, Turnstile

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.05
_RECHECK_SECONDS = 0.4
"""A right that is taken away ends what is under way within twice this time."""
_RECHECKS_AT_ONCE = 8
"""Decisions asked anew at a time; a backend far away must not be asked about all calls at once."""
_SOON_SECONDS = 0.002
_BODY_TOTAL_SECONDS = 60.0
"""For the whole body: a drop now and then must not hold a place for ever."""
_BODY_IDLE_SECONDS = 15.0
"""Between two pieces of a request body."""

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Recheckable(Protocol):
    """A request that is known well enough to be asked about again."""

    async def ended(self) -> GatewayError | None:
        """What would refuse its sender now, None while nothing does; quick, because it asks nobody outside."""
        ...

    async def refused(self) -> GatewayError | None:
        """What would refuse the request itself now, None while nothing does."""
        ...


class Flight:
    """One request under way, in the task that the server runs it in."""

    __slots__ = (
        "_ended",
        "_leaving",
        "_source",
        "_task",
        "began_at",
        "client_gone",
        "heard_at",
        "key",
        "receive",
        "refusal",
        "request",
        "too_slow",
        "watcher",
    )

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._ended = False
        self._source: Receive | None = None
        self._leaving: Callable[[], None] | None = None
        self.key: tuple[str, str | int] | None = None
        """(session digest, request id) by which a legacy client cancels it."""
        self.began_at = time.monotonic()
        self.heard_at: float | None = self.began_at
        """When the last bytes of the body arrived; None once it is complete."""
        self.receive: Receive | None = None
        self.watcher: anyio.CancelScope | None = None
        self.request: Recheckable | None = None
        """Set once it is known."""
        self.refusal: GatewayError | None = None
        """Why it was ended: the right to it is gone."""
        self.client_gone = False
        self.too_slow = False

    def has_taken_its_time(self) -> bool:
        """The store may have changed since the request was authenticated."""
        return time.monotonic() - self.began_at > _SOON_SECONDS

    def heard(self) -> None:
        self.heard_at = time.monotonic()

    def arrived(self, receive: Receive | None = None) -> None:
        """The body is complete; that the client leaves is nobody's business before `on_leaving`."""
        self.heard_at = None
        self._source = receive

    def on_leaving(self, leave: Callable[[], None]) -> None:
        """From now on `leave` is called when the client leaves, and the request goes on."""
        self._leaving = leave
        self.receive = self._source

    def watch(self, receive: Receive) -> None:
        """The body is complete; from now on the client's leaving cancels the request."""
        self.heard_at = None
        self.receive = receive

    def gone(self) -> None:
        """The client left. That cancels the request, unless somebody wants to hear of it instead."""
        self.client_gone = True
        if self._leaving is None:
            self.cancel()
        else:
            self._leaving()

    def cancel(self) -> None:
        """End it; after the first time, or when it has landed, this changes nothing."""
        if not self._ended:
            self._ended = True
            self._task.cancel()

    def was_ended(self) -> bool:
        """Whether the cancellation just caught is this flight's own; then the task may go on."""
        # Somebody else's on top of ours, as when the server stops, is not ours to catch.
        return self._ended and self._task.uncancel() == 0

    def land(self) -> None:
        """It is over: the task goes on to other things, which nobody may end through this."""
        self._ended = True
        # They lead back to the exchange; without the circle both are freed at once and not by the collector.
        self.request = None
        self._leaving = None

    def refuse(self, refusal: GatewayError) -> None:
        """End it because it would not be let through any more."""
        self.refusal = refusal
        self.cancel()


class InFlight:
    """The requests of one process; `run` owns the tasks that watch the slow ones."""

    def __init__(self, limit: int, *, shedding: Shedding | None = None) -> None:
        self._limit = limit
        self.shedding = shedding or Shedding()
        self.turnstile = Turnstile(self.shedding)
        self.waiting = 0
        """How many of them wait for a person; those count apart."""
        self._flights: set[Flight] = set()
        self._streams: set[Flight] = set()
        """Requests that became event streams: not counted and not asked about here, but waited for at the end."""
        self._by_key: dict[tuple[str, str | int], Flight] = {}
        self._idle = anyio.Event()
        self._closed = False

    def close(self) -> None:
        """The gateway stops: what is under way goes on, new requests are refused."""
        self._closed = True

    async def run(self) -> None:
        """Watch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_ending)
            tasks.start_soon(self._keep_refusing)
            tasks.start_soon(self._keep_measuring)
            while True:
                await anyio.sleep(_TICK_SECONDS)
                self._look(tasks, time.monotonic())

    async def _keep_measuring(self) -> None:
        """How late this loop is by its own work, which says whether there is more to do than it can."""
        ran = time.thread_time()
        while True:
            await anyio.sleep(TICK_SECONDS)
            before, ran = ran, time.thread_time()
            self.shedding.tick(max(ran - before - TICK_SECONDS, 0.0))

    async def _keep_ending(self) -> None:
        """By itself, so that a slow decision about one request never delays the end of another."""
        while True:
            await anyio.sleep(_RECHECK_SECONDS)
            for flight, request in self._going_on():
                await _refuse_by(flight, request.ended)

    async def _keep_refusing(self) -> None:
        while True:
            await anyio.sleep(_RECHECK_SECONDS)
            going_on = iter(self._going_on())
            async with anyio.create_task_group() as lanes:
                for _ in range(min(_RECHECKS_AT_ONCE, len(self._flights))):
                    lanes.start_soon(_refuse_each, going_on)

    def _going_on(self) -> list[tuple[Flight, Recheckable]]:
        """The requests that take their time and were not ended yet."""
        before = time.monotonic() - _RECHECK_SECONDS
        return [
            (flight, flight.request)
            for flight in self._flights
            if flight.began_at < before and flight.request is not None and flight.refusal is None
        ]

    def admit(self, principal: Principal, *, passed: bool) -> None:
        """Before its body is read, and after it is known whose it is; raises LimitExceeded when there is too much to do.

        `passed`: it was asked for at the turnstile.
        """
        if self._closed:
            raise Unavailable(code="gateway.stopping")
        shedding = self.shedding
        if shedding.tight and not passed and not shedding.admits(sender(principal)):
            raise LimitExceeded(code="limit.overload")
        shedding.entered += 1

    def sent_away(self) -> None:
        """A POST that the door refused before it asked for a place: it took its part of the processor too."""
        self.shedding.entered += 1
        self.shedding.finished += 1

    def enter(self, flight: Flight, principal: Principal | None = None) -> None:
        if len(self._flights) - self.waiting >= self._limit:
            self.shedding.turn_away(sender(principal) if principal else STRANGERS)
            raise LimitExceeded(code="limit.overload")
        self._flights.add(flight)

    async def turned_away(self) -> None:
        """After `admit` or `enter` raised LimitExceeded: until the answer may be sent."""
        await anyio.sleep(self.shedding.refusal_pause())

    @property
    def under_way(self) -> int:
        """Requests, but for those that became event streams."""
        return len(self._flights)

    def name(self, flight: Flight) -> None:
        """Make a flight cancellable by its `key`."""
        if flight.key is not None:
            self._by_key[flight.key] = flight

    def settle(self, flight: Flight) -> Receive | None:
        """It is an event stream from now on; whoever keeps it looks out for its client with what this returns.

        None when a watcher does that already.
        """
        self._flights.discard(flight)
        self._streams.add(flight)
        if flight.watcher is not None:
            return None
        receive, flight.receive = flight.receive, None
        return receive

    def hold(self, flight: Flight) -> None:
        """An event stream from its beginning."""
        flight.heard_at = None
        self._streams.add(flight)

    def leave(self, flight: Flight) -> None:
        self.shedding.finished += 1
        self._flights.discard(flight)
        self._streams.discard(flight)
        flight.land()
        if flight.key is not None and self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        if flight.watcher is not None:
            flight.watcher.cancel()
        if not self._flights and not self._streams:
            self._idle.set()

    def cancel(self, key: tuple[str, str | int]) -> None:
        """A legacy `notifications/cancelled`: unknown ids are ignored, as the specification says."""
        flight = self._by_key.get(key)
        if flight is not None:
            flight.cancel()

    async def drained(self, seconds: float) -> None:
        """Wait until nothing is under way, at most `seconds`; then end what is left."""
        with anyio.move_on_after(seconds):
            while self._flights or self._streams:
                self._idle = anyio.Event()
                await self._idle.wait()
        for flight in [*self._flights, *self._streams]:
            flight.cancel()

    def _look(self, tasks: TaskGroup, now: float) -> None:
        for flight in list(self._flights):
            if flight.heard_at is not None:
                if now - flight.heard_at > _BODY_IDLE_SECONDS or now - flight.began_at > _BODY_TOTAL_SECONDS:
                    flight.too_slow = True
                    flight.cancel()
            elif flight.receive is not None and flight.watcher is None and now - flight.began_at > _TICK_SECONDS:
                flight.watcher = anyio.CancelScope()
                tasks.start_soon(_watch, flight)


def sender(principal: Principal) -> tuple[str, str]:
    """Among whom what can be done is shared."""
    return principal.user, principal.agent


async def _refuse_each(flights: Iterator[tuple[Flight, Recheckable]]) -> None:
    """One lane; several share `flights`."""
    for flight, request in flights:
        await _refuse_by(flight, request.refused)
        # Many may be under way, and a decision in this process never waits: others get their turn all the same.
        await anyio.lowlevel.checkpoint()


async def _refuse_by(flight: Flight, check: Callable[[], Awaitable[GatewayError | None]]) -> None:
    try:
        refusal = await check()
    except Exception:
        # It was let through; that it cannot be asked again is for operators, and for the next round.
        log.exception("a request under way could not be asked again")
        return
    if refusal is not None and flight.refusal is None:
        flight.refuse(refusal)


async def _watch(flight: Flight) -> None:
    """MCP 2026-07-28 patterns/cancellation: a client disconnect is cancellation."""
    assert flight.watcher is not None and flight.receive is not None
    with flight.watcher:
        while (await flight.receive())["type"] != "http.disconnect":
            pass
        flight.gone()
