"""`make bench-flat`: what a call costs with 10 and with 10,000 tools, with 1 and with 10,000 principals, and a list.

Processor time per call, turn about, ratios pair by pair. The principals call in turn, each with a token and a grant
of its own. The list is of 1,000 tools: again, and the first after a change that makes everything be decided anew.
Also what the process holds. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from bench import crowd, machine, targets
from bench.load import ID_PLACE
from bench.measure import Cell, cell, cpu_seconds
from bench.memory import resident_mb
from bench.report import ratio
from bench.targets import Target

Pairs: TypeAlias = list[tuple[Cell, Cell]]

_CONNECTIONS = 16
_LISTS = 5
_FIRST_RATE = 1_000.0
_COLD = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flat", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--tools", type=int, default=10_000)
    parser.add_argument("--principals", type=int, default=10_000)
    options = parser.parse_args()
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        start = stack.enter_context
        bare, thousand = start(targets.upstream("bare")), start(targets.upstream("bare", tools=1_000))
        few = start(targets.gateway(folder / "few", {"bare": (bare, 10)}, overload=targets.ADMITS_ALL))["bare"]
        # As servers are: a thousand tools each, and the one that is called.
        wide = {f"many{number}": (thousand, 1_000) for number in range(options.tools // 1_000)}
        idle = resident_mb(few.pid)
        large = start(targets.gateway(folder / "large", {"bare": (bare, 10), **wide}, overload=targets.ADMITS_ALL))
        pairs = _pairs(few, large["bare"], options.rounds, options.seconds)
        lists = _lists(large["many0"])
        crowded = start(
            targets.gateway(
                folder / "crowded",
                {"bare": (bare, 10)},
                prepare=partial(crowd.enlarge, count=options.principals),
                overload=targets.ADMITS_ALL,
            )
        )["bare"]
        first_us, turns = _turns(few, crowded, options)
        grown = resident_mb(large["bare"].pid)
    print(f"took {time.monotonic() - begun:.0f} s")
    said: dict[str, Any] = {
        **_said(f"cpu_ratio_{options.tools}_tools", pairs),
        **_said(f"cpu_ratio_{options.principals}_principals", turns),
        "first_call_of_a_principal_us": round(first_us, 1),
        **lists,
        "idle_mb": round(idle, 1),
        f"idle_mb_{options.tools}_tools": round(grown, 1),
        "rounds": len(pairs),
        "calibration_us": round(machine.calibration_us()),
    }
    print(json.dumps(said))


def _said(name: str, pairs: Pairs) -> dict[str, Any]:
    each = [many.cpu_us / one.cpu_us for one, many in pairs]
    found = ratio([many for _, many in pairs], [one for one, _ in pairs])
    return {name: round(found, 3), f"{name}_range": [round(min(each), 3), round(max(each), 3)]}


def _turns(alone: Target, crowded: Target, options: argparse.Namespace) -> tuple[float, Pairs]:
    """What the first call of a principal costs; then pairs: one principal calls, and thousands do in turn."""
    assert crowded.gateway is not None
    me, count = alone.signed_in(), int(options.principals)
    theirs = crowd.tokens(crowded.gateway, crowded.server, count)
    first = cell(
        crowded, crowded.call(), connections=_CONNECTIONS, rate=_FIRST_RATE, seconds=count / _FIRST_RATE, tokens=theirs
    )
    found: Pairs = []
    for number in range(options.rounds):
        # A measurement is over before all had their turn: the next begins with others.
        begin = number * count // options.rounds
        cells = [
            partial(cell, me, me.call()),
            partial(cell, crowded, crowded.call(), tokens=theirs[begin:] + theirs[:begin]),
        ]
        order = [0, 1] if number % 2 == 0 else [1, 0]
        measured = {one: cells[one](connections=_CONNECTIONS, seconds=options.seconds) for one in order}
        found.append((measured[0], measured[1]))
    return first.cpu_us, found


def _pairs(few: Target, many: Target, rounds: int, seconds: float) -> Pairs:
    found: Pairs = []
    for number in range(rounds):
        two = [few.signed_in(), many.signed_in()]
        order = [0, 1] if number % 2 == 0 else [1, 0]
        cells = {one: cell(two[one], two[one].call(), connections=_CONNECTIONS, seconds=seconds) for one in order}
        found.append((cells[0], cells[1]))
    return found


def _lists(target: Target) -> dict[str, float]:
    """Milliseconds of processor time of one list of 1,000 tools: again, and the first after a change."""
    signed_in = target.signed_in()
    _listed(signed_in)
    warm = [_listed(signed_in) for _ in range(_LISTS)]
    cold = [_after_a_change(signed_in, number) for number in range(_COLD)]
    return {
        "list_1000_warm_ms": round(statistics.median(warm), 2),
        "list_1000_cold_ms": round(statistics.median(cold), 2),
    }


def _after_a_change(target: Target, number: int) -> float:
    assert target.gateway is not None
    # A change that touches nobody here still moves the revision: everything is decided anew.
    target.gateway.cli("access", "add", f"user:other{number}", "caller", f"server:{target.server}")
    return _listed(target)


def _listed(target: Target) -> float:
    """Processor time of the whole process from before the request until its answer is read; smallest things included."""
    headers, body = target.listing()
    request = urllib.request.Request(
        f"http://127.0.0.1:{target.port}{target.path}", body.replace(ID_PLACE, "1").encode(), headers
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    before = cpu_seconds(target.pid)
    with opener.open(request, timeout=30) as response:
        assert b'"result"' in response.read()
    return 1e3 * (cpu_seconds(target.pid) - before)


if __name__ == "__main__":
    main()
