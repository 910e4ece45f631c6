"""What `make bench` says: a table of medians with their range, one JSON object, and every round in a file."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from bench import stage as rows
from bench.measure import Cell, median
from bench.peers import PEERS, Peer
from tests.support.processes import ROOT

Table: TypeAlias = Mapping[tuple[str, str], Sequence[Cell]]
"""(row, column) to its rounds."""
FEW, MANY = "gateway, 50 tools registered", "gateway, 1,010 tools registered"
LIST_FEW, LIST_MANY = "tools/list of 10", "tools/list of 1,000"
STEADY = "rate"
FOLDER = ROOT / "bench" / "results"
_COLUMNS: Sequence[tuple[str, Callable[[Cell], float], str]] = (
    ("CPU µs", lambda one: one.cpu_us, "{:.0f}"),
    ("req/s", lambda one: one.per_second, "{:.0f}"),
    ("p50 ms", lambda one: one.p50_ms, "{:.2f}"),
    ("p99 ms", lambda one: one.p99_ms, "{:.2f}"),
)


def show(table: Table) -> None:
    """Median, and in brackets the smallest and the largest round."""
    print(f"{'':41}{'':6}" + "".join(f"{title:>21}" for title, _, _ in _COLUMNS))
    for (row, column), cells in table.items():
        texts = (_spread([value(one) for one in cells], form) for _, value, form in _COLUMNS)
        print(f"{row:41}{column:6}" + "".join(f"{text:>21}" for text in texts))


def _spread(values: Sequence[float], form: str) -> str:
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} [{low}–{high}]"


def ratio(upper: Sequence[Cell], lower: Sequence[Cell]) -> float:
    """Of the processor time, round by round, so that what else the machine did falls out."""
    return statistics.median(one.cpu_us / other.cpu_us for one, other in zip(upper, lower, strict=True))


def faster(one: Sequence[Cell], other: Sequence[Cell]) -> float:
    """How many times the calls per second, round by round."""
    return statistics.median(ours.per_second / theirs.per_second for ours, theirs in zip(one, other, strict=True))


def summary(table: Table, machine: Mapping[str, object], calibration: Sequence[float]) -> dict[str, Any]:
    medians = {key: median(cells) for key, cells in table.items()}

    def cpu(row: str, column: str = "c16") -> float:
        return round(medians[row, column].cpu_us, 1)

    steady = table[rows.DIRECT_SDK, STEADY], table[rows.FULL_SDK, STEADY]
    pairs = list(zip(*steady, strict=True))
    full, floor = table[rows.FULL, "c16"], table[rows.FLOOR, "c16"]
    found = [(peer, table[rows.row_of(peer), "c16"]) for peer in PEERS if (rows.row_of(peer), "c16") in table]
    ours = table[rows.FULL_SDK, "c16"]
    return {
        "cpu_us_full": cpu(rows.FULL),
        "cpu_us_full_range": [round(pick(one.cpu_us for one in full), 1) for pick in (min, max)],
        "cpu_us_full_host": cpu(rows.HOST),
        "cpu_us_full_sdk": cpu(rows.FULL_SDK),
        "cpu_us_full_events": cpu(rows.FULL_EVENTS),
        "cpu_us_legacy": cpu(rows.LEGACY),
        "cpu_us_legacy_events": cpu(rows.LEGACY_EVENTS),
        "cpu_us_no_authorization": cpu(rows.OPEN),
        "cpu_us_floor": cpu(rows.FLOOR),
        "cpu_us_direct": cpu(rows.DIRECT_SDK),
        "cpu_us_direct_bare": cpu(rows.DIRECT_BARE),
        "cpu_ratio_floor": round(ratio(full, floor), 3),
        "cpu_ratio_authorization": round(ratio(full, table[rows.OPEN, "c16"]), 3),
        "calls_per_second": round(medians[rows.FULL, "c16"].per_second),
        "calls_per_second_range": [round(pick(one.per_second for one in full)) for pick in (min, max)],
        "throughput_ratio_c16": round(faster(ours, table[rows.DIRECT_SDK, "c16"]), 3),
        "p50_added_ms_rate": round(statistics.median(two.p50_ms - one.p50_ms for one, two in pairs), 3),
        "p99_added_ms_rate": round(statistics.median(two.p99_ms - one.p99_ms for one, two in pairs), 3),
        "rate_per_second": round(medians[rows.FULL_SDK, STEADY].per_second),
        "list_10_cpu_us": cpu(LIST_FEW, "c4"),
        "list_1000_cpu_us": cpu(LIST_MANY, "c4"),
        "cpu_ratio_1000_tools": round(ratio(table[MANY, "pair"], table[FEW, "pair"]), 3),
        "peers": {peer.name: round(faster(ours, cells), 1) for peer, cells in found},
        "peers_cpu_ratio": {peer.name: round(ratio(cells, ours), 1) for peer, cells in found},
        "rounds": len(full),
        "calibration_us": round(statistics.median(calibration)),
        "calibration_range_us": [round(min(calibration)), round(max(calibration))],
        "machine": dict(machine),
        "peer_versions": {peer.name: peer.version for peer, _ in found},
    }


def told(peers: Sequence[Peer]) -> None:
    """What the peers are, and how one gets them."""
    for peer in peers:
        print(f"{rows.row_of(peer)}: {peer.form}; {peer.install}")


def kept(table: Table, said: Mapping[str, Any], calibration: Sequence[float]) -> Path:
    """Every round, in a file that git does not see."""
    FOLDER.mkdir(exist_ok=True)
    whole = {
        "summary": said,
        "calibration_us": list(calibration),
        "rounds": [
            {"row": row, "column": column, "cells": list(map(asdict, cells))} for (row, column), cells in table.items()
        ],
    }
    path = FOLDER / time.strftime("bench-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return path
