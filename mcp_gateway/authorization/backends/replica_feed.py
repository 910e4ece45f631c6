"""How the replica hears of changes: a first full read, then the server's change log, looked at again and again.

A look continues behind the last line read. Beside the looks, as long as anything changed within the last
minute, that minute is read again: lines can appear late, behind lines that were read. It takes as long as
the changes were many, and no look waits for it.
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
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import RelationshipTuple

_log = logging.getLogger(__name__)

OVERLAP_SECONDS = 60.0
"""Longer than a transaction of the server takes, and than its clocks differ."""
_WITHOUT_A_BREAK = 2_000
"""Changes applied before others may run: some 10 ms."""
_TOLD_SECONDS = 2.0
"""A tuple and its line are written together; `newest_change` is off by up to one."""
_END_OF_TIME = 253_402_300_000.0
"""Of RFC 3339: the year 9999."""


class Tuples(NamedTuple):
    page: Sequence[RelationshipTuple]
    token: str
    """Asks for the next page; empty after the last one."""
    newest: float | None
    """When the newest of them was written, in epoch seconds of the server's clock."""


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
    """Keeps a copy at what the server last said. `fill` first; then looks one at a time, and `read_again` beside them."""

    def __init__(
        self,
        source: Source,
        copy: LocalCopy,
        *,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._copy = copy
        self._changed = changed
        self._clock = clock
        self._outranked = Outranked(seconds=OVERLAP_SECONDS)
        self._token = ""
        self._newest: float | None = None
        self._newest_found = clock()
        self._settled_at = float("-inf")
        self._written = 0.0
        self._readings: dict[int, set[Place]] = {}
        self._looked = anyio.Event()
        self.as_of: float | None = None
        """Monotonic seconds: every change the server showed then is in the copy."""

    async def fill(self) -> int:
        """Read everything anew; how many tuples that were. The log is marked first: what changes meanwhile is in it."""
        await self._source.ready()
        self._newest, self._token = await newest_change(self._source), ""
        self._newest_found = self._clock()
        self._copy.begin()
        token, count, more = "", 0, True
        while more:
            page, token, newest = await self._source.tuples(token)
            self._copy.add(page)
            self._written = max(self._written, newest or 0.0)
            count += len(page)
            more = bool(token)
        self._copy.whole()
        await self.look()
        return count

    def require_log(self) -> None:
        """Refuse a log that does not tell yet of a tuple we read: it may hide its newest minutes, always."""
        if self._written > (self._newest or 0.0) + _TOLD_SECONDS:
            raise AuthorizationUnavailable(
                "the server's change log does not tell of its newest tuples; its changelog-horizon-offset must be 0"
            )

    async def look(self) -> None:
        """See every change the server shows now. One that fails changes nothing the next would miss."""
        began = self._clock()
        await self._source.ready()
        self._outranked.forget(began)
        self._token = await self._read(self._token, since=None if self._token else self._a_minute_ago())
        self.as_of = began
        self._looked.set()
        self._looked = anyio.Event()

    async def read_again(self) -> None:
        """Find the lines that appeared behind those read; once nothing changed for a minute there are none."""
        began = self._clock()
        if self._settled_at > self._newest_found + OVERLAP_SECONDS:
            return
        await self._source.ready()
        await self._read("", since=self._a_minute_ago())
        self._settled_at = began

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

    def _a_minute_ago(self) -> float | None:
        """By the server's clock, before the newest change; None = from the log's beginning."""
        return None if self._newest is None else self._newest - OVERLAP_SECONDS

    async def _read(self, token: str, *, since: float | None) -> str:
        """Read on and count it; the token of what comes next."""
        newer: set[Place] = set()
        self._readings[id(newer)] = newer
        try:
            lines: list[Logged] = []
            more = True
            while more:
                page, token, more = await self._source.changes(token, since=since)
                lines += page
            await self._absorb(lines, newer)
        finally:
            del self._readings[id(newer)]
        return token

    async def _absorb(self, lines: Sequence[Logged], newer: set[Place]) -> None:
        """`newer`: the places another reading has counted since this one began."""
        newest = max((line.at for line in lines), default=None)
        if newest is not None and (self._newest is None or newest > self._newest):
            self._newest, self._newest_found = newest, self._clock()
        left, doubtful = list(outcome(lines).items()), list[Place]()
        for start in range(0, len(left), _WITHOUT_A_BREAK):
            chunk = dict(left[start : start + _WITHOUT_A_BREAK])
            fresh = news(chunk, self._copy)
            believed = {place: state for place, state in fresh.items() if self._may_speak_for(place, newer)}
            doubtful += fresh.keys() - believed.keys()
            if believed:
                self._copy.apply(believed)
                self._changed()
            for others in self._readings.values():
                if others is not newer:
                    others.update(chunk)
            await anyio.lowlevel.checkpoint()
        await self.confirm(doubtful)

    def _may_speak_for(self, place: Place, newer: set[Place]) -> bool:
        return place not in newer and self._outranked.since(place) is None


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
