"""The audit as files for somebody else: byte for byte, with the checkpoints that vouch for it. Blocking.

A file in the format of docs/audit-format.md, section Export, or a directory that looks like the audit's own.
Reads line by line, beside the processes that write; what they write meanwhile may or may not be in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from mcp_gateway.audit.proof import prove
from mcp_gateway.audit.query import EVERYTHING, Trail, Wanted
from mcp_gateway.audit.record import Record, parse
from mcp_gateway.audit.segments import SUFFIX
from mcp_gateway.errors import OperatorError

CHECKPOINTS = "checkpoints"
_CHECKPOINT_FILES = f"[0-9]*{SUFFIX}"
_BLOCK = 1024 * 1024
_TELL_EVERY = 4 * _BLOCK

MOST_PROVEN = 500
"""A proof reads every record of its writer."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many were read."""


@dataclass(slots=True)
class Exported:
    """What stands in the export."""

    records: int = 0
    checkpoints: int = 0
    proofs: int = 0
    bytes: int = 0
    filtered: bool = False


def said(wanted: Wanted) -> Mapping[str, object] | None:
    """By what is filtered, None when it is not."""
    return {name: value for name, value in asdict(wanted).items() if value is not None} or None


def to_file(
    directory: Path,
    target: Path,
    *,
    wanted: Wanted = EVERYTHING,
    proofs: bool = False,
    at: float,
    force: bool = False,
    progress: Progress,
) -> Exported:
    """Everything `wanted` as one file of lines; with `proofs` of each record that it was there when a checkpoint was
    signed. Raises OperatorError, and then leaves no file.
    """
    found = Exported(filtered=wanted != EVERYTHING)
    to_prove: list[tuple[str, int]] = []
    with fresh(target, force=force) as file:
        file.write(orjson.dumps({"export": 1, "at": at, "filtered": said(wanted)}) + b"\n")
        # Checkpoints first: they must not vouch for more than the records that follow.
        for path in _checkpoint_files(directory):
            for line in whole_lines(path):
                file.write(line)
                found.checkpoints += 1
        for line, record in matching(directory, wanted, progress):
            file.write(line)
            found.records += 1
            if proofs and record is not None:
                to_prove.append((str(record["writer"]), int(record["seq"])))
        for line in _proofs(directory, to_prove, progress):
            file.write(line)
            found.proofs += 1
        found.bytes = file.tell()
    return found


def to_directory(directory: Path, target: Path, *, force: bool = False, progress: Progress) -> Exported:
    """The whole audit under its own names. Raises OperatorError."""
    _empty(target, force=force)
    found = Exported()
    try:
        (target / CHECKPOINTS).mkdir(mode=0o700, parents=True)
        for path in _checkpoint_files(directory):
            found.checkpoints += _copy(path, target / CHECKPOINTS / path.name, found)
        segments = Trail(directory).segments()
        total, done = sum(path.stat().st_size for path in segments), 0
        for path in segments:
            found.records += _copy(path, target / path.name, found)
            done += path.stat().st_size
            progress(done, total)
    except OSError as exc:
        raise _cannot(target, exc) from exc
    return found


def matching(directory: Path, wanted: Wanted, progress: Progress) -> Iterator[tuple[bytes, Record | None]]:
    """Every wanted line as it stands in its file; with its record where it had to be looked at."""
    segments = Trail(directory).segments()
    total, done, told = sum(path.stat().st_size for path in segments), 0, 0
    for path in segments:
        for line in whole_lines(path):
            record = None if wanted == EVERYTHING else _record(line)
            if wanted == EVERYTHING or (record is not None and wanted.matches(record)):
                yield line, record
            done += len(line)
            if done - told >= _TELL_EVERY:
                told = done
                progress(min(done, total), total)
    progress(total, total)


def whole_lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; what a killed process left is none."""
    with path.open("rb", buffering=_BLOCK) as file:
        yield from (line for line in file if line.endswith(b"\n"))


@contextmanager
def fresh(target: Path, *, force: bool) -> Generator[BinaryIO]:
    """A file that stands there whole, or not at all. Raises OperatorError."""
    if target.is_dir() or (target.exists() and not force):
        remedy = "another name" if target.is_dir() else "--force replaces it"
        raise OperatorError("there is something already", where=str(target), remedy=remedy)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as exc:
        raise _cannot(target, exc) from exc
    finally:
        partial.unlink(missing_ok=True)


def _proofs(directory: Path, places: list[tuple[str, int]], progress: Progress) -> Iterator[bytes]:
    """Raises OperatorError for too many, and for a record no checkpoint covers yet."""
    if len(places) > MOST_PROVEN:
        raise OperatorError(
            f"at most {MOST_PROVEN} records are proven in one export, these are {len(places)}",
            where="--proofs",
            remedy="narrow it, or export the whole audit, which needs none",
        )
    for done, (writer, seq) in enumerate(places, start=1):
        yield orjson.dumps(prove(directory, writer, seq)) + b"\n"
        progress(done, len(places))


def _record(line: bytes) -> Record | None:
    try:
        return parse(line)
    except ValueError:
        return None


def _checkpoint_files(directory: Path) -> list[Path]:
    return sorted((directory / CHECKPOINTS).glob(_CHECKPOINT_FILES))


def _copy(source: Path, target: Path, found: Exported) -> int:
    """The lines that were copied; a torn one is copied too, byte for byte, and is none."""
    lines = 0
    with source.open("rb") as file, target.open("xb") as copy:
        os.fchmod(copy.fileno(), 0o600)
        while block := file.read(_BLOCK):
            copy.write(block)
            lines += block.count(b"\n")
        found.bytes += copy.tell()
        copy.flush()
        os.fsync(copy.fileno())
    return lines


def _empty(target: Path, *, force: bool) -> None:
    """What an earlier export left would be taken for a part of this one."""
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not force):
        remedy = "another name" if target.is_file() else "--force replaces what is in it"
        raise OperatorError("there is something already", where=str(target), remedy=remedy)
    try:
        for path in (*target.glob(f"*{SUFFIX}"), *_checkpoint_files(target)):
            path.unlink()
        if (target / CHECKPOINTS).is_dir():
            (target / CHECKPOINTS).rmdir()
    except OSError as exc:
        raise _cannot(target, exc) from exc


def _cannot(target: Path, exc: OSError) -> OperatorError:
    return OperatorError(f"cannot be written: {exc.strerror}", where=str(target))
