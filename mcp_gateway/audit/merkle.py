"""Merkle trees as RFC 9162 §2.1 hashes them: grown leaf by leaf, and the path from one leaf to the root. Pure.

A `Frontier` keeps one hash per 1 in the tree's size, so a tree of any size grows in constant space, and
goes on where it was left. What it has forgotten, `Path` collects while the leaves pass once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree of `size` leaves: the roots of its perfect subtrees, largest first."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"{len(self.peaks)} hashes are no tree of {size} leaves")

    def add(self, leaf: bytes) -> None:
        peaks, below, hashed = self.peaks, self.size, leaf
        while below & 1:
            hashed = _sha256(b"\x01" + peaks.pop() + hashed).digest()
            below >>= 1
        peaks.append(hashed)
        self.size += 1

    def extend(self, leaves: list[bytes]) -> None:
        """`add` for many, row by row, which is half as dear."""
        peaks, lower, below, row = self.peaks, list[bytes](), self.size, list(leaves)
        while row:
            if below & 1:
                row.insert(0, peaks.pop())
            if len(row) & 1:
                lower.append(row.pop())
            row = [_sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
            below >>= 1
        peaks.extend(reversed(lower))
        self.size += len(leaves)

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY
        hashed = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            hashed = node_hash(peak, hashed)
        return hashed

    def copy(self) -> Frontier:
        return Frontier(self.size, self.peaks)


class Levels:
    """A tree whose leaves may change: every node is kept, a change costs its way to the root."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    def set(self, index: int, leaf: bytes) -> None:
        """Change the leaf at `index`, or append it when it is the next one."""
        level, hashed = 0, leaf
        while True:
            row = self._levels[level]
            row[index : index + 1] = [hashed]
            if len(row) == 1:
                return
            left = index & ~1
            # A last node without a neighbour goes up as it is.
            hashed = node_hash(row[left], row[left + 1]) if left + 1 < len(row) else row[left]
            index >>= 1
            level += 1
            if level == len(self._levels):
                self._levels.append([])

    def root(self) -> bytes:
        return self._levels[-1][0] if self._levels[0] else EMPTY

    def path(self, index: int) -> list[bytes]:
        """The hashes that lead from the leaf at `index` to the root, lowest first."""
        found: list[bytes] = []
        for row in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(row):
                found.append(row[sibling])
            index >>= 1
        return found


class Path:
    """The path of one leaf, found while all leaves pass in order; those in `before` need not."""

    def __init__(self, index: int, size: int, before: Frontier | None = None) -> None:
        """For the leaf at `index` of a tree of `size`; `before` is the tree of the leaves that are gone, all left of it."""
        gone = before or Frontier()
        if not gone.size <= index < size:
            raise ValueError(f"there is no path for leaf {index} of {size} behind {gone.size}")
        self._ranges = _ranges(index, size)
        self._parts = [_within(gone, start, end) for start, end in self._ranges]
        self._in_order = sorted(range(len(self._ranges)), key=lambda number: self._ranges[number])
        while self._in_order and self._ranges[self._in_order[0]][1] <= gone.size:
            # Known already.
            self._in_order.pop(0)
        self._at = gone.size
        self._begin = self._end = gone.size
        self._part = gone

    def add(self, leaf: bytes) -> None:
        if self._at >= self._end and self._in_order:
            number = self._in_order.pop(0)
            self._begin, self._end = self._ranges[number]
            self._part = self._parts[number]
        if self._begin <= self._at < self._end:
            self._part.add(leaf)
        self._at += 1

    def hashes(self) -> list[bytes]:
        """Lowest first; right once every leaf has passed."""
        return [part.root() for part in self._parts]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root `leaf` leads to (RFC 9162 §2.1.3.2); raises ValueError when the path has not the length for its place."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    hashed, place, last, steps = leaf, index, size - 1, iter(path)
    try:
        while last:
            if place & 1:
                hashed = node_hash(next(steps), hashed)
            elif place < last:
                hashed = node_hash(hashed, next(steps))
            place, last = place >> 1, last >> 1
    except StopIteration:
        raise ValueError("the path is too short") from None
    if next(steps, None) is not None:
        raise ValueError("the path is too long")
    return hashed


def _ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Which leaves each hash of the path stands for, lowest first."""
    start, end = 0, size
    found: list[tuple[int, int]] = []
    while end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def _within(gone: Frontier, start: int, end: int) -> Frontier:
    """What is known of the leaves `start` to `end`; a subtree that is gone never reaches over such a border."""
    position, size, peaks = 0, 0, list[bytes]()
    for peak, height in zip(gone.peaks, _heights(gone.size), strict=True):
        width = 1 << height
        if start <= position and position + width <= end:
            peaks.append(peak)
            size += width
        position += width
    return Frontier(size, peaks)


def _heights(size: int) -> list[int]:
    return [height for height in range(size.bit_length() - 1, -1, -1) if size >> height & 1]
