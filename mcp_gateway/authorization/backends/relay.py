"""Brings the store's changes of tuples to a relationship server outside: every one, in order, at least once.

What administration changes is committed in the store first and is acknowledged only when the server has
it. A process that sees a change the server may not have relays it itself before it decides anything, or
decides nothing: a revocation cannot lose against a relay that died.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import anyio

from mcp_gateway.authorization.backends.circuit import Circuit
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.relationships import RelationshipTuple, tuple_of
from mcp_gateway.storage.relays import (
    count_tuple_changes,
    exclusively,
    newest_tuple_revision,
    put_relayed,
    relayed_revision,
    tuple_changes,
)

LOCK_FILE = "relay.lock"
"""In the data directory: whoever relays from it, wherever to, holds it."""

_WINDOW = 1000
"""Changes relayed at once; the position is kept after each window."""
_DECISION_SECONDS = 5.0
_WRITER_SECONDS = 60.0


class Sink(Protocol):
    """Where the tuples go."""

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        """Make it so, whatever was there; deletes first. Doing it twice is doing it once. Raises on failure."""
        ...


class Relay:
    """One per process and server."""

    def __init__(self, database: Database, sink: Sink, *, target: str, lock: Path, window: int = _WINDOW) -> None:
        """`target` names the server's store in ours; `lock` is a file all processes on this data directory share."""
        self._database = database
        self._sink = sink
        self._target = target
        self._lock_file = lock
        self._window = window
        self._one = anyio.Lock()
        self._circuit = Circuit(threshold=1)
        self._needed = 0
        self._done = 0
        self.moved_at = time.monotonic()
        """When a change of tuples was last heard of, or reached the server; its caches may be older for a while."""

    @property
    def settled(self) -> bool:
        """The server has every change this process knows of."""
        return self._done >= self._needed

    def needs(self, revision: int) -> None:
        """The server must have the change of this revision before anything is decided."""
        self._needed = max(self._needed, revision)
        self.moved_at = time.monotonic()

    async def load(self) -> None:
        """Learn what the server must have; relays nothing yet."""
        self.needs(await newest_tuple_revision(self._database))
        self._done = await relayed_revision(self._database, self._target)

    async def after_write(self, revision: int) -> None:
        """A writer's change is committed: it goes on when the server has it too."""
        self.needs(revision)
        try:
            await self.settle(seconds=_WRITER_SECONDS, patient=True)
        except AuthorizationUnavailable as exc:
            raise AuthorizationUnavailable(
                f"the change is stored, but the relationship server does not have it yet ({exc}); nothing is "
                "decided until it has, and it is tried again with every call"
            ) from exc

    async def settle(self, *, seconds: float = _DECISION_SECONDS, patient: bool = False) -> None:
        """Until the server has every change this process knows of; raises AuthorizationUnavailable.

        After a failure only a `patient` caller tries again at once.
        """
        if self.settled:
            return
        if not patient and not self._circuit.admits(time.monotonic()):
            raise AuthorizationUnavailable("the relationship server has not taken the latest changes yet")
        try:
            with anyio.fail_after(seconds):
                async with self._one:
                    await self._settle()
        except TimeoutError as exc:
            self._circuit.failed(time.monotonic())
            raise AuthorizationUnavailable("the relationship server did not take the changes in time") from exc
        except AuthorizationUnavailable:
            self._circuit.failed(time.monotonic())
            raise
        self._circuit.succeeded()

    async def behind(self) -> int:
        """How many changes the server has not been told of."""
        done = await relayed_revision(self._database, self._target)
        return await count_tuple_changes(self._database, after=done)

    async def told(self, revision: int) -> None:
        """The server was given everything up to `revision` in another way."""
        await put_relayed(self._database, self._target, revision)

    async def _settle(self) -> None:
        self._done = await relayed_revision(self._database, self._target)
        # By now the server has the changes, and not before: while it could not be told, others may have asked it.
        if self.settled:
            self.moved_at = time.monotonic()
            return
        async with exclusively(self._lock_file):
            done = await relayed_revision(self._database, self._target)
            while news := await tuple_changes(self._database, after=done, limit=self._window):
                deletes, writes = folded(news)
                await self._sink.apply(deletes, writes)
                done = news[-1].revision
                await put_relayed(self._database, self._target, done)
        self._done = done
        self.moved_at = time.monotonic()


def folded(changes: Iterable[Change]) -> tuple[list[RelationshipTuple], list[RelationshipTuple]]:
    """What is deleted and what stands after all of `changes`; no tuple is in both."""
    last: dict[tuple[str, str, str], tuple[bool, RelationshipTuple]] = {}
    for change in changes:
        row = tuple_of(change.payload)
        key = row.object, row.relation, row.subject
        last.pop(key, None)  # the order of what stands is the order of the last writes
        last[key] = change.kind == "tuple.written", row
    return [row for written, row in last.values() if not written], [row for written, row in last.values() if written]
