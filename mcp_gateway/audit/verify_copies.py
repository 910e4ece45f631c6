"""Two copies of the same records: where they part, one of them is not what was written. Reads both once."""

from __future__ import annotations

from collections.abc import Iterator

from mcp_gateway.audit.verify_report import Finding, Kind
from mcp_gateway.audit.verify_source import Source, seq_of


def compare(one: Source, other: Source) -> list[Finding]:
    """The first record of each writer that differs; what only one copy has is no contradiction."""
    known: dict[str, dict[int, bytes]] = {}
    for writer, seq, stored, _ in _records(one):
        known.setdefault(writer, {})[seq] = stored
    parted: dict[str, Finding] = {}
    for writer, seq, stored, where in _records(other):
        here = known.get(writer, {}).get(seq, stored)
        earlier = parted.get(writer)
        if here != stored and (earlier is None or (earlier.first or 0) > seq):
            problem = f"record {seq} is another one in {other.path}"
            parted[writer] = Finding(Kind.FORKED, problem, writer, seq, seq, where)
    return list(parted.values())


def _records(source: Source) -> Iterator[tuple[str, int, bytes, str]]:
    for run in source.runs():
        for number, line in run.lines:
            if line.endswith(b"\n"):
                yield run.writer, seq_of(line), line[9:73], f"{run.path.name}:{number}"
