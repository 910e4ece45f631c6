"""What a gateway cannot serve without, as parts of its readiness: store, relationships, audit. Upstreams are none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import select

from mcp_gateway.compose.office import Office
from mcp_gateway.storage import Database, schema
from mcp_gateway.transport.probes import Part, Probes

PROBE_FILE = ".probe"
_PROBE = b"\n" * 4096
"""A block: what has no room for it has none for records either."""
_STORE_SECONDS = 1.0
_SYNC_EVERY_SECONDS = 5.0
"""A sync of the disk is not free; while it fails, every look tries again."""


def probes(made: Office) -> Probes:
    disk = Disk(made.data_dir.audit)
    return Probes(
        (
            Part("store", "cannot be read", partial(_readable, made.database)),
            Part("relationships", "cannot be decided by", partial(_decides, made)),
            Part("audit", "cannot be written", disk.works),
        )
    )


class Disk:
    """Whether a directory takes data and brings it to the disk, found out by doing it."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = directory / PROBE_FILE
        self._clock = clock
        self._worked_at = float("-inf")
        # A thread of its own: one that hangs on a dead disk must not be joined by more.
        self._limiter = CapacityLimiter(1)

    async def works(self) -> bool:
        if self._clock() - self._worked_at > _SYNC_EVERY_SECONDS:
            await to_thread.run_sync(write_and_sync, self._path, limiter=self._limiter, abandon_on_cancel=True)
            self._worked_at = self._clock()
        return True


def write_and_sync(path: Path) -> None:
    """Raises OSError when data cannot be written beside the audit's files, or does not reach the disk."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if os.write(file, _PROBE) != len(_PROBE):
            raise OSError("the disk took only a part")
        os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
    finally:
        os.close(file)
        with suppress(OSError):
            path.unlink()


async def _readable(database: Database) -> bool:
    async with database.read(seconds=_STORE_SECONDS) as connection:
        await connection.execute(select(schema.changes.c.revision).limit(1))
    return True


async def _decides(made: Office) -> bool:
    with anyio.fail_after(_STORE_SECONDS):
        await made.feed.keep_up()
    return await made.authorization.undecided(now=time.time()) is None
