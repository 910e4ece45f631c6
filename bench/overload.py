"""`python -m bench.overload`: ten times what the gateway can do, between two times of half of it.

The crowd sends nearly all of it, at the lowest priority there is, so that it takes no time from the upstream it
shares a core with. What the calls of those in it wait for is seen by a second program: it sends a few requests a
second for each of them, at the usual priority, and has time to look. One noisy sender makes most of the storm, some are
loud, others, whom only the second program speaks for, send a little all the time.

The storm's first second stands apart: until it shows that there is too much, everything is let in. Latency counts
from when a request is sent. Of a phase, the p99 is the median of those of its seconds: where the processors are shared
with other machines, some second of each phase stands still. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench import targets
from bench.measure import Cell, cell
from bench.storm import Sender
from bench.targets import USER, Target, pinned
from tests.support.processes import ROOT

NOISY, LOUD, MODEST = "noisy", "loud", "modest"
NAMES = (NOISY, *[LOUD] * 4, *[MODEST] * 10)
_STORM_SHARE = {NOISY: 0.8, LOUD: 0.05, MODEST: 0.0}
"""Of the crowd, each one's part."""
_CALM_SHARE = {NOISY: 0.5, LOUD: 0.125, MODEST: 0.0}
_PROBES = {NOISY: 100.0, LOUD: 25.0, MODEST: 10.0}
"""Requests per second of each, sent by the program that looks."""
_CONNECTIONS = {NOISY: 200, LOUD: 50, MODEST: 0}
_PROBE_CONNECTIONS = {NOISY: 64, LOUD: 16, MODEST: 4}
_CALM = 0.5
_ONSET_SECONDS = 1.0
_RUNNING_SECONDS = 120

Phase: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Storm:
    """Phase by phase, each with a place for each of NAMES."""

    crowd: list[Phase]
    probes: list[Phase]
    cpu_seconds: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--times", type=float, default=10.0, help="of the capacity")
    parser.add_argument("--patience", type=float, default=None, help="overload.patience; 0 = without shedding")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each phase")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        bare = stack.enter_context(targets.upstream("bare"))
        overload: dict[str, Any] = {} if options.patience is None else {"overload": {"patience": options.patience}}
        made = stack.enter_context(targets.gateway(folder / "made", {"bare": (bare, 10)}, **overload))
        found = measured(made["bare"], times=options.times, seconds=options.seconds)
    for name, value in found.items():
        print(f"{name:28} {value}")
    print(json.dumps(found))


def measured(target: Target, *, times: float, seconds: float) -> dict[str, Any]:
    signed = target.signed_in()
    cell(signed, signed.call(), connections=16, seconds=min(seconds, 2.0))
    most = cell(signed, signed.call(), connections=16, seconds=min(seconds, 3.0))
    phases = [seconds, _ONSET_SECONDS, seconds, seconds]
    crowd, probes = _senders(target, most.per_second, times)
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-") as folder:
        answers = [Path(folder, name) for name in ("crowd", "probes")]
        with (
            _sending(target, crowd, phases, answers[0], nice=19) as many,
            _sending(target, probes, phases, answers[1], nice=0) as few,
        ):
            for one in (many, few):
                _say(one, "go")
            for one in (many, few):
                one.wait(timeout=_RUNNING_SECONDS)
        seen, looked = (json.loads(answer.read_bytes()) for answer in answers)
    return _summary(Storm(seen["phases"], looked["phases"], seen["cpu_seconds"]), most, seconds)


@contextlib.contextmanager
def _sending(
    target: Target, senders: Sequence[Sender], phases: Sequence[float], answer: Path, *, nice: int
) -> Generator[subprocess.Popen[str]]:
    """A program that is connected and waits for the word to begin."""
    plan: dict[str, Any] = {"port": target.port, "pid": target.pid, "phases": phases, "answer": str(answer)}
    plan["senders"] = [asdict(one) for one in senders]
    command = pinned(["nice", "-n", str(nice), sys.executable, "-m", "bench.storm"], target.load_core)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as started:
        try:
            _say(started, json.dumps(plan))
            assert started.stdout is not None
            if started.stdout.readline() != "ready\n":
                raise RuntimeError("the storm could not connect")
            yield started
        finally:
            started.kill()


def _say(program: subprocess.Popen[str], line: str) -> None:
    assert program.stdin is not None
    program.stdin.write(line + "\n")
    program.stdin.flush()


def _senders(target: Target, capacity: float, times: float) -> tuple[list[Sender], list[Sender]]:
    """What the crowd sends and what is looked at, for the same principals."""
    crowd: list[Sender] = []
    probes: list[Sender] = []
    looked = sum(_PROBES[name] for name in NAMES)
    calm, storm = _CALM * capacity - looked, times * capacity - looked
    for number, name in enumerate(NAMES):
        head, body = _request(target, number)
        quiet, most = _CALM_SHARE[name] * calm, _STORM_SHARE[name] * storm
        crowd.append(Sender(head, body, _CONNECTIONS[name], [quiet, most, most, quiet]))
        probes.append(Sender(head, body, _PROBE_CONNECTIONS[name], [_PROBES[name]] * 4))
    return crowd, probes


def _request(target: Target, number: int) -> tuple[str, str]:
    """Head and body of a principal of its own: one agent each."""
    assert target.gateway is not None
    agent = f"bench-{number}"
    target.gateway.let_agent_act(agent, USER, server=target.server)
    token = target.gateway.token(user=USER, agent=agent, server=target.server)
    headers, body = target.call()
    lines = [f"POST {target.path} HTTP/1.1", f"host: 127.0.0.1:{target.port}", f"authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name != "authorization"]
    return "\r\n".join(lines) + "\r\n", body


def _summary(storm: Storm, most: Cell, seconds: float) -> dict[str, Any]:
    both = [[*crowd, *probes] for crowd, probes in zip(storm.crowd, storm.probes, strict=True)]
    served, refused = _count(both[2], "served"), _count(both[2], "refused")
    noisy = [storm.crowd[2][0], storm.probes[2][0]]
    modest = _of(storm.probes[2], MODEST)
    p50, p99 = ([_typical(phase, share) for phase in storm.probes] for share in (0.5, 0.99))
    return {
        "capacity_per_second": round(most.per_second),
        "offered_times": round(sum(one["offered"] for one in both[2]) / seconds / most.per_second, 1),
        "sent_times": round((served + refused) / seconds / most.per_second, 1),
        "served_share_of_capacity": round(served / seconds / most.per_second, 2),
        "refused_share_of_sent": round(refused / max(served + refused, 1), 3),
        "codes": sorted({code for one in both[2] for code in one["codes"]}),
        "p50_ms": [round(one, 2) for one in p50],
        "p99_ms": [round(one, 2) for one in p99],
        "p99_ratio": round(p99[2] / p99[0], 2) if p99[0] else None,
        "p99_ms_whole": [round(_quantile(_served(phase), 0.99), 2) for phase in storm.probes],
        "p99_ms_modest": [round(_typical(_of(phase, MODEST), 0.99), 2) for phase in storm.probes],
        "looked_at": [_count(phase, "served") for phase in storm.probes],
        "modest_refused_share": round(_count(modest, "refused") / max(sum(one["offered"] for one in modest), 1), 4),
        "noisy_refused_share": round(_count(noisy, "refused") / max(_count(noisy, "refused", "served"), 1), 3),
        "refusal_p50_ms": round(_quantile([ms for one in both[2] for ms in one["refused"]], 0.5), 1),
        "cpu_us_per_call": round(most.cpu_us, 1),
        "cpu_us_per_refusal": round((1e6 * storm.cpu_seconds[2] - served * most.cpu_us) / max(refused, 1), 1),
        "recovered_after_seconds": round(max(one["last_refusal"] for one in both[3]), 2),
        "refused_calm": _count(both[0], "refused"),
        "refused_storm": refused,
        "refused_after": _count(both[3], "refused"),
    }


def _of(phase: Phase, which: str) -> Phase:
    return [one for one, name in zip(phase, NAMES, strict=True) if name == which]


def _count(phase: Phase, *names: str) -> int:
    return sum(len(one[name]) for one in phase for name in names)


def _typical(phase: Phase, share: float) -> float:
    """The quantile of everybody's together, second by second, and of those the median."""
    seconds: dict[int, list[float]] = defaultdict(list)
    for one in phase:
        for second, latency in one["served"]:
            seconds[second].append(latency)
    found = [_quantile(latencies, share) for latencies in seconds.values()]
    return statistics.median(found) if found else 0.0


def _served(phase: Phase) -> list[float]:
    return [latency for one in phase for _, latency in one["served"]]


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


if __name__ == "__main__":
    main()
