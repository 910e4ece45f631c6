"""Read the audit of all writers back: newest first, one request, as it grows, and is the chain whole.

Only reads, so it runs beside the processes that write. A torn last line, which a killed process leaves, is
passed over. Blocking; an async caller uses a worker thread.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from mcp_gateway.audit.record import Record, parse
from mcp_gateway.audit.segments import SUFFIX
from mcp_gateway.errors import OperatorError

_BLOCK_BYTES = 64 * 1024
_FOLLOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records; every member that is set must agree."""

    user: str | None = None
    agent: str | None = None
    tool: str | None = None
    effect: str | None = None
    kind: str | None = None
    since: float | None = None
    """Epoch seconds."""
    until: float | None = None
    """Epoch seconds; not the moment itself."""
    code: str | None = None
    """A reason that was given, observed, or said how it ended."""
    resource: str | None = None
    """What a question was asked about, or what an event names."""
    request: str | None = None

    def matches(self, record: Record) -> bool:
        if self.since is not None and record.get("at", 0) < self.since:
            return False
        if self.until is not None and record.get("at", 0) >= self.until:
            return False
        # An event has an actor in the user's place.
        if self.user is not None and self.user not in (record.get("user"), record.get("actor")):
            return False
        if self.code is not None and self.code not in codes_of(record):
            return False
        if self.resource is not None and self.resource not in objects_of(record):
            return False
        if self.request is not None and request_of(record) != self.request:
            return False
        given = (("agent", self.agent), ("tool", self.tool), ("effect", self.effect), ("kind", self.kind))
        return all(value is None or record.get(name) == value for name, value in given)


EVERYTHING = Wanted()


class Trail:
    """The audit directory of one installation."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def segments(self) -> list[Path]:
        """Every file, those of one writer in the order it wrote them."""
        try:
            return sorted(self._directory.glob(f"*{SUFFIX}"))
        except OSError as exc:
            raise OperatorError("the audit cannot be read", where=str(self._directory)) from exc

    def newest(self, wanted: Wanted = EVERYTHING) -> Iterator[Record]:
        """All matching records, newest first, reading no more than is taken."""
        runs = (self._backwards(path, wanted.since) for path in self.segments())
        merged = heapq.merge(*runs, key=lambda record: (-float(record["at"]), -int(record["seq"])))
        return (record for record in merged if wanted.matches(record))

    def tail(self, count: int, wanted: Wanted = EVERYTHING) -> list[Record]:
        """The last `count` matching records, oldest of them first."""
        return list(islice(self.newest(wanted), count))[::-1]

    def show(self, request_id: str) -> list[Record]:
        """Every record of one request, in order."""
        needle = request_id.encode()
        lines = (line for path in self.segments() for line in _lines(path) if needle in line)
        return sorted(
            (record for record in _records(lines) if request_of(record) == request_id),
            key=lambda record: (float(record["at"]), int(record["seq"])),
        )

    async def follow(self, wanted: Wanted = EVERYTHING) -> AsyncGenerator[Record]:
        """Matching records of any process as they are written, from now on; ends when its reader does."""
        position = await to_thread.run_sync(self._ends)
        while True:
            for record in await to_thread.run_sync(self._news, position):
                if wanted.matches(record):
                    yield record
            await anyio.sleep(_FOLLOW_SECONDS)

    def _ends(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self.segments()}

    def _news(self, position: dict[Path, int]) -> list[Record]:
        """What came after `position`, which moves on."""
        fresh: list[Record] = []
        for path in self.segments():
            whole = _whole_lines(path, position.get(path, 0))
            position[path] = position.get(path, 0) + len(whole)
            fresh.extend(_records(whole.splitlines()))
        return sorted(fresh, key=lambda record: (float(record["at"]), int(record["seq"])))

    def _backwards(self, path: Path, since: float | None) -> Iterator[Record]:
        if since is not None and path.stat().st_mtime < since:
            return iter(())
        return _records(_lines_backwards(path))


def codes_of(record: Record) -> set[str]:
    """Every reason code a record tells."""
    reasons: list[Mapping[str, Any]] = [*record.get("reasons", ()), *record.get("observed", ()), record]
    return {str(reason["code"]) for reason in reasons if reason.get("code")}


def objects_of(record: Record) -> set[str]:
    """Everything the questions of a record are about; of an event every value it names."""
    named: Mapping[str, Any] = record.get("named") or {}
    about = {str(question[2]) for question in record.get("questions", ())}
    return about | {value for value in named.values() if isinstance(value, str)}


def request_of(record: Record) -> Any:
    """An event may be about a request too, and then names it."""
    return record["request"] if "request" in record else record.get("named", {}).get("request")


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        try:
            yield parse(line)
        except ValueError:
            # Torn, or no record: `verify` says which; here it hides nothing that was acknowledged.
            continue


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _whole_lines(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        news = file.read()
    return news[: news.rfind(b"\n") + 1]


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Last line first, a block at a time; the file is open only while a block is read."""
    end = path.stat().st_size
    rest = b""
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        block = _read(path, start, end - start) + rest
        first, *lines = block.split(b"\n")
        yield from (line for line in reversed(lines) if line)
        rest, end = first, start
    if rest:
        yield rest


def last_line(path: Path) -> bytes:
    """The last whole line of a file; nothing when there is none."""
    size = path.stat().st_size
    torn = size > 0 and _read(path, size - 1, 1) != b"\n"
    lines = _lines_backwards(path)
    return next(islice(lines, 1 if torn else 0, None), b"")


def _read(path: Path, start: int, count: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, count, start)
    finally:
        os.close(handle)
