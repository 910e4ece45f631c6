"""How far each sink has come: one small file per sink, replaced whole. Blocking.

What is stored may be older than what was sent, never newer: a process that was killed in between sends a
little again. `least_position` tells what every sink has had, which is all that may be removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from mcp_gateway.audit.segments import SUFFIX
from mcp_gateway.errors import OperatorError

FOLDER = "sinks"
_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Within one writer's files: everything before it was sent."""

    number: int
    """Of the file."""
    offset: int
    seq: int = 0
    """Of the last record that was sent."""


Position: TypeAlias = Mapping[str, Place]
"""By writer; one that is missing has not been read at all."""


@dataclass(frozen=True, slots=True)
class State:
    """What is stored of one sink."""

    places: Position = field(default_factory=dict[str, Place])
    sent: int = 0
    """Records, since the sink is there; those sent twice count twice."""
    sent_at: float | None = None
    error: str | None = None
    """Why nothing gets through now."""
    error_at: float | None = None
    failures: int = 0
    """In a row."""
    rejected: int = 0
    """Records the other side said it does not keep."""


def load(folder: Path, name: str) -> State:
    """What is stored; nothing yet when there is no file, or none that can be read: then all is sent again."""
    try:
        value: Any = orjson.loads(_path(folder, name).read_bytes())
        places = {writer: Place(*map(int, place)) for writer, place in value.pop("places").items()}
        return State(places=places, **value)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return State()


def store(folder: Path, name: str, state: State, *, sync: bool = True) -> None:
    """Raises OSError; then the file is as it was."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plain = {**asdict(replace(state, places={})), "places": {w: [p.number, p.offset, p.seq] for w, p in _sorted(state)}}
    temporary = folder / f".{name}.{os.getpid()}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, orjson.dumps(plain))
        if sync:
            os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(_path(folder, name))


def _sorted(state: State) -> list[tuple[str, Place]]:
    return sorted(state.places.items())


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


@contextlib.contextmanager
def turn(folder: Path, name: str) -> Generator[bool]:
    """True when this process is the one that runs the sink, until the block ends or the process does."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(file)


def least_position(directory: Path, names: Iterable[str]) -> Position:
    """Per writer the place that every one of the sinks `names` of the audit `directory` has passed, as stored."""
    positions = [load(directory / FOLDER, name).places for name in names]
    if not positions:
        return {}
    common = set(positions[0]).intersection(*positions[1:])
    return {writer: min(position[writer] for position in positions) for writer in common}


def had_by_all(segment: Path, least: Position) -> bool:
    """Nothing in `segment` is still to be sent, by a position that `least_position` gave."""
    writer, number = writer_and_number(segment)
    place = least.get(writer)
    if place is None:
        return False
    if place.number != number:
        return number < place.number
    try:
        return end_of_lines(segment) <= place.offset
    except OSError as exc:
        raise OperatorError("an audit file cannot be read", where=str(segment)) from exc


def writer_and_number(segment: Path) -> tuple[str, int]:
    writer, _, number = segment.name.removesuffix(SUFFIX).rpartition("-")
    return writer, int(number) if number.isdecimal() else 0


def end_of_lines(path: Path) -> int:
    """Where the last whole line of a file ends; a part of a line behind it was never a record."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _BLOCK_BYTES)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
