"""What a legacy upstream makes us hold open: sessions and processes, each for one owner, bounded, ended when idle.

An owner is (credential version, user, agent, what the client can be asked), or the credential alone
when the entry's reviewer stated that the server keeps nothing per session. Two owners never share.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import anyio

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.model.principal import Principal
from mcp_gateway.upstream.capabilities import Capabilities, for_legacy


class Owner(NamedTuple):
    credential: str
    user: str
    agent: str
    capabilities: str
    """What the upstream is told at the beginning, as `capabilities.for_legacy` made it."""


class Session(Protocol):
    @property
    def alive(self) -> bool: ...

    async def aclose(self) -> None:
        """End it, within a deadline of its own, without raising."""
        ...


S = TypeVar("S", bound=Session)

_PER_PRINCIPAL = 8
"""Sets of what its clients can be asked; each is a session or a process, and the others need theirs."""


def owner(principal: Principal | None, credential: str, said: Capabilities, *, shared: bool) -> Owner:
    """`principal` is None for the gateway's own questions. Who shares is told none: a question there has no caller."""
    if shared:
        return Owner(credential, "", "", "")
    capabilities = for_legacy(said) if said else ""
    if principal is None:
        return Owner(credential, "", "", capabilities)
    return Owner(credential, principal.user, principal.agent, capabilities)


@dataclass(slots=True)
class _Place(Generic[S]):
    opening: anyio.Lock = field(default_factory=anyio.Lock)
    session: S | None = None
    users: int = 0
    idle_since: float = 0.0


class Sessions(Generic[S]):
    """`begin` opens one for an owner; `end` takes one that is over and closes it in the background."""

    def __init__(
        self, begin: Callable[[Owner], Awaitable[S]], end: Callable[[S], None], *, limit: int, idle_seconds: float
    ) -> None:
        self._begin = begin
        self._end = end
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._places: dict[Owner, _Place[S]] = {}

    @asynccontextmanager
    async def lease(self, who: Owner) -> AsyncGenerator[S, None]:
        """The owner's session, opened if need be; many calls may hold it at once."""
        place = self._places.get(who) or self._new_place(who)
        place.users += 1
        try:
            yield await self._opened(place, who)
        finally:
            place.users -= 1
            place.idle_since = time.monotonic()

    def forget(self, who: Owner, session: S) -> None:
        """The upstream lost it; the next lease opens another."""
        place = self._places.get(who)
        if place is not None and place.session is session:
            place.session = None

    def sweep(self) -> None:
        before = time.monotonic() - self._idle_seconds
        for who, place in list(self._places.items()):
            if place.users == 0 and place.idle_since < before:
                self._evict(who)

    def drain(self) -> list[S]:
        """Every open session, which the caller must close."""
        open_ones = [place.session for place in self._places.values() if place.session is not None]
        self._places.clear()
        return open_ones

    def __len__(self) -> int:
        return len(self._places)

    async def _opened(self, place: _Place[S], who: Owner) -> S:
        if place.session is not None and place.session.alive:
            return place.session
        async with place.opening:
            if place.session is None or not place.session.alive:
                place.session = await self._begin(who)
            return place.session

    def _new_place(self, who: Owner) -> _Place[S]:
        theirs = [key for key in self._places if who.user and (key.user, key.agent) == (who.user, who.agent)]
        if len(theirs) >= _PER_PRINCIPAL:
            self._make_room(theirs)
        elif len(self._places) >= self._limit:
            self._make_room(self._places)
        place = self._places[who] = _Place[S]()
        return place

    def _make_room(self, candidates: Iterable[Owner]) -> None:
        idle = [(self._places[key].idle_since, key) for key in candidates if self._places[key].users == 0]
        if not idle:
            raise LimitExceeded("every session of this upstream is in use", code="limit.overload")
        self._evict(min(idle)[1])

    def _evict(self, who: Owner) -> None:
        session = self._places.pop(who).session
        if session is not None:
            self._end(session)
