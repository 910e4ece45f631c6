"""`python -m bench`: calls direct, governed and through other proxies, side by side in one run.

Two cores: gateways and peers on one; the servers and the load on the other. Called directly, a server
has its core for itself. Every number is the median of interleaved rounds, ratios are taken round by
round. The last line is one JSON object; every round is kept in a file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from bench import machine, report
from bench.measure import ENOUGH, SLOW_TIMES, Cell, Unusable, cell
from bench.report import FEW, LIST_FEW, LIST_MANY, MANY, STEADY
from bench.stage import DIRECT_BARE, DIRECT_SDK, FULL, FULL_SDK, Stage
from bench.targets import Target

_CONNECTIONS = 16
_OTHER_CONNECTIONS = {"c1": 1, "c64": 64}
_STEADY_CONNECTIONS = 32
_TURNS = 2
_MOST_ROUNDS = 100


class Rounds:
    """Cell after cell into the table; a row that cannot be measured is left out loudly, unless it is ours."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self._stage = stage
        self._seconds = seconds
        self.table: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
        self.calibration: list[float] = []
        self._unusable: set[str] = set()

    def one_more(self, number: int) -> None:
        self.calibration.append(machine.calibration_us())
        calls = self._stage.calls()
        # Turn about, so that nothing is always measured behind the same neighbour.
        for row in sorted(calls, reverse=number % 2 == 1):
            self._add(row, f"c{_CONNECTIONS}", calls[row], calls[row].call(), _CONNECTIONS)
        for column, connections in _OTHER_CONNECTIONS.items():
            for row in (DIRECT_SDK, DIRECT_BARE, FULL_SDK, FULL):
                self._add(row, column, calls[row], calls[row].call(), connections)
        self._steady(calls)
        self._sizes()

    def _steady(self, calls: dict[str, Target]) -> None:
        """The same arrivals for both, at half of what the slower one can do."""
        pair = (DIRECT_SDK, FULL_SDK)
        rate = min(self.table[row, f"c{_CONNECTIONS}"][-1].per_second for row in pair) / 2
        for row in pair:
            self._add(row, STEADY, calls[row], calls[row].call(), _STEADY_CONNECTIONS, rate)

    def _sizes(self) -> None:
        """Few and many tools registered, and listed."""
        stage = self._stage
        for row, target in ((LIST_FEW, stage.list_few.signed_in()), (LIST_MANY, stage.list_many.signed_in())):
            self._add(row, "c4", target, target.listing(), 4)
        rows = {FEW: stage.few.signed_in(), MANY: stage.many.signed_in()}
        for turn in range(_TURNS):
            for row in sorted(rows, reverse=turn % 2 == 1):
                self._add(row, "pair", rows[row], rows[row].call(), _CONNECTIONS)

    def _add(
        self,
        row: str,
        column: str,
        target: Target,
        request: tuple[dict[str, str], str],
        connections: int,
        rate: float | None = None,
    ) -> None:
        if row in self._unusable:
            return
        try:
            seconds = self._seconds_for(self.table.get((row, column), ()))
            measured = cell(target, request, connections=connections, seconds=seconds, rate=rate)
        except Unusable as exc:
            if row not in self._stage.peers and column not in _OTHER_CONNECTIONS:
                raise
            print(f"SKIPPED {row} {column}: {exc}", file=sys.stderr, flush=True)
            if row in self._stage.peers:
                self._unusable.add(row)
                self.table.pop((row, column), None)
            # Of ours one round is missing: on a busy machine 64 at once may be more than it admits.
            return
        self.table[row, column].append(measured)

    def _seconds_for(self, before: Sequence[Cell]) -> float:
        """Longer for whoever could not answer enough in the usual time."""
        slow = before and before[-1].per_second * self._seconds < 2 * ENOUGH
        return SLOW_TIMES * self._seconds if slow else self._seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8, help="of one measurement")
    parser.add_argument("--minutes", type=float, default=5.0, help="no round is begun that would end after them")
    parser.add_argument("--server", choices=["granian", "uvicorn"], default="uvicorn")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        stage = Stage(stack, options.server, peers=not options.no_peers)
        rounds = Rounds(stage, options.seconds)
        _run(rounds, options.rounds, begun + 60 * options.minutes)
    said = report.summary(rounds.table, machine.described(), rounds.calibration)
    report.show(rounds.table)
    report.told([peer for peer, _ in stage.peers.values()])
    print(f"every round: {report.kept(rounds.table, said, rounds.calibration)}")
    print(f"took {time.monotonic() - begun:.0f} s")
    print(json.dumps(said))


def _run(rounds: Rounds, count: int, deadline: float) -> None:
    longest = 0.0
    for number in range(min(count, _MOST_ROUNDS)):
        begun = time.monotonic()
        if number and begun + longest > deadline:
            print(f"SKIPPED round {number + 1}: it would end too late", file=sys.stderr, flush=True)
            return
        print(f"round {number + 1} of {count}", file=sys.stderr, flush=True)
        rounds.one_more(number)
        longest = max(longest, time.monotonic() - begun)


if __name__ == "__main__":
    main()
