"""A relationship server that another part of the world writes to, as far as a replica sees one; time is told to it.

Its log is ordered by when a change began. A change may become visible later than it began, or never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio.lowlevel

from mcp_gateway.authorization.backends.replica_feed import Lines, Tuples
from mcp_gateway.authorization.backends.replica_log import Logged, Place, State, place_of
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import RelationshipTuple

PAGE = 3
EPOCH = 1_800_000_000.0


@dataclass(slots=True)
class ChangingServer:
    now: float = 0.0
    """Monotonic; the server's own clock is EPOCH ahead."""
    tuples_now: dict[Place, RelationshipTuple] = field(default_factory=dict[Place, RelationshipTuple])
    log: list[tuple[float, Logged]] = field(default_factory=list[tuple[float, Logged]])
    """(visible from, line) in the order of the log's ids."""
    written_at: float | None = None
    """When the newest tuple was written."""
    down: bool = False
    asked: int = 0
    between: Callable[[Sequence[RelationshipTuple]], Awaitable[None]] | None = None
    """Happens behind every page of the full read."""
    paused: Callable[[], Awaitable[None]] | None = None
    """Happens between the last page of a reading of the log and its arrival."""
    answering: Callable[[], Awaitable[None]] | None = None
    """The same for the answer about one tuple."""

    def clock(self) -> float:
        return self.now

    def write(self, one: RelationshipTuple, *, visible_after: float = 0.0, logged: bool = True) -> None:
        self.tuples_now[place_of(one)] = one
        self.written_at = EPOCH + self.now
        self._logged(True, one, visible_after, logged)

    def delete(self, one: RelationshipTuple, *, visible_after: float = 0.0, logged: bool = True) -> None:
        self.tuples_now.pop(place_of(one), None)
        self._logged(False, one, visible_after, logged)

    def _logged(self, written: bool, one: RelationshipTuple, visible_after: float, logged: bool) -> None:
        if logged:
            self.log.append((self.now + visible_after, Logged(EPOCH + self.now, written, one)))
        self.now += 0.001

    async def tuples(self, token: str) -> Tuples:
        await self._reached()
        start = int(token or 0)
        page = list(self.tuples_now.values())[start : start + PAGE]
        if self.between is not None:
            await self.between(page)
        return Tuples(page, str(start + PAGE) if start + PAGE < len(self.tuples_now) else "", self.written_at)

    async def stored(self, place: Place) -> State:
        await self._reached()
        state = self.tuples_now.get(place)
        if self.answering is not None:
            await self.answering()
        return state

    async def changes(self, token: str, *, since: float | None = None) -> Lines:
        await self._reached()
        first = int(token) if token else self._position(since)
        visible = [(number, line) for number, (at, line) in enumerate(self.log) if number >= first and at <= self.now][
            :PAGE
        ]
        behind = str(visible[-1][0] + 1) if visible else token
        if self.paused is not None and len(visible) < PAGE:
            await self.paused()
        return Lines([line for _, line in visible], behind, more=len(visible) == PAGE)

    async def changed_since(self, moment: float) -> bool:
        return any(line.at > moment for at, line in self.log if at <= self.now)

    async def ready(self) -> None:
        if self.down:
            raise AuthorizationUnavailable("the relationship server did not answer in time")

    def _position(self, since: float | None) -> int:
        return sum(1 for _, line in self.log if since is not None and line.at < since)

    async def _reached(self) -> None:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.down:
            raise AuthorizationUnavailable("the relationship server did not answer in time")
