"""`make bench-two`: two gateway processes on one data directory against one alone, each with the same load.

Two cores: the pair is on one core together, and so is the one that is alone; servers and load are on the other.
All calls come at a fixed rate, so that the pair does twice the work of the one. What counts is processor time
per call, turn about. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bench import machine, targets
from bench.measure import cell
from bench.targets import SERVED_CORE, Target, pinned
from tests.support.gateway import Installation
from tests.support.processes import free_port, listening, running

_CONNECTIONS = 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.two", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one measurement")
    parser.add_argument("--rate", type=float, default=400.0, help="calls per second to each process")
    options = parser.parse_args()
    begun = time.monotonic()
    with two_processes() as (first, second):
        found = [_round(first, second, number, options.seconds, options.rate) for number in range(options.rounds)]
    ratios = [pair / alone for alone, pair in found]
    print(f"took {time.monotonic() - begun:.0f} s")
    print(
        json.dumps(
            {
                "cpu_ratio_two": round(statistics.median(ratios), 3),
                "range": [round(min(ratios), 3), round(max(ratios), 3)],
                "cpu_us_alone": round(statistics.median(alone for alone, _ in found), 1),
                "cpu_us_of_two": round(statistics.median(pair for _, pair in found), 1),
                "rounds": len(found),
                "rate_per_process": options.rate,
                "calibration_us": round(machine.calibration_us()),
            }
        )
    )


@contextlib.contextmanager
def two_processes() -> Generator[tuple[Target, Target]]:
    """On one data directory, at a port and a public address each, both of which both know."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        bare = stack.enter_context(targets.upstream("bare"))
        first = targets.prepared(folder / "made", {"bare": (bare, 10)})
        second = replace(first, port=free_port())
        whole = json.loads(first.config.read_text(encoding="utf-8")) | {"public_urls": [first.origin, second.origin]}
        first.config.write_text(json.dumps(whole), encoding="utf-8")
        yield stack.enter_context(_process(first)), stack.enter_context(_process(second))


@contextlib.contextmanager
def _process(made: Installation) -> Generator[Target]:
    config = made.folder / f"gateway-{made.port}.yaml"
    whole = json.loads(made.config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(whole | {"listen": f"127.0.0.1:{made.port}"}), encoding="utf-8")
    command = [sys.executable, "-m", "mcp_gateway", "--config", str(config), "serve", "--quiet"]
    ready, seconds = listening(made.port), targets.READY_SECONDS
    with running(pinned(command, SERVED_CORE), ready=ready, seconds=seconds) as process:
        made.wait_for_tools("bare", count=10, seconds=seconds)
        yield targets.gateway_target(made, process, "bare")


def _round(first: Target, second: Target, number: int, seconds: float, rate: float) -> tuple[float, float]:
    """Of the one alone and of the two together; µs per call."""
    if number % 2:
        pair = _together([first, second], seconds, rate)
        return _together([second], seconds, rate), pair
    alone = _together([first], seconds, rate)
    return alone, _together([first, second], seconds, rate)


def _together(loaded: list[Target], seconds: float, rate: float) -> float:
    def one(target: Target) -> float:
        signed_in = target.signed_in()
        return cell(signed_in, signed_in.call(), connections=_CONNECTIONS, seconds=seconds, rate=rate).cpu_us

    with ThreadPoolExecutor(len(loaded)) as threads:
        return statistics.mean(threads.map(one, loaded))


if __name__ == "__main__":
    main()
