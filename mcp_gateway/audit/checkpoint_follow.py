"""Follow the records of one writer in its files and grow its tree, reading each record once. Blocking.

Each record must name the hash of the one before; whether its own hash is right is for `verify` to see.
"""

from __future__ import annotations

import hashlib
import os
import time
from binascii import unhexlify
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mcp_gateway.audit.checkpoint import Covered, Pruned
from mcp_gateway.audit.merkle import Frontier, leaf_hash
from mcp_gateway.audit.record import GENESIS, parse
from mcp_gateway.audit.segments import SUFFIX, has_ended

_CHUNK_BYTES = 128 * 1024
"""About a tenth of a millisecond of work; then the thread lets others run."""

_sha256 = hashlib.sha256

_PRUNED_MARK = b'"kind":"audit.pruned"'
_KIND_AT = 75

Notice: TypeAlias = Callable[[bytes], None]
Landmarks: TypeAlias = Mapping[int, str]
"""Hashes that records must have, by their number: what is known of them from elsewhere."""


class Patience:
    """How many bytes one round may still read: a first look at years of records must not hold up a shutdown."""

    def __init__(self, left: int) -> None:
        self.left = left


class Damaged(Exception):
    """The files do not hold what was written. What was read before stays as it was."""


class Follower:
    def __init__(self, directory: Path, writer: str, base: Pruned | None = None) -> None:
        self.writer = writer
        self._directory = directory
        self._tree = base.frontier() if base else Frontier()
        self._head = base.hash if base else GENESIS
        self._skip = self._tree.size
        self._segment = 0
        self._offset = 0
        self.closed = False
        self.damage: str | None = None

    @property
    def size(self) -> int:
        return self._tree.size

    def covered(self, pruned: Pruned | None) -> Covered:
        return Covered(
            writer=self.writer,
            size=self._tree.size,
            root=self._tree.root().hex(),
            head=self._head,
            closed=self.closed,
            pruned=pruned,
        )

    def saved(self) -> Mapping[str, Any]:
        """Enough to go on from here in another process."""
        peaks = [peak.hex() for peak in self._tree.peaks]
        place = {"segment": self._segment, "offset": self._offset}
        return {**place, "size": self._tree.size, "head": self._head, "peaks": peaks}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Raises ValueError, KeyError or TypeError when `saved` is none of `saved()`."""
        tree = Frontier(int(saved["size"]), [bytes.fromhex(peak) for peak in saved["peaks"]])
        self._segment, self._offset = int(saved["segment"]), int(saved["offset"])
        self._tree, self._head, self._skip = tree, str(saved["head"]), 0

    def advance(
        self, segments: list[int], landmarks: Landmarks, notice: Notice, patience: Patience, *, ours: bool
    ) -> bool:
        """Take in what came since the last time, and bring it to disk; true when there was any. Raises Damaged, OSError.

        `notice` is shown each record that declares a part pruned; `ours`: the writer lives in this process.
        """
        before = self._tree.size
        ahead = [number for number in segments if number >= self._segment]
        for number in ahead:
            if patience.left > 0:
                self._read(number, landmarks, notice, patience, may_end=not ours and number == ahead[-1])
        last = max(landmarks, default=0)
        if self._tree.size < last and patience.left > 0:
            raise Damaged(f"records {self._tree.size + 1}–{last} are no longer in the files")
        return self._tree.size != before

    def _read(self, number: int, landmarks: Landmarks, notice: Notice, patience: Patience, *, may_end: bool) -> None:
        if number != self._segment:
            self._segment, self._offset = number, 0
        path = self._directory / f"{self.writer}-{number:06d}{SUFFIX}"
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Asked before the rest is read: nothing can be written between the last read and the answer.
            ended = may_end and has_ended(handle)
            if os.fstat(handle).st_size < self._offset:
                raise Damaged(f"{path.name} was shortened")
            if self._take(handle, landmarks, notice, patience):
                os.fdatasync(handle)
            self.closed = self.closed or (ended and patience.left > 0)
        finally:
            os.close(handle)

    def _take(self, handle: int, landmarks: Landmarks, notice: Notice, patience: Patience) -> bool:
        rest, any_taken = b"", False
        while patience.left > 0 and (chunk := os.pread(handle, _CHUNK_BYTES, self._offset + len(rest))):
            patience.left -= len(chunk)
            whole, end, rest = (rest + chunk).rpartition(b"\n")
            if not end:
                continue
            lines = whole.split(b"\n")
            if not self._add_all(lines, landmarks, whole):
                for line in lines:
                    self._add(line, landmarks, notice)
                    self._offset += len(line) + 1
            else:
                self._offset += len(whole) + 1
            any_taken = True
            # Gives the interpreter to those who answer calls.
            time.sleep(0.0005)
        return any_taken

    def _add_all(self, lines: list[bytes], landmarks: Landmarks, whole: bytes) -> bool:
        """The usual case, a chunk at a time: a fifth of the work of `_add`. False when it is not the usual case."""
        heads = [line[9:73] for line in lines]
        last = self._tree.size + len(lines)
        place = b'"writer":"%s","seq":%d,"prev":"' % (self.writer.encode(), last)
        if (
            [line[-66:-2] for line in lines] != [self._head.encode(), *heads[:-1]]
            or lines[-1][-66 - len(place) : -66] != place
            or not lines[-1].startswith(b'{"hash":"')
            or _PRUNED_MARK in whole
            or any(self._tree.size < seq <= last for seq in landmarks)
        ):
            return False
        try:
            leaves = [_sha256(b"\x00" + unhexlify(head)).digest() for head in heads]
        except ValueError:
            return False
        self._tree.extend(leaves)
        self._head = heads[-1].decode("ascii")
        return True

    def _add(self, line: bytes, landmarks: Landmarks, notice: Notice) -> None:
        seq = self._tree.size + 1
        place = b'"writer":"%s","seq":%d,"prev":"%s"}' % (self.writer.encode(), seq, self._head.encode())
        if not line.endswith(place) or not line.startswith(b'{"hash":"'):
            if self._skip and self._is_before(line):
                return
            raise Damaged(f"record {seq} is not there, or does not follow the one before")
        stored = line[9:73]
        if seq in landmarks and landmarks[seq].encode() != stored:
            raise Damaged(f"record {seq} is not the one that was written")
        try:
            leaf = leaf_hash(bytes.fromhex(stored.decode("ascii")))
        except ValueError as exc:
            raise Damaged(f"record {seq} has no hash") from exc
        self._tree.add(leaf)
        self._head = stored.decode("ascii")
        if line.startswith(_PRUNED_MARK, _KIND_AT):
            notice(line)

    def _is_before(self, line: bytes) -> bool:
        """Of the part that may be missing, and is still there."""
        try:
            return int(parse(line)["seq"]) <= self._skip
        except ValueError:
            return False
