"""Audit records to look back at: of a data directory, or of a file that was taken from one."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from mcp_gateway.audit import Record, Trail, Wanted
from mcp_gateway.errors import OperatorError

_NO_RECORDS = ('{"export":', '{"signature":"', '{"proof":')
"""What stands in an export besides records (docs/audit-format.md)."""


def records(source: Path, wanted: Wanted, *, limit: int) -> tuple[list[Record], str]:
    """The newest matching ones, at most `limit`, and why there may be more. Raises OperatorError.

    `source` is an audit directory, a segment, what `mcp-gateway audit export` wrote, or what `mcp-gateway audit tail
    --json` printed.
    """
    found = Trail(source).newest(wanted) if source.is_dir() else _matching(source, wanted, limit + 1)
    taken = list(islice(found, limit + 1))
    cut = f"only the newest {limit} records were looked at; --limit takes more" if len(taken) > limit else ""
    return taken[:limit], cut


def _matching(source: Path, wanted: Wanted, most: int) -> Iterator[Record]:
    """No more than `most` are held at once, however long the file is."""
    every = (record for record in _read(source) if wanted.matches(record))
    yield from heapq.nlargest(most, every, key=lambda record: float(record.get("at", 0)))


def _read(source: Path) -> Iterator[Record]:
    try:
        with source.open(encoding="utf-8") as file:
            for number, text in _texts(file):
                yield from _records(text, where=f"{source}:{number}")
    except FileNotFoundError as exc:
        raise OperatorError("there is no such file or folder", where=str(source)) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as UTF-8 text", where=str(source)) from exc


def _texts(file: TextIO) -> Iterator[tuple[int, str]]:
    """One JSON text after another, by the line it begins in: one a line, or one list in the whole file."""
    for number, line in enumerate(file, start=1):
        if line.lstrip().startswith("["):
            yield number, line + file.read()
            return
        if line.strip() and not line.startswith(_NO_RECORDS):
            yield number, line


def _records(text: str, *, where: str) -> Iterator[Record]:
    try:
        value: Any = json.loads(text)
    except ValueError as exc:
        raise OperatorError("is not a record", where=where) from exc
    for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            raise OperatorError("is not a record", where=where)
        yield cast("Record", one)
