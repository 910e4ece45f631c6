"""Trails for tests of the sinks: writers that write by hand, and what is expected to arrive."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.audit.record import GENESIS, seal
from mcp_gateway.audit.segments import Segments


class Hand:
    """One writer; `write` appends whole records."""

    def __init__(self, directory: Path, writer: str, *, max_bytes: int = 1_000_000, at: float = 1_000.0) -> None:
        self.writer = writer
        self.seq = 0
        self.lines: list[bytes] = []
        self._head = GENESIS
        self._at = at
        self._segments = Segments(directory, writer, max_bytes=max_bytes)

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            self.seq += 1
            at = self._at + self.seq
            line, self._head = seal({"kind": "test"}, seq=self.seq, prev=self._head, writer=self.writer, at=at)
            self._segments.append(line)
            self.lines.append(line.rstrip(b"\n"))

    def tear(self) -> None:
        """A part of a line, as a killed process leaves it."""
        self._segments.append(b'{"hash":"torn')

    def close(self) -> None:
        self._segments.close()
