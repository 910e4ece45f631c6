"""`make bench-gate`: a governed call has not become dearer, by a ratio that a slow or busy machine does not change.

Processor time of a governed call over that of the floor (the same server and client with nothing in between),
in many short alternations; of each the quarter that was least disturbed, against the bound in gate.json, which
says when and how it was measured. Beyond the bound it measures once more before it fails. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine, targets
from bench.measure import cell
from bench.targets import Target

BOUND = Path(__file__).with_name("gate.json")
_CONNECTIONS = 16
_SECONDS = 0.35
_WARM_SECONDS = 0.15
_PAIRS = 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    parser.add_argument("--pairs", type=int, default=_PAIRS)
    options = parser.parse_args()
    bound = float(json.loads(BOUND.read_text(encoding="utf-8"))["bound"])
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        floor, full = _started(stack)
        pairs = measured(floor, full, options.pairs)
        if ratio(pairs) > bound:
            print("beyond the bound; measuring once more", file=sys.stderr, flush=True)
            pairs += measured(floor, full, options.pairs)
    said = summary(pairs, bound)
    print(f"took {time.monotonic() - begun:.0f} s")
    print(json.dumps(said))
    if not said["within"]:
        raise SystemExit(
            f"A governed call costs {said['cpu_ratio_floor']} times the floor, more than the {bound} of bench/gate.json: "
            "find what made it dearer (make bench), or raise the bound there and say why."
        )


def _started(stack: contextlib.ExitStack) -> tuple[Target, Target]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
    bare = stack.enter_context(targets.upstream("bare"))
    made = stack.enter_context(targets.gateway(folder / "made", {"bare": (bare, 10)}, overload=targets.ADMITS_ALL))
    return stack.enter_context(targets.floor(bare)), made["bare"].signed_in()


@dataclass(frozen=True, slots=True)
class Pair:
    floor: float
    full: float


def measured(floor: Target, full: Target, pairs: int) -> list[Pair]:
    """Turn about; the first pair warms up."""
    return [_pair(floor, full, floor_first=number % 2 == 0) for number in range(pairs + 1)][1:]


def _pair(floor: Target, full: Target, *, floor_first: bool) -> Pair:
    if floor_first:
        return Pair(_cpu(floor), _cpu(full))
    dear = _cpu(full)
    return Pair(_cpu(floor), dear)


def ratio(pairs: Sequence[Pair]) -> float:
    """Of the quarter of each that was least disturbed: what else a machine does makes both dearer, never cheaper."""
    return _low([pair.full for pair in pairs]) / _low([pair.floor for pair in pairs])


def _low(values: Sequence[float]) -> float:
    return statistics.mean(sorted(values)[: max(1, len(values) // 4)])


def _cpu(target: Target) -> float:
    return cell(target, target.call(), connections=_CONNECTIONS, seconds=_SECONDS, warm_seconds=_WARM_SECONDS).cpu_us


def summary(pairs: Sequence[Pair], bound: float) -> dict[str, Any]:
    each = [pair.full / pair.floor for pair in pairs]
    found = ratio(pairs)
    return {
        "cpu_ratio_floor": round(found, 3),
        "median_of_pairs": round(statistics.median(each), 3),
        "range": [round(min(each), 3), round(max(each), 3)],
        "bound": bound,
        "within": found <= bound,
        "pairs": len(pairs),
        "calibration_us": round(machine.calibration_us()),
    }


if __name__ == "__main__":
    main()
