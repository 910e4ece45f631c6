"""One writer's records, read once and fast: right, or suspect. Pure.

Each line must have its hash, name the one before, and every root a checkpoint signed must come out. What
exactly is wrong with a suspect writer is found by `verify_diagnosis`, which takes its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from mcp_gateway.audit.checkpoint import Pruned
from mcp_gateway.audit.merkle import Frontier, leaf_hash
from mcp_gateway.audit.record import GENESIS, parse

_EVENT_MARK = b'"kind":"audit.'
_KIND_AT = 75


@dataclass(frozen=True, slots=True)
class Mark:
    """What a checkpoint says of a writer at one size."""

    number: int
    root: str
    head: str


@dataclass(slots=True)
class Vouched:
    """All that checkpoints and declarations say of one writer."""

    marks: dict[int, Mark] = field(default_factory=dict[int, Mark])
    """By size."""
    closed: bool = False
    pruned: Pruned | None = None

    @property
    def size(self) -> int:
        return max(self.marks, default=0)


class Chain:
    def __init__(self, writer: str, vouched: Vouched) -> None:
        self.writer = writer
        self.vouched = vouched
        self.records = 0
        self.first = 0
        self.suspect = False
        self.torn = False
        self.events: list[bytes] = []
        """Records about the audit itself."""
        self._tree = Frontier()
        self._head = GENESIS
        self._ending = b'"writer":"%s","seq":%%d,"prev":"%%s"}\n' % writer.replace("%", "%%").encode("utf-8", "replace")

    @property
    def last(self) -> int:
        return self._tree.size

    @property
    def head(self) -> str:
        return self._head

    def add_all(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """The lines of one file, or of a part of it."""
        marks, ending = self.vouched.marks, self._ending
        for _, line in lines:
            if not line.endswith(b"\n"):
                self.torn = True
                continue
            self.records += 1
            if self.suspect:
                continue
            if not self.first:
                self._begin(line)
            tree, prev = self._tree, self._head.encode()
            stored = line[9:73]
            if not (
                line.endswith(ending % (tree.size + 1, prev))
                and line.startswith(b'{"hash":"')
                and hashlib.sha256(b"".join((prev, b"{", line[75:-1]))).hexdigest().encode() == stored
            ):
                self.suspect = True
                continue
            text = stored.decode("ascii")
            tree.add(leaf_hash(bytes.fromhex(text)))
            self._head = text
            if line.startswith(_EVENT_MARK, _KIND_AT):
                self.events.append(line)
            if tree.size in marks and tree.root().hex() != marks[tree.size].root:
                self.suspect = True

    def finish(self) -> None:
        """After the last line."""
        size = self.vouched.size
        short = self.last < size
        # Removed to the last record, as declared.
        if not self.records and self.vouched.pruned is not None:
            short = self.vouched.pruned.seq < size
        if short or (self.vouched.closed and self.last > size):
            self.suspect = True

    def _begin(self, line: bytes) -> None:
        """Behind what was pruned, when that is where the first line stands."""
        try:
            self.first = int(parse(line)["seq"])
        except ValueError:
            self.first = 1
        base = self.vouched.pruned
        if base is not None and self.first == base.seq + 1:
            self._tree, self._head = base.frontier(), base.hash
