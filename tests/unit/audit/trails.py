"""Trails on disk without a gateway: records of several writers, and their checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mcp_gateway.audit.checkpoint_keeper import Keeper, Made, Ours
from mcp_gateway.audit.record import GENESIS, Fields, seal
from mcp_gateway.audit.segments import Segments
from mcp_gateway.audit.writer import new_writer_id


@dataclass(slots=True)
class Hand:
    """Writes as a process does, without one."""

    directory: Path
    max_bytes: int
    id: str = field(default_factory=new_writer_id)
    seq: int = 0
    head: str = GENESIS
    segments: Segments = field(init=False)

    def __post_init__(self) -> None:
        self.segments = Segments(self.directory, self.id, max_bytes=self.max_bytes)

    def write(self, fields: Fields, *, at: float = 1.0) -> None:
        line, self.head = seal(fields, seq=self.seq + 1, prev=self.head, writer=self.id, at=at)
        self.segments.append(line)
        self.seq += 1

    def end(self) -> None:
        """As a killed process leaves it: its files closed, nothing said."""
        self.segments.close()


@dataclass(slots=True)
class Trailed:
    """An installation of which there is only the audit."""

    root: Path
    clock: float = 1_000.0

    @property
    def audit(self) -> Path:
        return self.root / "audit"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def checkpoints(self) -> Path:
        return self.audit / "checkpoints"

    def writer(self, *, max_bytes: int = 4_000) -> Hand:
        self.audit.mkdir(parents=True, exist_ok=True)
        return Hand(self.audit, max_bytes)

    def tick(self) -> float:
        self.clock += 0.5
        return self.clock

    def write(self, writer: Hand, count: int) -> None:
        for _ in range(count):
            request = f"r-{writer.id}-{writer.seq}"
            writer.write({"kind": "x", "request": request, "user": "user:local/mira"}, at=self.tick())

    def checkpoint(self, ours: Hand | None = None) -> Made:
        """As another process would: with a keeper of its own."""
        keeper = Keeper(self.audit, self.keys)
        assert keeper.begin()
        try:
            return keeper.make(at=self.tick(), ours=Ours(ours.id, ours.seq, ours.head) if ours else None)
        finally:
            keeper.end()
