"""Which of the audit's files are old enough to go, and how they go: oldest first, whole, and said before. Blocking.

A file is kept unless everything is known about it: all of it is old, a checkpoint that reached the second place
vouches for all of it, every sink has had it, and its writer does not write to it any more.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from mcp_gateway.audit.checkpoint import Covered
from mcp_gateway.audit.checkpoint_coverage import tombstone
from mcp_gateway.audit.checkpoint_log import DIRECTORY, standing_at
from mcp_gateway.audit.query import Trail, last_line
from mcp_gateway.audit.record import Record, parse

_LOCK = "prune.lock"


@dataclass(frozen=True, slots=True)
class Doomed:
    """The oldest files of one writer."""

    writer: str
    paths: tuple[Path, ...]
    newest: float
    """When the last record in them was written."""
    bytes: int

    def declaration(self) -> Mapping[str, Any]:
        """What the audit has to say before they go. Raises OperatorError when they are not what was written."""
        upto = _number(self.paths[-1])
        named = {"files": len(self.paths), "bytes": self.bytes, "newest_at": self.newest}
        return {**tombstone(self.paths[0].parent, self.writer, upto), **named}

    def remove(self) -> None:
        """Oldest first, so that what is left is always the end. Raises OSError."""
        for path in self.paths:
            path.unlink(missing_ok=True)
        handle = os.open(self.paths[0].parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def doomed(
    directory: Path, *, before: float, covered: Mapping[str, int], was_sent: Callable[[Path], bool]
) -> list[Doomed]:
    """Everything older than `before` that may go; `covered` is how far each writer's records are vouched for."""
    writers = standing_at(directory / DIRECTORY).writers
    found: list[Doomed] = []
    for writer, paths in groupby(Trail(directory).segments(), key=lambda path: path.stem.rpartition("-")[0]):
        going = list(_going(list(paths), writers.get(writer), before, covered.get(writer, 0), was_sent))
        if going:
            whole = tuple(path for path, _ in going)
            found.append(Doomed(writer, whole, going[-1][1], sum(path.stat().st_size for path in whole)))
    return found


@contextmanager
def alone(directory: Path) -> Generator[bool]:
    """False while another process removes files of the same audit."""
    handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _going(
    paths: list[Path], said: Covered | None, before: float, covered: int, was_sent: Callable[[Path], bool]
) -> Iterator[tuple[Path, float]]:
    for path in paths:
        last = _last(path)
        if last is None or float(last["at"]) >= before or int(last["seq"]) > covered or not was_sent(path):
            return
        if path == paths[-1] and not (said is not None and said.closed and said.size == last["seq"]):
            return
        yield path, float(last["at"])


def _last(path: Path) -> Record | None:
    try:
        return parse(last_line(path))
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
