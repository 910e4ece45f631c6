"""`python -m bench.readme`: the README's table, from the newest file that `make bench` left."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench import report
from bench import stage as rows
from bench.peers import PEERS
from docs.generate import README, replaced

_OURS: Sequence[tuple[str, str]] = (
    (rows.DIRECT_SDK, "the MCP SDK's server, no gateway"),
    (rows.FULL_SDK, "**gateway before it**: token, user AND agent AND tool, audit"),
    (rows.DIRECT_BARE, "a server that does nothing, no gateway"),
    (rows.FULL, "gateway before it, audit to the process"),
    (rows.HOST, "gateway before it, audit to the disk"),
    (rows.FULL_EVENTS, "gateway before it, answers as event streams"),
    (rows.LEGACY, "gateway before a legacy server"),
    (rows.OPEN, "gateway without authorization"),
    (rows.FLOOR, "the same HTTP server and client, no checks at all"),
)


def main() -> None:
    argparse.ArgumentParser(prog="python -m bench.readme", description=__doc__).parse_args()
    found = sorted(report.FOLDER.glob("bench-*.json"))
    if not found:
        raise SystemExit("nothing was measured yet; run: make bench")
    whole = json.loads(found[-1].read_text(encoding="utf-8"))
    README.write_text(replaced(README.read_text(encoding="utf-8"), "bench", block(whole)), encoding="utf-8")
    print(f"{README.name} has the table of {found[-1].name}")
    print(json.dumps(whole["summary"]))


def block(whole: Mapping[str, Any]) -> str:
    """Markdown of one run."""
    said, machine = whole["summary"], whole["summary"]["machine"]
    table = {(one["row"], one["column"]): one["cells"] for one in whole["rounds"]}
    lines = [_line(name, table[row, "c16"]) for row, name in _OURS]
    for peer in PEERS:
        if (cells := table.get((rows.row_of(peer), "c16"))) is not None:
            name = f"{peer.name} {said['peer_versions'][peer.name]}: {peer.form}"
            lines.append(_line(name, cells, said["peers"][peer.name]))
    return "\n".join(
        [
            f"One run of `make bench` on {machine['cores']} virtual cores ({machine['cpu']}), Python {machine['python']}, "
            f"uvicorn {machine['uvicorn']}, mcp {machine['mcp']}: medians of {said['rounds']} rounds and their range.",
            "",
            "| `tools/call`, 16 connections | CPU µs per request | requests/s | gateway's requests over its |",
            "|---|---|---|---|",
            *lines,
            "",
            f"At a fixed rate of {said['rate_per_second']} calls/s the gateway adds {said['p50_added_ms_rate']:.1f} ms to "
            f"the median and {said['p99_added_ms_rate']:.1f} ms to p99. A list of 1,000 visible tools costs "
            f"{said['list_1000_cpu_us'] / 1000:.1f} ms of CPU. With 1,010 tools registered a call costs "
            f"{said['cpu_ratio_1000_tools']:.2f} times what it does with 50, and with authorization "
            f"{said['cpu_ratio_authorization']:.2f} times what it does without.",
        ]
    )


def _line(name: str, cells: Sequence[Mapping[str, float]], times: float | None = None) -> str:
    cpu, rate = ([one[field] for one in cells] for field in ("cpu_us", "per_second"))
    return f"| {name} | {_spread(cpu)} | {_spread(rate)} | {'' if times is None else f'{times:g}×'} |"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


if __name__ == "__main__":
    main()
