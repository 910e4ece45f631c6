"""One cell: run the load against a target, read the processor time its process used meanwhile."""

from __future__ import annotations

import atexit
import functools
import json
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from bench.load import Plan, Seen
from bench.targets import Target, pinned
from tests.support.processes import ROOT

_LOAD_SECONDS = 90
ENOUGH = 10
SLOW_TIMES = 4
_TOLERATED_FAILURES = 0.01


class Unusable(Exception):
    """A target that answers errors measures nothing; the message is its first answer."""


@dataclass(frozen=True, slots=True)
class Cell:
    cpu_us: float
    """Processor time of the target's process per request."""
    per_second: float
    p50_ms: float
    p99_ms: float


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, by the kernel's own clock of it."""
    # What clock_getcpuclockid(3) answers: the process's scheduler clock, to the nanosecond.
    return time.clock_gettime((~pid << 3) | 2)


def cell(
    target: Target,
    request: tuple[dict[str, str], str],
    *,
    connections: int,
    seconds: float = 1.5,
    rate: float | None = None,
    warm_seconds: float = 0.3,
    tokens: Sequence[str] = (),
) -> Cell:
    plan = Plan(target.port, target.path, request[0], request[1], connections, seconds, warm_seconds, rate, [*tokens])
    measured = _cell(target, plan)
    if measured is None:
        # A slow proxy answers nobody within a short measurement.
        measured = _cell(target, replace(plan, seconds=SLOW_TIMES * seconds))
    if measured is None:
        raise Unusable(f"{target.name} answered too few requests to measure")
    return measured


def _cell(target: Target, plan: Plan) -> Cell | None:
    """None when too few were answered in time."""
    before = cpu_seconds(target.pid)
    seen = _load(plan, target.load_core)
    used = cpu_seconds(target.pid) - before
    if seen.failed > seen.requests * _TOLERATED_FAILURES:
        raise Unusable(f"{target.name}: {seen.failed} of {seen.requests} requests failed: {seen.first_failure}")
    if seen.measured < ENOUGH:
        return None
    return Cell(1e6 * used / seen.requests, seen.per_second, seen.p50_ms, seen.p99_ms)


def _load(plan: Plan, core: int) -> Seen:
    generator = _generator(core)
    assert generator.stdin is not None and generator.stdout is not None
    generator.stdin.write(json.dumps(asdict(plan)) + "\n")
    generator.stdin.flush()
    if not select.select([generator.stdout], [], [], _LOAD_SECONDS)[0] or not (answer := generator.stdout.readline()):
        generator.kill()
        _generator.cache_clear()
        raise Unusable(f"the load generator gave no answer: {generator.communicate()[1][-500:]}")
    return Seen(**json.loads(answer))


@functools.cache
def _generator(core: int) -> subprocess.Popen[str]:
    """One for each core, kept: a start takes as long as half a measurement."""
    pipe = subprocess.PIPE
    command = pinned([sys.executable, "-m", "bench.load"], core)
    started = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)
    atexit.register(started.kill)
    return started


def median(cells: Sequence[Cell]) -> Cell:
    """Field by field."""

    def of(values: Iterable[float]) -> float:
        return statistics.median(values)

    return Cell(
        cpu_us=of(one.cpu_us for one in cells),
        per_second=of(one.per_second for one in cells),
        p50_ms=of(one.p50_ms for one in cells),
        p99_ms=of(one.p99_ms for one in cells),
    )
