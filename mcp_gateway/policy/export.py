"""Audit records to look back at: of a data directory, or of a file that was taken from one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

from mcp_gateway.audit import Record, Trail, Wanted
from mcp_gateway.errors import OperatorError


def records(source: Path, wanted: Wanted, *, limit: int) -> tuple[list[Record], str]:
    """The newest matching ones, at most `limit`, and why there may be more. Raises OperatorError.

    `source` is an audit directory, a segment, or what `mcp-gateway audit tail --json` printed.
    """
    found = Trail(source).newest(wanted) if source.is_dir() else _matching(source, wanted)
    taken = list(islice(found, limit + 1))
    cut = f"only the newest {limit} records were looked at; --limit takes more" if len(taken) > limit else ""
    return taken[:limit], cut


def _matching(source: Path, wanted: Wanted) -> Iterator[Record]:
    every = sorted(_read(source), key=lambda record: -float(record.get("at", 0)))
    return (record for record in every if wanted.matches(record))


def _read(source: Path) -> Iterator[Record]:
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise OperatorError("there is no such file or folder", where=str(source)) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as UTF-8 text", where=str(source)) from exc
    lines = [text] if text.lstrip().startswith("[") else text.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line)
        except ValueError as exc:
            raise OperatorError("is not a record", where=f"{source}:{number}") from exc
        for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise OperatorError("is not a record", where=f"{source}:{number}")
            yield cast("Record", one)
