"""`python -m bench`: calls and listings, direct, governed and through other proxies, side by side in one run.

Two cores: gateways and peers on one; the upstream and the load on the other. Called directly, the
upstream has its core for itself. Every number is the median of interleaved rounds. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from bench import targets
from bench.measure import Cell, Unusable, cell, median
from bench.targets import Target
from tests.support.environments import Unavailable

CONCURRENCY = (1, 16, 64)
_FIXED_RATE_CONNECTIONS = 16
_TURNS = 4
FEW, MANY = "gateway, 20 tools registered", "gateway, 1,010 tools registered"
Table: TypeAlias = dict[tuple[str, str], list[Cell]]
"""(row, column) to its rounds."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.2, help="of one measurement")
    parser.add_argument("--server", choices=["granian", "uvicorn"], default="uvicorn")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stage = Stage(stack, options.server)
        table = measured(stage, rounds=options.rounds, seconds=options.seconds)
    medians = {key: median(cells) for key, cells in table.items()}
    show(medians)
    print(json.dumps(summary(medians, stage, table)))


class Stage:
    """Everything that runs, started once; idle processes cost nothing while another is measured."""

    def __init__(self, stack: contextlib.ExitStack, server: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        start = stack.enter_context
        self.sdk = start(targets.upstream("sdk"))
        self.bare = start(targets.upstream("bare"))
        many = start(targets.upstream("bare", tools=1000))
        process = start(
            targets.gateway(folder / "process", {"sdk": (self.sdk, 10), "bare": (self.bare, 10)}, server=server)
        )
        host = start(
            targets.gateway(folder / "host", {"bare": (self.bare, 10)}, server=server, audit={"durability": "host"})
        )
        large = start(targets.gateway(folder / "large", {"bare": (self.bare, 10), "many": (many, 1000)}, server=server))
        self.floor = start(targets.floor(self.bare))
        self.governed_sdk = process["sdk"]
        self.governed_bare = process["bare"]
        self.governed_host = host["bare"]
        self.large_call = large["bare"]
        self.large_list = large["many"]
        self.peers = [
            peer
            for peer in (_peer(stack, lambda: targets.fastmcp_proxy(self.sdk)), _peer(stack, targets.mcp_proxy))
            if peer
        ]

    def calls(self) -> dict[str, Target]:
        rows = {
            "direct, SDK server": self.sdk,
            "direct, bare server": self.bare,
            "same server and client, no checks": self.floor,
            "gateway (process) -> SDK server": self.governed_sdk,
            "gateway (process) -> bare server": self.governed_bare,
            "gateway (host) -> bare server": self.governed_host,
        }
        return rows | {f"{peer.name} -> SDK server": peer for peer in self.peers}


def _peer(stack: contextlib.ExitStack, start: Callable[[], contextlib.AbstractContextManager[Target]]) -> Target | None:
    try:
        return stack.enter_context(start())
    except Unavailable as exc:
        print(f"SKIPPED peer: {exc}", file=sys.stderr, flush=True)
        return None


def measured(stage: Stage, *, rounds: int, seconds: float) -> Table:
    table: Table = defaultdict(list)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        calls = {row: target.signed_in() for row, target in stage.calls().items()}
        for connections in CONCURRENCY:
            for row, target in calls.items():
                _add(table, row, f"c{connections}", target, target.call(), connections, seconds)
        _side_by_side(table, stage, seconds)
        for row, target in (("tools/list of 10", stage.governed_bare), ("tools/list of 1,000", stage.large_list)):
            fresh = target.signed_in()
            _add(table, row, "c4", fresh, fresh.listing(), 4, seconds)
        _fixed_rate(table, calls, seconds)
    return table


def _add(
    table: Table,
    row: str,
    column: str,
    target: Target,
    request: tuple[dict[str, str], str],
    connections: int,
    seconds: float,
) -> None:
    try:
        table[row, column].append(cell(target, request, connections=connections, seconds=seconds))
    except Unusable as exc:
        if target.gateway is not None:
            raise
        print(f"SKIPPED {row} {column}: {exc}", file=sys.stderr, flush=True)
        del table[row, column]


def _side_by_side(table: Table, stage: Stage, seconds: float) -> None:
    """The same call with few and with many tools registered, turn and turn about: their ratio is what counts."""
    rows = {FEW: stage.governed_bare.signed_in(), MANY: stage.large_call.signed_in()}
    for turn in range(_TURNS):
        for row in sorted(rows, reverse=turn % 2 == 1):
            _add(table, row, "pair", rows[row], rows[row].call(), 16, seconds / 2)


def ratio_of_pairs(few: Sequence[Cell], many: Sequence[Cell]) -> float:
    """Of the processor time, pair by pair, so that what else the machine did falls out."""
    return statistics.median(two.cpu_us / one.cpu_us for one, two in zip(few, many, strict=True))


def _fixed_rate(table: Table, calls: dict[str, Target], seconds: float) -> None:
    """The same arrivals for both, at half of what the slower one can do."""
    rows = ("direct, SDK server", "gateway (process) -> SDK server")
    rate = min(table[row, "c16"][-1].per_second for row in rows) / 2
    for row in rows:
        target = calls[row]
        steady = cell(target, target.call(), connections=_FIXED_RATE_CONNECTIONS, seconds=2 * seconds, rate=rate)
        table[row, "fixed"].append(steady)


def show(medians: dict[tuple[str, str], Cell]) -> None:
    print(f"{'':38}{'':7}{'CPU µs':>9}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for (row, column), one in sorted(medians.items(), key=lambda item: item[0][0]):
        print(f"{row:38}{column:7}{one.cpu_us:9.0f}{one.per_second:9.0f}{one.p50_ms:9.2f}{one.p99_ms:9.2f}")


def summary(medians: dict[tuple[str, str], Cell], stage: Stage, table: Table) -> dict[str, object]:
    direct, governed = medians["direct, SDK server", "c16"], medians["gateway (process) -> SDK server", "c16"]
    steady = medians["direct, SDK server", "fixed"], medians["gateway (process) -> SDK server", "fixed"]
    few = medians["gateway (process) -> bare server", "c16"]
    floor = medians["same server and client, no checks", "c16"]
    peers = {peer.name: medians.get((f"{peer.name} -> SDK server", "c16")) for peer in stage.peers}
    return {
        "cpu_us_full": round(few.cpu_us, 1),
        "cpu_us_full_host": round(medians["gateway (host) -> bare server", "c16"].cpu_us, 1),
        "cpu_us_floor": round(floor.cpu_us, 1),
        "cpu_us_direct": round(direct.cpu_us, 1),
        "throughput_ratio_c16": round(governed.per_second / direct.per_second, 3),
        "p50_added_ms_c16": round(steady[1].p50_ms - steady[0].p50_ms, 3),
        "list_10_cpu_us": round(medians["tools/list of 10", "c4"].cpu_us, 1),
        "list_1000_cpu_us": round(medians["tools/list of 1,000", "c4"].cpu_us, 1),
        "cpu_ratio_1000_tools": round(ratio_of_pairs(table[FEW, "pair"], table[MANY, "pair"]), 3),
        "peers": {name: round(governed.per_second / one.per_second, 1) for name, one in peers.items() if one},
    }


if __name__ == "__main__":
    main()
