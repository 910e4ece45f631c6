"""`make bench-memory`: what a gateway holds idle, and how much more each hour under load.

The slope is a line through the resident size after a warm-up, least squares; half an hour and more tell something
about it. A token is fetched anew now and then, as clients do. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import targets
from bench.measure import cell
from bench.targets import Target

_CONNECTIONS = 16
_TURN_SECONDS = 5.0
_TOKEN_SECONDS = 200.0
"""A token lives for 300; clients fetch the next a little before."""
_WARM_SECONDS = 660.0
"""Caches are full and everything that is done every ten minutes was done once. At most half of a run."""
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        bare = stack.enter_context(targets.upstream("bare"))
        target = stack.enter_context(
            targets.gateway(folder / "made", {"bare": (bare, 10)}, overload=targets.ADMITS_ALL)
        )["bare"]
        idle = resident_mb(target.pid)
        seen, calls = under_load(target, 60 * options.minutes)
    last = seen[-1][1]
    print(
        json.dumps(
            {
                "idle_mb": round(idle, 1),
                "slope_mb_per_hour": round(slope_per_hour(seen), 2),
                "last_mb": round(last, 1),
                "minutes": options.minutes,
                "samples": len(seen),
                "calls": calls,
            }
        )
    )


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 2**20


def under_load(target: Target, seconds: float) -> tuple[Sequence[tuple[float, float]], int]:
    """(seconds since the begin, MB) after the warm-up, and about how many calls there were in all."""
    seen: list[tuple[float, float]] = []
    begun, calls, warm = time.monotonic(), 0, min(_WARM_SECONDS, seconds / 2)
    signed_in, signed_in_at = target.signed_in(), begun
    while (passed := time.monotonic() - begun) < seconds:
        if time.monotonic() - signed_in_at > _TOKEN_SECONDS:
            signed_in, signed_in_at = target.signed_in(), time.monotonic()
        measured = cell(signed_in, signed_in.call(), connections=_CONNECTIONS, seconds=_TURN_SECONDS)
        calls += round(measured.per_second * _TURN_SECONDS)
        if passed >= warm or not seen:
            seen.append((passed, resident_mb(target.pid)))
    # The first is of before the warm-up; it only stands in when there is no other.
    return (seen[1:] if len(seen) > 2 else seen), calls


def slope_per_hour(seen: Sequence[tuple[float, float]]) -> float:
    """Of the least-squares line, in what the second of each pair is in."""
    if len(seen) < 2:
        return 0.0
    middle_x = sum(x for x, _ in seen) / len(seen)
    middle_y = sum(y for _, y in seen) / len(seen)
    above = sum((x - middle_x) * (y - middle_y) for x, y in seen)
    return 3600 * above / sum((x - middle_x) ** 2 for x, _ in seen)


if __name__ == "__main__":
    main()
