"""What happens now, for whoever watches: one bounded queue per subscriber, nothing lost in silence.

Only what this process decided and what it read from the changelog; the audit remembers, this does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import anyio

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.inspection.trail import UNAVAILABLE
from mcp_gateway.storage import Change

_DECIDED = frozenset({"intent", "decision"})
"""Audit records that tell a decision; an `outcome` repeats the one of its intent."""

_QUEUE_LENGTH = 256
_MAX_SUBSCRIBERS = 200


@dataclass(frozen=True, slots=True)
class Event:
    kind: Literal["catalog", "decision"]
    at: float
    """Seconds since the epoch."""
    user: str | None
    """Whose decision it was."""
    server: str | None
    """Whose tools changed."""
    public: Mapping[str, Any]
    """For everybody who may see the event."""
    private: Mapping[str, Any]
    """Added for those who see everything."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A slow subscriber's queue was full."""

    count: int


Item: TypeAlias = Event | Lost


class Subscription(Protocol):
    async def next(self) -> Item:
        """The next item, in order; waits for it. A cancelled wait loses nothing. Raises EndOfStream at the end."""
        ...


class EventSource(Protocol):
    def subscribe(self) -> AbstractContextManager[Subscription]:
        """From now on; raises LimitExceeded when too many watch."""
        ...


class EventBoard:
    """Hands each event to every subscriber without waiting for any; also a follower of the changelog."""

    def __init__(self, *, queue_length: int = _QUEUE_LENGTH, max_subscribers: int = _MAX_SUBSCRIBERS) -> None:
        self._queue_length = queue_length
        self._max_subscribers = max_subscribers
        self._queues: set[_Queue] = set()
        self._closed = False

    def publish(self, event: Event) -> None:
        for queue in self._queues:
            queue.put(event)

    def decided(self, record: Mapping[str, Any]) -> None:
        """Publish an audit record that says a call was allowed or denied; for `Journal(observe=…)`."""
        if self._queues and record["kind"] in _DECIDED and "effect" in record:
            self.publish(_decision_event(record))

    @contextmanager
    def subscribe(self) -> Generator[Subscription]:
        if len(self._queues) >= self._max_subscribers:
            raise LimitExceeded("too many event streams", code="limit.overload")
        queue = _Queue(self._queue_length)
        if self._closed:
            queue.end()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End every subscription, also those to come, so that open streams do not hold up a shutdown."""
        self._closed = True
        for queue in self._queues:
            queue.end()

    async def follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.kind.startswith("catalog."):
                self.publish(_catalog_event(change))


class _Queue:
    """What one subscriber has not read. After a loss it takes nothing until the loss was told."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._items: deque[Event] = deque()
        self._lost = 0
        self._ended = False
        self._arrived = anyio.Event()

    def put(self, event: Event) -> None:
        if self._lost or len(self._items) >= self._length:
            self._lost += 1
        else:
            self._items.append(event)
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()

    async def next(self) -> Item:
        while not (self._items or self._lost or self._ended):
            self._arrived = anyio.Event()
            await self._arrived.wait()
        if self._items:
            return self._items.popleft()
        if self._lost:
            lost, self._lost = Lost(self._lost), 0
            return lost
        raise anyio.EndOfStream


def _catalog_event(change: Change) -> Event:
    server = str(change.payload["server"])
    private = {name: change.payload[name] for name in ("kind", "tool", "state") if name in change.payload}
    return Event(
        kind="catalog",
        at=change.at,
        user=None,
        server=server,
        public={"server": server, "revision": change.revision},
        private={**private, "actor": change.actor},
    )


def _decision_event(record: Mapping[str, Any]) -> Event:
    code = record.get("code")
    public = {name: record.get(name) for name in ("request", "verb", "agent", "effect")}
    tool = record.get("tool")
    # A user hears of what is unavailable what the caller heard: not even that it exists.
    told = {} if code in UNAVAILABLE else {"tool": tool}
    reasons = [reason["code"] for reason in record.get("reasons", ())]
    return Event(
        kind="decision",
        at=record["at"],
        user=record["user"],
        server=None,
        public={**public, **told, "code": code or "access.allowed"},
        private={"user": record["user"], "tool": tool, "risk": record.get("risk"), "reasons": reasons},
    )
