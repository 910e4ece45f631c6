"""Find records by words and fields among millions: the index says where, the file says what. Blocking."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mcp_gateway.audit.export import Progress
from mcp_gateway.audit.index import Index, Place
from mcp_gateway.audit.query import Wanted
from mcp_gateway.audit.record import Record, parse


def search(
    directory: Path, index: Path, wanted: Wanted, *, words: Sequence[str] = (), progress: Progress
) -> Iterator[Record]:
    """Matching records, newest first; up to date as of the first one. Raises OperatorError."""
    found = Index(directory, index)
    found.refresh(progress)
    for place in found.places(wanted, words):
        record = _read(place)
        if record is not None and wanted.matches(record):
            yield record


def _read(place: Place) -> Record | None:
    """None when it is gone, or not what was indexed."""
    try:
        handle = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return parse(os.pread(handle, place.length, place.start))
    except ValueError:
        return None
    finally:
        os.close(handle)
