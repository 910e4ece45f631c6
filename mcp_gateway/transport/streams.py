"""The event streams of one process: their number, their end, their silence, and who writes to them.

An idle stream costs no task but the one its server runs it in. What ends it or is due is looked at for all
of them together: rights when the store moved, age and silence once a second.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from mcp_gateway.errors import GatewayError, LimitExceeded
from mcp_gateway.transport.stream import LISTS, Stream
from mcp_gateway.transport.subscribers import Subscribers, Want
from mcp_gateway.watch import Watch

log = logging.getLogger(__name__)

PER_PRINCIPAL = 32
IN_PROCESS = 20_000
KEEP_ALIVE_SECONDS = 25.0
"""Shorter than the patience of common proxies, 30 to 60 seconds."""
LONGEST_SECONDS = 86_400.0
_FOLLOW_SECONDS = 0.25
_TICK_SECONDS = 1.0
_SETTLE_SECONDS = 0.1
"""What changes together is told once."""
_WRITE_SECONDS = 10.0
"""How long a client may leave its connection full."""
_ANNOUNCED_SECONDS = 10.0
"""A server that cries wolf is passed on no more often."""
_AT_ONCE = 50
"""Streams written to between two turns of the event loop."""
_SLICES = 25
_LOOKS_AT_ONCE = 100
_WRITING_COST = 20
"""In looks at the time."""


_SAY_NOTHING_OF_LISTS = frozenset({"session.ended", "token.revoked", "agent.registered", "agent.removed"})


class Changed(Protocol):
    @property
    def kind(self) -> str: ...


class Streams:
    """`run` owns the tasks.

    `want` is told which resources of a server anybody watches; `session_ended` knows the digests of legacy sessions.
    """

    def __init__(
        self,
        watch: Watch,
        *,
        want: Want = lambda _server, _uris: None,
        session_ended: Callable[[str], bool] = lambda _digest: False,
        limit: int = IN_PROCESS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.watch = watch
        self.subscribers = Subscribers(want)
        self.moves = 0
        """Differs whenever what anybody may see may have changed."""
        self.stirred = anyio.Event()
        """Set when `moves` does; whoever waits for it puts a new one."""
        self._session_ended = session_ended
        self._limit = min(limit, IN_PROCESS)
        self._clock = clock
        self._rights = 0
        """Differs whenever somebody may have lost the right to a stream."""
        self._generation = watch.generation
        self._open: dict[Stream, None] = {}
        self._of_principal: dict[tuple[str, str], int] = {}
        self._closed = False
        self._announced_at: dict[tuple[str, str], float] = {}
        self._due: dict[Stream, None] = {}
        self._wake = anyio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def every(self) -> Sequence[Stream]:
        return list(self._open)

    @contextmanager
    def entered(self, stream: Stream) -> Generator[None]:
        """Counted, watched over and written to until the block ends; raises LimitExceeded."""
        who = (stream.principal.user, stream.principal.agent)
        if self._closed or len(self._open) >= self._limit:
            raise LimitExceeded("too many streams are open", code="limit.overload")
        already = self._of_principal.get(who, 0)
        if already >= PER_PRINCIPAL:
            raise LimitExceeded(f"{PER_PRINCIPAL} streams are open already", code="limit.streams")
        self._of_principal[who] = already + 1
        self._open[stream] = None
        try:
            stream.ends_at = min(float(stream.principal.expires_at), self._clock() + LONGEST_SECONDS)
            # Not all at once, who came all at once.
            stream.speak_at = time.monotonic() + KEEP_ALIVE_SECONDS * random.uniform(0.5, 1)
            self.subscribers.join(stream)
            yield
        finally:
            self._leave(stream, who)

    async def follow(self, changes: Sequence[Changed]) -> None:
        """As a follower of the store, behind those who decide."""
        self._moved()
        if any(change.kind not in _SAY_NOTHING_OF_LISTS for change in changes):
            self.stir()

    def stir(self) -> None:
        """What streams may see may have changed."""
        self.moves += 1
        self.stirred.set()

    def announced(self, server: str, name: str) -> None:
        """`server` says that this list of it changed: told to whom sees any of it, also when it looks the same here."""
        now = time.monotonic()
        if now - self._announced_at.get((server, name), -_ANNOUNCED_SECONDS) < _ANNOUNCED_SECONDS:
            return
        self._announced_at[server, name] = now
        for stream in self._open:
            if name in stream.seen:
                stream.announced = stream.announced or set()
                stream.announced.add((name, server))
                stream.looked = -1
        self.stirred.set()

    def updated(self, server: str, uri: str) -> None:
        """A resource of `server` changed; whoever watches it is told, if it may still be read then."""
        for stream, exposed in self.subscribers.of(server, uri):
            self.tell(stream, exposed)

    def tell(self, stream: Stream, what: str) -> None:
        """Soon, and once however often this is said until then: the name of a list, or a URI."""
        stream.pending[what] = None
        self._due[stream] = None
        self._wake.set()

    def close(self) -> None:
        """End every stream as it should end, and let no new one begin: the gateway stops."""
        self._closed = True
        for stream in self.every():
            end(stream)

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_ending)
            tasks.start_soon(self._keep_time, tasks)
            tasks.start_soon(self._keep_writing, tasks)

    def _moved(self) -> None:
        self._rights += 1
        self._generation = self.watch.generation

    def _leave(self, stream: Stream, who: tuple[str, str]) -> None:
        self._open.pop(stream, None)
        self._due.pop(stream, None)
        self.subscribers.part(stream)
        if stream.writer is not None:
            stream.writer.cancel()
        left = self._of_principal[who] - 1
        if left:
            self._of_principal[who] = left
        else:
            del self._of_principal[who]

    async def _keep_ending(self) -> None:
        """By itself, so that no slow look at a list delays the end of a right."""
        asked = self._rights
        while True:
            await anyio.sleep(_FOLLOW_SECONDS)
            if not self._open:
                continue
            try:
                await self.watch.follow()
                if self._generation != self.watch.generation:
                    self._moved()
                    self.stir()
                if asked != self._rights:
                    asked = self._rights
                    await self._end_refused()
            except GatewayError as exc:
                log.error("event streams cannot follow the store: %s", exc)
            except Exception:
                # Tried again with the next change; the group of tasks this runs in serves everybody.
                log.exception("the rights to event streams could not be looked at")

    async def _end_refused(self) -> None:
        for number, stream in enumerate(self.every(), 1):
            refusal = await self.watch.ended(stream.request, stream.principal)
            if refusal is not None:
                stream.flight.refuse(refusal)
            elif stream.request.client_session is not None and self._session_ended(stream.request.client_session):
                end(stream)
            if number % _AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()

    async def _keep_time(self, tasks: TaskGroup) -> None:
        """Each stream once in a tick, a few at a time: what is due for thousands must not hold up the calls beside them."""
        while True:
            every = self.every()
            slices = _SLICES if len(every) > _SLICES else 1
            for first in range(slices):
                await self._pass_time_of(every[first::slices], tasks)
                await anyio.sleep(_TICK_SECONDS / slices)

    async def _pass_time_of(self, some: Sequence[Stream], tasks: TaskGroup) -> None:
        now, ticks = self._clock(), time.monotonic()
        done = 0
        for stream in some:
            done += _WRITING_COST if self._pass_time(stream, now, ticks, tasks) else 1
            if done >= _LOOKS_AT_ONCE:
                done = 0
                await anyio.lowlevel.checkpoint()

    def _pass_time(self, stream: Stream, now: float, ticks: float, tasks: TaskGroup) -> bool:
        """Whether there was more to do than to look at the time."""
        if stream.ends_at <= now:
            end(stream)
        elif stream.look_at is not None and stream.look_at <= now:
            stream.look_at, stream.looked = None, -1
            self.stirred.set()
        elif stream.speak_at <= ticks and stream.writer is None and stream in self._open:
            self._write(stream, tasks)
        else:
            return False
        return True

    async def _keep_writing(self, tasks: TaskGroup) -> None:
        while True:
            await self._wake.wait()
            await anyio.sleep(_SETTLE_SECONDS)
            self._wake = anyio.Event()
            due, self._due = self._due, {}
            for number, stream in enumerate(due, 1):
                if stream in self._open and stream.writer is None:
                    self._write(stream, tasks)
                if number % _AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()

    def _write(self, stream: Stream, tasks: TaskGroup) -> None:
        stream.writer = anyio.CancelScope()
        stream.speak_at = time.monotonic() + KEEP_ALIVE_SECONDS
        tasks.start_soon(self._written, stream, stream.writer)

    async def _written(self, stream: Stream, scope: anyio.CancelScope) -> None:
        """One task a stream at most; a client that does not read holds up nobody else."""
        try:
            with scope:
                await self._spoken(stream)
        except Exception as exc:
            # What the server raises when a connection broke; the group of tasks also writes to everybody else.
            log.debug("an event stream is over: %s", type(exc).__name__)
            stream.flight.cancel()
        finally:
            stream.writer = None
        if stream.pending and stream in self._open:
            self.tell(stream, next(iter(stream.pending)))

    async def _spoken(self, stream: Stream) -> None:
        with anyio.fail_after(_WRITE_SECONDS):
            if not stream.pending:
                await stream.keep_alive()
                return
            pending, stream.pending = stream.pending, {}
            for what in pending:
                if what in LISTS:
                    await stream.notify(f"notifications/{what}/list_changed")
                elif await self.watch.may_read(stream.request, stream.principal, what):
                    await stream.notify("notifications/resources/updated", {"uri": what})


def end(stream: Stream) -> None:
    """As it should end; its client may come again."""
    stream.graceful = True
    stream.flight.cancel()
