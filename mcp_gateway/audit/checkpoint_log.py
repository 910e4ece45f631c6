"""The files checkpoints lie in, and who may write them: one process at a time. Blocking.

`checkpoints/<n>.jsonl` in the audit directory; the first line of each file tells everything, so a start
reads the newest file only. A torn last line, which a killed process leaves, is taken back.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mcp_gateway.audit.checkpoint import Checkpoint, Standing, read
from mcp_gateway.errors import OperatorError

DIRECTORY = "checkpoints"
FILE_BYTES = 8 * 1024 * 1024


def checkpoint_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("[0-9]*.jsonl"))


def lines_of(path: Path) -> Iterator[bytes]:
    """Whole lines, with their ends."""
    with path.open("rb") as file:
        yield from (line for line in file if line.endswith(b"\n"))


def lines_after(directory: Path, number: int, *, most: int) -> list[bytes]:
    """The checkpoints after `number`, in order, `most` of them; reads no file that holds none of them."""
    files = checkpoint_files(directory)
    firsts = [read(next(lines_of(path))).number for path in files]
    found: list[bytes] = []
    for path, first, following in zip(files, firsts, [*firsts[1:], None], strict=True):
        if following is not None and following <= number + 1:
            continue
        found.extend(islice(lines_of(path), max(0, number + 1 - first), None))
        if len(found) >= most:
            break
    return found[:most]


class CheckpointLog:
    """`lock`, then `load`, then `append`."""

    def __init__(self, directory: Path, *, roll_bytes: int = FILE_BYTES) -> None:
        self.directory = directory
        self._roll_bytes = roll_bytes
        self._lock = -1
        self._path: Path | None = None

    def lock(self) -> bool:
        """True when this process is the one that writes, from now until `unlock`."""
        if self._lock >= 0:
            return True
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def load(self) -> Standing:
        """What the checkpoints say; raises OperatorError when the newest file is not what was written."""
        self._path = None
        for path in reversed(checkpoint_files(self.directory)):
            _take_back_torn(path)
            if path.stat().st_size:
                self._path = path
                return _standing(path)
            path.unlink()
        return Standing()

    @property
    def begins_file(self) -> bool:
        """The next checkpoint is the first of a file, and has to be full."""
        return self._path is None or self._path.stat().st_size >= self._roll_bytes

    def append(self, checkpoint: Checkpoint) -> None:
        """On the disk when this returns; raises OSError."""
        fresh = self.begins_file
        number = int(self._path.stem) if self._path is not None else 0
        path = self.directory / f"{number + 1:06d}.jsonl" if fresh or self._path is None else self._path
        append_durably(path, checkpoint.line + b"\n")
        self._path = path


def append_durably(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _take_back_torn(path: Path) -> None:
    whole = sum(map(len, lines_of(path)))
    if whole != path.stat().st_size:
        os.truncate(path, whole)


def _standing(path: Path, upto: int | None = None) -> Standing:
    standing = Standing()
    for number, line in enumerate(lines_of(path), start=1):
        try:
            checkpoint = read(line)
        except ValueError as exc:
            where, remedy = f"{path}:{number}", "mcp-gateway audit verify"
            raise OperatorError("this is no checkpoint", where=where, remedy=remedy) from exc
        if upto is not None and checkpoint.number > upto:
            break
        standing.follow(checkpoint)
    return standing


def standing_at(directory: Path, number: int | None = None) -> Standing:
    """What the newest checkpoint says, or the newest up to `number`; nothing when there is none. Only reads."""
    for path in reversed(checkpoint_files(directory)):
        standing = _standing(path, number)
        if standing.number:
            return standing
    return Standing()
