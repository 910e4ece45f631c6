"""What a sink has not had yet: whole records in order per writer, a bounded batch at a time. Blocking; only reads.

A file's end is final once its writer has a newer file: then a part of a line at its end is passed over,
because nobody was ever told of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from mcp_gateway.audit.record import Record, parse
from mcp_gateway.audit.segments import SUFFIX
from mcp_gateway.audit.sinks.position import Place, Position, end_of_lines, writer_and_number

MOST_RECORDS = 500
MOST_BYTES = 1_000_000
_LONGEST_LINE = 64 * 1024 * 1024
_LAST_BYTES = 256 * 1024
_LEAST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of one file, as they stand there."""

    path: Path
    start: int
    lines: tuple[bytes, ...]
    first: Record | None
    """None: the line is no record."""
    last: Record | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that are not where they should be: `after` is the last that was sent, `before` the next that is there."""

    writer: str
    after: int
    before: int


@dataclass(frozen=True, slots=True)
class Batch:
    pieces: tuple[Piece, ...]
    after: Position
    """Where the sink stands once it has had the batch."""
    gaps: tuple[Gap, ...] = ()

    @property
    def records(self) -> int:
        return sum(len(piece.lines) for piece in self.pieces)

    @property
    def lines(self) -> list[bytes]:
        return [line for piece in self.pieces for line in piece.lines]

    def body(self) -> bytes:
        """All lines as they stand in their files."""
        return b"\n".join(self.lines) + b"\n"

    @property
    def oldest_at(self) -> float | None:
        """When the oldest of it was written."""
        return min((float(piece.first["at"]) for piece in self.pieces if piece.first is not None), default=None)


@dataclass(slots=True)
class _Filling:
    """One batch while it grows."""

    records: int
    room: int
    pieces: list[Piece] = field(default_factory=list[Piece])
    gaps: list[Gap] = field(default_factory=list[Gap])

    @property
    def full(self) -> bool:
        return self.records <= 0 or self.room <= 0


class Reader:
    """Over one audit directory; starts with another writer each time, so that none has to wait for the busiest."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turn = 0

    def take(self, position: Position, *, records: int = MOST_RECORDS, room: int = MOST_BYTES) -> Batch:
        """The next records after `position`, at most so many and about so many bytes; raises OSError."""
        files = files_by_writer(self._directory)
        writers = list(files)
        self._turn += 1
        start = self._turn % len(writers) if writers else 0
        # A writer whose files are all gone will never write again.
        after = {writer: place for writer, place in position.items() if writer in files}
        filling = _Filling(records, room)
        for writer in writers[start:] + writers[:start]:
            place = after.get(writer, Place(0, 0))
            moved = _read_writer(files[writer], place, filling)
            if moved != place:
                after[writer] = moved
            if filling.full:
                break
        return Batch(tuple(filling.pieces), after, tuple(filling.gaps))


def files_by_writer(directory: Path) -> dict[str, list[Path]]:
    """Every writer's files in the order it wrote them."""
    with os.scandir(directory) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))
    paths = [directory / name for name in names]
    return {writer: list(mine) for writer, mine in groupby(paths, key=lambda path: writer_and_number(path)[0])}


def _read_writer(files: Sequence[Path], place: Place, filling: _Filling) -> Place:
    for path in files:
        number = writer_and_number(path)[1]
        if number < place.number:
            continue
        if number > place.number:
            place = Place(number, 0, place.seq)
        place = _read_file(path, place, filling, final=path != files[-1])
        if filling.full:
            break
    return place


def _read_file(path: Path, place: Place, filling: _Filling, *, final: bool) -> Place:
    """All that fits of one file; `final` when nothing more will be written to it."""
    try:
        size = path.stat().st_size
        while size > place.offset and not filling.full:
            lines = _lines(path, place.offset, filling)
            if not lines:
                return Place(place.number, size, place.seq) if final else place
            place = _add(path, place, lines, filling)
    except FileNotFoundError:
        pass  # removed since it was listed; what was not sent of it shows as a gap
    return place


def _lines(path: Path, start: int, filling: _Filling) -> list[bytes]:
    """Whole lines from `start`; none when there is only a part of one."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        room = max(filling.room, _LEAST_BYTES)
        block = os.pread(file, room, start)
        while b"\n" not in block and len(block) == room and room < _LONGEST_LINE:
            room *= 4
            block = os.pread(file, room, start)
    finally:
        os.close(file)
    whole = block[: block.rfind(b"\n") + 1]
    return whole.split(b"\n", filling.records)[: min(filling.records, whole.count(b"\n"))]


def _add(path: Path, place: Place, lines: list[bytes], filling: _Filling) -> Place:
    used = sum(map(len, lines)) + len(lines)
    first, last = _parsed(lines[0]), _parsed(lines[-1])
    filling.pieces.append(Piece(path, place.offset, tuple(lines), first, last))
    filling.records -= len(lines)
    filling.room -= used
    writer = writer_and_number(path)[0]
    expected = int(first["seq"]) + len(lines) - 1 if first is not None else -1
    started = place.seq or (int(first["seq"]) - 1 if first is not None else 0)
    if first is None or last is None or int(first["seq"]) != started + 1 or int(last["seq"]) != expected:
        filling.gaps.extend(_gaps(writer, started, lines))
    seq = int(last["seq"]) if last is not None else started + len(lines)
    return Place(place.number, place.offset + used, seq)


def _gaps(writer: str, seq: int, lines: Sequence[bytes]) -> Iterator[Gap]:
    for record in map(_parsed, lines):
        if record is None:
            continue
        found = int(record["seq"])
        if found != seq + 1:
            yield Gap(writer, seq, found)
        seq = found


def _parsed(line: bytes) -> Record | None:
    try:
        return parse(line)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Behind:
    """What a sink has not had."""

    records: int
    oldest_at: float | None


def behind(directory: Path, position: Position) -> Behind:
    """Counted by the records' own numbers, so it costs two small reads per writer."""
    found = [_behind(files, position.get(writer, Place(0, 0))) for writer, files in files_by_writer(directory).items()]
    oldest = [one.oldest_at for one in found if one.oldest_at is not None]
    return Behind(sum(one.records for one in found), min(oldest, default=None))


def _behind(files: Sequence[Path], place: Place) -> Behind:
    try:
        last = next(filter(None, map(_last_record, reversed(files))), None)
        first = next(filter(None, (_first_record(path, place) for path in files)), None)
    except FileNotFoundError:
        return Behind(0, None)
    if last is None or first is None:
        return Behind(0, None)
    return Behind(max(0, int(last["seq"]) - int(first["seq"]) + 1), float(first["at"]))


def _first_record(path: Path, place: Place) -> Record | None:
    """The first of a file that was not sent."""
    number = writer_and_number(path)[1]
    if number < place.number:
        return None
    with path.open("rb") as file:
        file.seek(place.offset if number == place.number else 0)
        line = file.readline()
    return _parsed(line) if line.endswith(b"\n") else None


def _last_record(path: Path) -> Record | None:
    end = end_of_lines(path)
    with path.open("rb") as file:
        start = max(0, end - _LAST_BYTES)
        file.seek(start)
        block = file.read(end - start)
    return _parsed(block.rstrip(b"\n").rpartition(b"\n")[2])
