"""Where the lines to verify come from: a data directory, its audit, an exported directory, or an exported file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from mcp_gateway.audit.checkpoint_log import DIRECTORY, checkpoint_files
from mcp_gateway.audit.query import Trail
from mcp_gateway.errors import OperatorError

Located: TypeAlias = tuple[str, bytes]
"""Where a line stands, for people; and the line."""

CHECKPOINT_MARK = b'{"signature":"'
PROOF_MARK = b'{"proof":1,'
EXPORT_MARK = b'{"export":1,'

_RUN_LINES = 20_000
"""A run ends here, so that somebody hears how far it is."""


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of one writer that stand together."""

    writer: str
    path: Path
    lines: Iterator[tuple[int, bytes]]
    """With their numbers in the file. Only right until the next run is asked for."""


class Source:
    """`checkpoints` first: what is written while `runs` are read is then no news."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise OperatorError("there is no audit here", where=str(path), remedy="mcp-gateway audit verify PATH")
        inner = path / "audit"
        self.path = inner if inner.is_dir() else path
        self.filtered = not path.is_dir() and self._header().get("filtered") is not None
        self.bytes = self.read = 0
        """Of records: all, known once `runs` began, and those of the runs that were taken."""

    def checkpoints(self) -> list[Located]:
        if self.path.is_dir():
            return lines_in(self.path / DIRECTORY)
        return [(f"{self.path.name}:{number}", line) for number, line in self._marked(CHECKPOINT_MARK)]

    def proofs(self) -> Iterator[Located]:
        if not self.path.is_dir():
            yield from ((f"{self.path.name}:{number}", line) for number, line in self._marked(PROOF_MARK))

    def runs(self, only: Collection[str] | None = None) -> Iterator[Run]:
        """Everything that claims to be a record, those of one writer in order; `only` of these writers."""
        self.read = 0
        if not self.path.is_dir():
            self.bytes = self.path.stat().st_size
            yield from (run for run in self._runs_of_file() if only is None or run.writer in only)
            return
        paths = [path for path in Trail(self.path).segments() if only is None or writer_of(path) in only]
        self.bytes = sum(path.stat().st_size for path in paths)
        for path in paths:
            with path.open("rb") as file:
                yield Run(writer_of(path), path, enumerate(file, start=1))
                self.read += file.tell()

    def _runs_of_file(self) -> Iterator[Run]:
        writer = ""

        def whose(numbered: tuple[int, bytes]) -> tuple[str, int]:
            nonlocal writer
            number, line = numbered
            self.read += len(line)
            # A line that says no writer belongs where it stands.
            writer = _writer_said(line) or writer
            return writer, number // _RUN_LINES

        with self.path.open("rb") as file:
            numbered = ((number, line) for number, line in enumerate(file, start=1) if not _is_other(line))
            for (said, _), lines in groupby(numbered, key=whose):
                yield Run(said, self.path, lines)

    def _header(self) -> dict[str, Any]:
        with self.path.open("rb") as file:
            first = file.readline()
        if not first.startswith(EXPORT_MARK):
            return {}
        try:
            return dict(orjson.loads(first))
        except ValueError as exc:
            raise OperatorError("the export's first line cannot be read", where=f"{self.path}:1") from exc

    def _marked(self, mark: bytes) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.startswith(mark):
                    yield number, line


def lines_in(directory: Path) -> list[Located]:
    """Of all checkpoint files in `directory`, in order."""
    found: list[Located] = []
    for path in checkpoint_files(directory):
        with path.open("rb") as file:
            numbered = enumerate(file, start=1)
            # A torn end is one that is being written, or that a killed process left.
            found.extend((f"{path.name}:{number}", line) for number, line in numbered if line.endswith(b"\n"))
    return found


def writer_of(path: Path) -> str:
    return path.stem.rpartition("-")[0]


def seq_of(line: bytes) -> int:
    """The number a record says it has, as it was sealed; 0 when it says none. A whole parse would cost much more."""
    digits = line.rpartition(b'"seq":')[2].partition(b",")[0]
    return int(digits) if digits.isdigit() else 0


def _is_other(line: bytes) -> bool:
    return line.startswith((CHECKPOINT_MARK, PROOF_MARK, EXPORT_MARK))


def _writer_said(line: bytes) -> str:
    # Near the end of the line, as it was sealed; a whole parse would cost more than all the hashing.
    _, mark, after = line.rpartition(b'"writer":"')
    return after.partition(b'"')[0].decode("utf-8", "replace") if mark else ""
