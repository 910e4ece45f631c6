"""Sinks on this machine: the same files in another directory, and standard output.

The copy is written where the original stands, so that a batch written twice is the same as once, and
`audit verify` reads it like the original. The directory must be there: one made in the place of a mount that
is missing would fill the wrong disk.
"""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from mcp_gateway.audit.sinks.reading import Batch, Piece
from mcp_gateway.audit.sinks.sink import SinkFailure, Taken

_COPY_BYTES = 1_000_000
_ATOMIC_BYTES = 512
"""What a pipe that is ready takes at once on every system (POSIX PIPE_BUF)."""
_STDOUT_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_STILL_BUSY = "the write before has not come back"
"""It was given up at its deadline and is still in the kernel; one such thread is enough."""


class FileSink:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._limiter = CapacityLimiter(1)
        self._busy = threading.Lock()

    async def send(self, batch: Batch) -> Taken:
        await to_thread.run_sync(self._write, batch, limiter=self._limiter, abandon_on_cancel=True)
        return Taken()

    async def aclose(self) -> None:
        pass

    def _write(self, batch: Batch) -> None:
        if not self._busy.acquire(blocking=False):
            raise SinkFailure(_STILL_BUSY)
        try:
            self._copy(batch)
        finally:
            self._busy.release()

    def _copy(self, batch: Batch) -> None:
        if not self._directory.is_dir():
            raise SinkFailure(f"there is no directory {self._directory}")
        new_names = [_write_piece(self._directory / piece.path.name, piece) for piece in batch.pieces]
        if any(new_names):
            _sync(self._directory, os.O_RDONLY)


def _write_piece(copy: Path, piece: Piece) -> bool:
    """True when the file is new."""
    new = not copy.exists()
    file = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        there = os.fstat(file).st_size
        if there < piece.start:
            _fill(file, piece.path, there, piece.start)
        _write_all(file, b"\n".join((*piece.lines, b"")), piece.start)
        os.fdatasync(file)
    finally:
        os.close(file)
    return new


def _fill(file: int, original: Path, start: int, end: int) -> None:
    """The copy was shortened or removed: what is missing of it once more."""
    source = os.open(original, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while start < end:
            block = os.pread(source, min(_COPY_BYTES, end - start), start)
            if not block:
                raise SinkFailure(f"{original.name} is shorter than what was copied of it")
            _write_all(file, block, start)
            start += len(block)
    finally:
        os.close(source)


def _write_all(file: int, content: bytes, offset: int) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(file, content[done:], offset + done)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class StdoutSink:
    """One record a line. A reader that stopped reading holds up this sink and nothing else."""

    def __init__(self, file: int = 1, *, patience: float = _STDOUT_SECONDS) -> None:
        self._file = file
        self._patience = patience
        self._limiter = CapacityLimiter(1)
        self._busy = threading.Lock()
        self._rest = b""
        """What of a batch that was begun is not written yet: it goes on within the line."""
        self._of: Batch | None = None
        self._closed = False

    async def send(self, batch: Batch) -> Taken:
        await to_thread.run_sync(self._write, batch, limiter=self._limiter, abandon_on_cancel=True)
        return Taken()

    async def aclose(self) -> None:
        self._closed = True

    def _write(self, batch: Batch) -> None:
        if not self._busy.acquire(blocking=False):
            raise SinkFailure(_STILL_BUSY)
        try:
            self._write_rest(batch)
        finally:
            self._busy.release()

    def _write_rest(self, batch: Batch) -> None:
        if self._of is not batch:
            self._rest, self._of = batch.body(), batch
        deadline = time.monotonic() + self._patience
        while self._rest and not self._closed:
            if select.select([], [self._file], [], _LOOK_SECONDS)[1]:
                self._rest = self._rest[os.write(self._file, self._rest[:_ATOMIC_BYTES]) :]
            elif time.monotonic() > deadline:
                raise SinkFailure("nobody reads the standard output")
