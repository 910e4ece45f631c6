"""How the replica hears of changes: a first full read, then the server's change log, looked at again and again.

A look continues behind the last line read. As long as anything changed within the last minute, the
whole minute is read again every few seconds: lines can appear late, behind lines that were read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import anyio
import anyio.lowlevel

from mcp_gateway.authorization.backends.replica_copy import LocalCopy
from mcp_gateway.authorization.backends.replica_log import Logged, Outranked, Place, State, news, outcome
from mcp_gateway.storage.relationships import RelationshipTuple

_log = logging.getLogger(__name__)

OVERLAP_SECONDS = 60.0
"""Longer than a transaction of the server takes, and than its clocks differ."""
_WITHOUT_A_BREAK = 2_000
"""Changes applied before others may run: some 10 ms."""
_END_OF_TIME = 253_402_300_000.0
"""Of RFC 3339: the year 9999."""


class Tuples(NamedTuple):
    page: Sequence[RelationshipTuple]
    token: str
    """Asks for the next page; empty after the last one."""


class Lines(NamedTuple):
    page: Sequence[Logged]
    token: str
    """Asks for what comes behind this page, now or later; empty while there is nothing at all."""
    more: bool
    """There may be another page already."""


class Source(Protocol):
    """What the replica reads of a relationship server. Each call has its own deadline and raises when it fails."""

    async def tuples(self, token: str) -> Tuples:
        """Every stored tuple, from the primary database, page by page."""
        ...

    async def stored(self, place: Place) -> State:
        """How one tuple stands in the primary database now."""
        ...

    async def changes(self, token: str, *, since: float | None = None) -> Lines:
        """The change log behind `token`; without one, from `since` (the server's clock), or from its beginning."""
        ...

    async def changed_since(self, moment: float) -> bool:
        """Whether the log has any line after `moment` of the server's clock, which may be in its future."""
        ...

    async def ready(self) -> None:
        """Until the server is known to be the right one and has all of our own writes; raises when it is not so."""
        ...


class ReplicaFeed:
    """Keeps a copy at what the server last said. `fill` first, then `look` at will, one at a time."""

    def __init__(
        self,
        source: Source,
        copy: LocalCopy,
        *,
        again_seconds: float,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._copy = copy
        self._again_seconds = again_seconds
        self._changed = changed
        self._clock = clock
        self._outranked = Outranked(seconds=OVERLAP_SECONDS)
        self._token = ""
        self._newest: float | None = None
        self._newest_found = clock()
        self._again_at = self._settled_at = float("-inf")
        self._looked = anyio.Event()
        self.as_of: float | None = None
        """Monotonic seconds: every change the server showed then is in the copy."""

    async def fill(self) -> int:
        """Read everything anew; how many tuples that were. The log is marked first: what changes meanwhile is in it."""
        await self._source.ready()
        self._newest, self._token = await newest_change(self._source), ""
        self._newest_found = self._clock()
        self._copy.begin()
        token, count = "", 0
        while True:
            page, token = await self._source.tuples(token)
            self._copy.add(page)
            count += len(page)
            if not token:
                break
        self._copy.whole()
        await self.look()
        return count

    async def look(self) -> None:
        """See every change the server shows now. One that fails changes nothing the next would miss."""
        began = self._clock()
        await self._source.ready()
        self._outranked.forget(began)
        if not self._token or self._unsettled(began):
            since = None if self._newest is None else self._newest - OVERLAP_SECONDS
            await self._follow("", since=since)
            self._again_at, self._settled_at = began + self._again_seconds, began
        else:
            await self._follow(self._token)
        self.as_of = began
        self._looked.set()
        self._looked = anyio.Event()

    async def looked(self, *, after: float) -> None:
        """Wait for a look that begins after that moment."""
        while self.as_of is None or self.as_of < after:
            await self._looked.wait()

    def learn(self, changes: Mapping[Place, State]) -> None:
        """Count what is known otherwise than from the log: it is newer than what the log says for a while."""
        self._outranked.note(changes, self._clock())
        self._copy.apply(changes)
        self._changed()

    async def confirm(self, places: Iterable[Place]) -> None:
        """Ask the primary database how these tuples stand, and count that."""
        for place in places:
            since = self._outranked.since(place)
            # What we wrote up to here, the server must have before it is asked.
            await self._source.ready()
            state = await self._source.stored(place)
            # Written by ourselves meanwhile: what was read is older.
            if self._outranked.since(place) == since and not self._copy.agrees(place, state):
                self.learn({place: state})

    def _unsettled(self, now: float) -> bool:
        """Lines may still appear behind the newest one, and it is time to read them."""
        return now >= self._again_at and self._settled_at <= self._newest_found + OVERLAP_SECONDS

    async def _follow(self, token: str, *, since: float | None = None) -> None:
        lines: list[Logged] = []
        more = True
        while more:
            page, token, more = await self._source.changes(token, since=since)
            lines += page
        await self._absorb(lines)
        self._token = token

    async def _absorb(self, lines: Sequence[Logged]) -> None:
        newest = max((line.at for line in lines), default=None)
        if newest is not None and (self._newest is None or newest > self._newest):
            self._newest, self._newest_found = newest, self._clock()
        fresh = news(outcome(lines), self._copy)
        doubtful = [place for place in fresh if self._outranked.since(place) is not None]
        believed = [(place, state) for place, state in fresh.items() if self._outranked.since(place) is None]
        for start in range(0, len(believed), _WITHOUT_A_BREAK):
            self._copy.apply(dict(believed[start : start + _WITHOUT_A_BREAK]))
            self._changed()
            await anyio.lowlevel.checkpoint()
        await self.confirm(doubtful)


async def newest_change(source: Source) -> float | None:
    """When the log last moved, by the server's own clock, to a second; None while it is empty.

    Ours may differ, and the log cannot be read backwards: it is searched by halves, some 40 questions.
    """
    if not await source.changed_since(0.0):
        return None
    earliest, latest = 0.0, _END_OF_TIME
    while latest - earliest > 1.0:
        middle = (earliest + latest) // 2
        if await source.changed_since(middle):
            earliest = middle
        else:
            latest = middle
    return earliest
