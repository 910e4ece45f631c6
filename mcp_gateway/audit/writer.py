"""One process's chain of records: written inline, synced by one owned task for everybody who waits.

write()    the line is in the kernel: survives kill -9. No thread, no await; synced within 100 ms.
durable()  everything written so far is on the disk: survives a power cut. Waiters share one sync.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread

from mcp_gateway.audit.record import GENESIS, Fields, Record, seal
from mcp_gateway.audit.segments import MAX_BYTES, Segments
from mcp_gateway.errors import AuditUnavailable

SYNC_DEADLINE_SECONDS = 0.25
"""How long a call waits for the disk before it is refused."""

_LAZY_SECONDS = 0.05
"""How long a written record may wait for company; with the sync itself it stays under 100 ms."""

_CLOSING_SECONDS = 2.0

_log = logging.getLogger(__name__)


def new_writer_id() -> str:
    """Unique for each start of each process."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


class _Round:
    """Everybody who waits for the same sync."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.synced = False


class Writer:
    """`open`, then run `keep_syncing` in a task, then `close`. `observe` sees each record after it is written."""

    def __init__(
        self,
        directory: Path,
        *,
        observe: Callable[[Record], None] | None = None,
        clock: Callable[[], float] = time.time,
        max_bytes: int = MAX_BYTES,
        sync_deadline_seconds: float = SYNC_DEADLINE_SECONDS,
    ) -> None:
        self.id = new_writer_id()
        self._segments = Segments(directory, self.id, max_bytes=max_bytes)
        self._observe = observe
        self._clock = clock
        self._deadline = sync_deadline_seconds
        self._seq = 0
        self._head = GENESIS
        self._dirty = False
        self.dirty_since: float | None = None
        """Monotonic time of the oldest record that is not known to be on the disk."""
        self.failures = {"write": 0, "sync": 0, "wait": 0}
        """Records not written, syncs that failed, waits for a sync that were in vain."""
        self.synced: Callable[[float], None] | None = None
        """Told how many seconds each sync took."""

    def observe_also(self, observe: Callable[[Record], None]) -> None:
        """Show each record to one more."""
        first = self._observe
        if first is None:
            self._observe = observe
            return

        def both(fields: Record) -> None:
            first(fields)
            observe(fields)

        self._observe = both

    def open(self) -> None:
        """Inside the event loop, before anything else."""
        self._round = _Round()
        self._touched = anyio.Event()
        self._wanted = anyio.Event()
        # Threads of our own: a busy shared pool must not hold up the audit.
        self._limiter = CapacityLimiter(2)

    async def close(self) -> None:
        """A last sync, after `keep_syncing` ended."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING_SECONDS) as patience:
            await self._sync()
        if not patience.cancelled_caught:
            # A sync that still hangs has the descriptors; they end with the process.
            self._segments.close()

    def write(self, fields: Fields) -> int:
        """Append `fields`, completed in place, now; returns its sequence number. AuditUnavailable leaves the chain as it was."""
        seq, at = self._seq + 1, self._clock()
        line, digest = seal(fields, seq=seq, prev=self._head, writer=self.id, at=at)
        try:
            self._segments.append(line)
        except AuditUnavailable:
            self.failures["write"] += 1
            raise
        self._seq, self._head = seq, digest
        if not self._dirty:
            self._dirty = True
            if self.dirty_since is None:
                self.dirty_since = time.monotonic()
            self._touched.set()
        if self._observe is not None:
            self._observe(fields)
        return seq

    @property
    def position(self) -> tuple[int, str]:
        """The number and the hash of the last record."""
        return self._seq, self._head

    async def durable(self) -> None:
        """Wait until all that was written is on the disk; AuditUnavailable when that fails or takes too long."""
        mine = self._round
        self._dirty = True
        self._touched.set()
        self._wanted.set()
        with anyio.move_on_after(self._deadline):
            await mine.done.wait()
        if not mine.synced:
            self.failures["wait"] += 1
            raise AuditUnavailable("the audit did not reach the disk in time")

    async def keep_syncing(self) -> None:
        """The one task that syncs; runs until it is cancelled."""
        while True:
            await self._touched.wait()
            with anyio.move_on_after(_LAZY_SECONDS):
                await self._wanted.wait()
            # No await from here to the snapshot inside `_sync`: whoever holds `served` wrote before it.
            served, self._round = self._round, _Round()
            self._touched, self._wanted, self._dirty = anyio.Event(), anyio.Event(), False
            served.synced = await self._sync()
            served.done.set()

    async def _sync(self) -> bool:
        unsynced = self._segments.unsynced()
        if not unsynced.files:
            return True
        began = time.monotonic()
        try:
            await to_thread.run_sync(self._segments.sync, unsynced, limiter=self._limiter, abandon_on_cancel=True)
        except OSError as exc:
            _log.error("the audit did not reach the disk: %s", exc.strerror)
            self.failures["sync"] += 1
            self._segments.settle(unsynced, synced=False)
            return False
        self._segments.settle(unsynced, synced=True)
        # What was written meanwhile is not older than the sync.
        self.dirty_since = began if self._dirty else None
        if self.synced is not None:
            self.synced(time.monotonic() - began)
        return True
