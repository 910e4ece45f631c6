"""The audit as a table for people, in no cell of which a spreadsheet finds a formula. Not verifiable."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from mcp_gateway.audit.erasure import is_sealed
from mcp_gateway.audit.export import Exported, Progress, fresh, matching
from mcp_gateway.audit.query import EVERYTHING, Wanted, codes_of
from mcp_gateway.audit.record import Record, parse
from mcp_gateway.audit.sentence import sentence

COLUMNS = (
    "at",
    "sentence",
    "kind",
    "user",
    "agent",
    "verb",
    "tool",
    "objects",
    "effect",
    "outcome",
    "reasons",
    "recorded",
    "latency_ms",
    "request",
    "writer",
    "seq",
    "hash",
)
_FORMULA = frozenset("=+-@＝＋－＠")
_BREAKS = ("\t", "\r", "\n")
_QUOTE = "'"


def to_csv(
    directory: Path,
    target: Path,
    *,
    wanted: Wanted = EVERYTHING,
    opened: Callable[[Record], Record] = lambda record: record,
    force: bool = False,
    progress: Progress,
) -> Exported:
    """`opened` reveals sealed values, for whoever may read them. Raises OperatorError, and then leaves no file."""
    found = Exported(filtered=wanted != EVERYTHING)
    with fresh(target, force=force) as file:
        file.write(_line(COLUMNS))
        for line, known in matching(directory, wanted, progress):
            record = _record(line) if known is None else known
            if record is not None:
                file.write(_line(_cells(opened(record))))
                found.records += 1
        found.bytes = file.tell()
    return found


def neutral(cell: str) -> str:
    """`cell` as a spreadsheet shows it, and never runs it."""
    # Some pass over white space and what cannot be seen.
    first = next((character for character in cell if character.isprintable() and not character.isspace()), "")
    return _QUOTE + cell if first in _FORMULA or cell.startswith(_BREAKS) else cell


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(neutral(cell) for cell in cells)
    return text.getvalue().encode("utf-8", "replace")


def _cells(record: Record) -> list[str]:
    latency = record.get("latency_us")
    told: dict[str, Any] = {
        **record,
        "at": datetime.fromtimestamp(float(record["at"]), UTC).isoformat(timespec="milliseconds"),
        "sentence": sentence(record),
        "user": record.get("user", record.get("actor")),
        "objects": " ".join(_objects(record)),
        "recorded": _recorded(record),
        "reasons": " ".join(sorted(codes_of(record))),
        "latency_ms": f"{latency / 1000:.1f}" if isinstance(latency, int | float) else None,
    }
    return ["" if told.get(name) is None else str(told[name]) for name in COLUMNS]


def _objects(record: Record) -> Iterator[str]:
    """What was asked about besides the tool, each once."""
    yield from dict.fromkeys(str(one[2]) for one in record.get("questions", ()) if one[2] != record.get("tool"))


def _recorded(record: Record) -> str | None:
    """Arguments a tool's policy asks for; sealed ones without their bytes."""
    values: dict[str, Any] = record.get("recorded") or {}
    told = {name: "sealed" if is_sealed(value) else value for name, value in values.items()}
    return orjson.dumps(told).decode() if told else None


def _record(line: bytes) -> Record | None:
    try:
        return parse(line)
    except ValueError:
        return None
