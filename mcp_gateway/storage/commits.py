"""Has anybody committed? SQLite's own sign of it, the header of the wal-index, compared without asking SQLite.

Every commit rewrites that header before it returns, and every reader compares it to know whether its
snapshot is the newest (sqlite.org/walformat.html §2). `PRAGMA data_version` makes the same comparison behind
a statement, and lets go of the interpreter's lock on the way, which costs a busy process ten times as
much. The header is read where SQLite has mapped it: opening the file once more would be fatal, because
closing any descriptor of it drops every lock this process has on it (fcntl(2)).
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Sign: TypeAlias = bytes | int
"""Differs from an earlier one when there was a commit in between; it may differ without one."""

_FORMAT = 3_007_000
"""`iVersion` of the only wal-index format there is."""

_MAPS = Path("/proc/self/maps")

_Header = ctypes.c_char * 48


class Commits:
    """Of the database at `path`, by whatever connection of whatever process."""

    def __init__(self, path: Path) -> None:
        # While this connection is open, SQLite neither deletes the wal-index nor unmaps it.
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self._data_version()  # maps the wal-index
        header = _mapped_header(path)
        self.sign: Callable[[], Sign] = self._data_version if header is None else lambda: header.raw
        """Raises sqlite3.Error when the store cannot be read."""

    def close(self) -> None:
        self.sign = self._data_version
        self._connection.close()

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _mapped_header(path: Path) -> ctypes.Array[ctypes.c_char] | None:
    """None where it cannot be found, or is not of the known format: another journal mode, another system."""
    try:
        index = path.with_name(path.name + "-shm").stat()
        maps = _MAPS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in maps.splitlines():
        span, _, offset, device, inode = line.split(maxsplit=5)[:5]
        major, _, minor = device.partition(":")
        place = os.makedev(int(major, 16), int(minor, 16)), int(inode), int(offset, 16)
        if place == (index.st_dev, index.st_ino, 0):
            header = _Header.from_address(int(span.partition("-")[0], 16))
            known = _FORMAT in (int.from_bytes(header.raw[:4], order) for order in ("little", "big"))
            return header if known else None
    return None
