"""Is each writer's chain whole: nothing changed, removed, added or out of order between its first and last record.

A record cut off at the end of the newest file does not show here: the chain says what stands between two
points, and the newest point is known only to whoever kept a hash of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mcp_gateway.audit.query import Trail
from mcp_gateway.audit.record import GENESIS, chain_hash, parse, unseal


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold."""

    file: Path
    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one writer's chain."""

    writer: str
    records: int
    first_seq: int
    """Above 1 when older files were removed."""
    last_seq: int
    last_hash: str
    """Keep it elsewhere, and a shortened chain shows."""
    torn: bool
    """A file ends within a line, which nobody was told of: the process was killed, or the disk failed."""
    breaks: tuple[Break, ...]

    @property
    def whole(self) -> bool:
        return not self.breaks


def verify(directory: Path) -> list[Verified]:
    """Every writer's chain; reads everything, about 5 µs a record."""
    segments = Trail(directory).segments()
    return [_verify(writer, list(paths)) for writer, paths in groupby(segments, key=writer_of)]


def writer_of(path: Path) -> str:
    return path.stem.rpartition("-")[0]


def _verify(writer: str, paths: list[Path]) -> Verified:
    chain = _Chain()
    for path, number, line in _numbered_lines(paths):
        problem = chain.add(line) if line.endswith(b"\n") else chain.torn_off()
        if problem:
            chain.breaks.append(Break(path, number, problem))
    return Verified(writer, chain.records, chain.first, chain.seq, chain.head, chain.torn, tuple(chain.breaks))


def _numbered_lines(paths: Iterable[Path]) -> Iterator[tuple[Path, int, bytes]]:
    for path in paths:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield path, number, line


class _Chain:
    """What is known after the lines so far."""

    def __init__(self) -> None:
        self.records = 0
        self.first = 0
        self.seq = 0
        self.head = GENESIS
        self.torn = False
        self.breaks: list[Break] = []

    def torn_off(self) -> None:
        self.torn = True

    def add(self, line: bytes) -> str | None:
        """What is wrong with the next line, or None. Goes on from what the line says, to find every break once."""
        try:
            stored, body = unseal(line)
            record = parse(line)
            seq, prev = int(record["seq"]), str(record["prev"])
        except (ValueError, KeyError):
            return "not a record"
        expected_seq, expected_prev, started = self.seq + 1, self.head, self.records > 0 or seq == 1
        self.records += 1
        self.first = self.first or seq
        self.seq, self.head = seq, stored
        if chain_hash(prev, body) != stored:
            return "the record was changed"
        if started and seq != expected_seq:
            return f"record {expected_seq} was expected, {seq} stands here"
        if started and prev != expected_prev:
            return "the record does not follow the one before"
        return None
