"""`python -m tests.fuzz`: random stores until the counts are reached; the last line is one JSON object.

A mismatch is printed with the seed of its world; `--seed` with the printed seed repeats a whole run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

from mcp_gateway.authorization.engine.model import load_model
from mcp_gateway.authorization.language.printing import to_dsl
from tests.fuzz.compare import Tally, compare, compare_gateway
from tests.fuzz.values import values_world
from tests.fuzz.worlds import Size, gateway_world, small_world
from tests.support.openfga_evaluator import BINARY, MISSING

POLICIES = Path(__file__).parents[2] / "policies"
_KINDS = ("gateway", "small", "gateway", "small", "lacking") * 4 + ("values",)
_SHOWN = 20


def gateway_text() -> str:
    """The shipped model as one text."""
    return to_dsl(load_model(POLICIES).document)


def main() -> int:
    asked = _arguments()
    if not BINARY.exists():
        print(MISSING, file=sys.stderr)
        return 2
    text, tally, started, worlds = gateway_text(), Tally(), time.monotonic(), 0
    print(f"seed {asked.seed}", flush=True)
    while not _enough(tally, asked) and time.monotonic() - started < asked.seconds:
        found = _one(_KINDS[worlds % len(_KINDS)], f"{asked.seed}-{worlds}", text)
        worlds += 1
        for line in found.mismatches[: max(0, _SHOWN - len(tally.mismatches))]:
            print(line, flush=True)
        tally.add(found)
        if worlds % 50 == 0:
            print(f"{worlds} worlds, {tally.checks} checks, {tally.list_objects} lists", flush=True)
    whole = _enough(tally, asked)
    report = {**asdict(tally), "mismatches": len(tally.mismatches), "worlds": worlds, "seed": asked.seed}
    print(json.dumps({**report, "whole": whole, "seconds": round(time.monotonic() - started)}))
    return 0 if whole and not tally.mismatches else 1


def _one(kind: str, seed: str, text: str) -> Tally:
    if kind == "gateway":
        return compare_gateway(gateway_world(text, seed, Size()))
    if kind == "values":
        return compare(values_world(seed))
    return compare(small_world(seed, Size(), lacking=0.15 if kind == "lacking" else 0.0))


def _enough(tally: Tally, asked: argparse.Namespace) -> bool:
    return tally.checks >= asked.checks and tally.list_objects >= asked.lists


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--checks", type=int, default=50_000, help="at least so many checks")
    parser.add_argument("--lists", type=int, default=10_000, help="at least so many lists of objects")
    parser.add_argument("--seconds", type=int, default=1500, help="and no longer than this")
    parser.add_argument("--seed", default=str(random.randrange(10**9)), help="repeats a run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
