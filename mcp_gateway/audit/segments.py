"""The files one process appends its records to: `<writer>-<n>.jsonl`, rolled by size. Blocking; no async.

One process, one writer, one file at a time, so a file never interleaves and only its last line can be torn.
`append` is what survives a killed process; `sync` what survives a power cut. The newest file with anything in
it is locked as long as its writer may write, so that others can tell whether more will come.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway.errors import AuditUnavailable

MAX_BYTES = 64 * 1024 * 1024
SUFFIX = ".jsonl"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Unsynced:
    """What one sync has to bring to disk; the descriptors stay open until it is settled."""

    files: tuple[int, ...]
    retired: tuple[int, ...]
    """Those of `files` nothing more is written to."""
    new_names: bool
    """A file was created, so the directory needs a sync as well."""


class Segments:
    def __init__(self, directory: Path, writer: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._writer = writer
        self._max_bytes = max_bytes
        self._number = 0
        self._file = -1
        self._size = 0
        self._retired: list[int] = []
        self._alive = -1
        """Holds the lock of the last file that was given up with records in it."""
        self._new_names = False

    def append(self, line: bytes) -> None:
        """`write()` the whole line or nothing; raises AuditUnavailable, and works again when the disk does."""
        if self._file < 0 or (self._size and self._size + len(line) > self._max_bytes):
            self._open_next()
        try:
            written = os.write(self._file, line)
        except OSError as exc:
            self._recover(exc.errno)
            raise AuditUnavailable(f"cannot write the audit: {exc.strerror}") from exc
        if written != len(line):
            self._recover(errno.ENOSPC)
            raise AuditUnavailable("cannot write the audit: the disk took only part of a record")
        self._size += written

    def unsynced(self) -> Unsynced:
        retired = tuple(self._retired)
        self._retired.clear()
        new_names, self._new_names = self._new_names, False
        current = (self._file,) if self._file >= 0 else ()
        return Unsynced((*retired, *current), retired, new_names)

    def sync(self, unsynced: Unsynced) -> None:
        """Wait for the disk; runs in a worker thread and touches nothing but `unsynced`. Raises OSError."""
        for file in unsynced.files:
            _sync_data(file)
            if file not in unsynced.retired and os.fstat(file).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "the audit file was deleted")
        if unsynced.new_names:
            _sync_directory(self._directory)

    def settle(self, unsynced: Unsynced, *, synced: bool) -> None:
        """After `sync`. A file whose sync failed gets no more records: what its pages hold is unknown."""
        for file in unsynced.retired:
            os.close(file)
        if synced:
            return
        self._new_names |= unsynced.new_names
        if self._file in unsynced.files:
            if self._size:
                self._stay_alive()
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        for file in (*self._retired, self._file, self._alive):
            if file >= 0:
                os.close(file)
        self._retired.clear()
        self._file = self._alive = -1

    def _open_next(self) -> None:
        if self._file >= 0:
            self._retire()
        path = self._path(self._number + 1)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise AuditUnavailable(f"cannot open an audit file: {exc.strerror}") from exc
        # A file system without locks: then nobody will ever say that this writer has ended.
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._number += 1
        self._size = 0
        self._new_names = True

    def _recover(self, code: int | None) -> None:
        """Take back a part of a line. A full disk may have room again; any other trouble gets a new file."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._retire()
            return
        if code not in _FULL:
            self._retire()

    def _retire(self) -> None:
        if self._size:
            self._stay_alive()
        else:
            # Or a disk that takes names but no data would collect empty files.
            with contextlib.suppress(OSError):
                self._path(self._number).unlink()
        self._retired.append(self._file)
        self._file = -1

    def _stay_alive(self) -> None:
        """The lock goes with the last descriptor of its file; the next file may be long in coming."""
        if self._alive >= 0:
            os.close(self._alive)
        self._alive = os.dup(self._file)

    def _path(self, number: int) -> Path:
        return self._directory / f"{self._writer}-{number:06d}{SUFFIX}"


def has_ended(file: int) -> bool:
    """Nobody will write to the open `file` again, or to one after it; only right of a writer's newest file."""
    if not os.fstat(file).st_size:
        # Its writer may not have come to lock it.
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _sync_data(file: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        # There fsync leaves the data in the drive's cache.
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
