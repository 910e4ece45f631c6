"""`python -m bench.overload`: ten times what the gateway can do, between two times of half of it.

The storm's first second stands apart: until it shows that there is too much, everything is let in.

One noisy sender makes most of the storm, some are loud, others send a little all the time. Latency counts from
when a request is sent. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from bench import targets
from bench.measure import Cell, cell
from bench.storm import Sender
from bench.targets import USER, Target, pinned
from tests.support.processes import ROOT

NOISY, LOUD, MODEST = "noisy", "loud", "modest"
_LOUD_SENDERS = 4
_MODEST_SENDERS = 10
_MODEST_RATE = 10.0
_CALM_SHARE = 0.5
_ONSET_SECONDS = 1.0
_CONNECTIONS = {NOISY: 200, LOUD: 50, MODEST: 4}
_RUNNING_SECONDS = 120

Phase: TypeAlias = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--times", type=float, default=10.0, help="of the capacity")
    parser.add_argument("--patience", type=float, default=None, help="overload.patience; 0 = without shedding")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each phase")
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
    senders, names = _senders(target, most.per_second, times)
    plan = {
        "port": target.port,
        "pid": target.pid,
        "senders": [asdict(one) for one in senders],
        "phases": [seconds, _ONSET_SECONDS, seconds, seconds],
    }
    done = subprocess.run(
        pinned([sys.executable, "-m", "bench.storm"], target.load_core),
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=_RUNNING_SECONDS,
        check=True,
    )
    return _summary(json.loads(done.stdout), names, most, seconds)


def _senders(target: Target, capacity: float, times: float) -> tuple[list[Sender], list[str]]:
    names = [NOISY, *[LOUD] * _LOUD_SENDERS, *[MODEST] * _MODEST_SENDERS]
    little = _MODEST_SENDERS * _MODEST_RATE
    calm, storm = _CALM_SHARE * capacity - little, times * capacity - little
    share = {NOISY: (0.5, 0.8), LOUD: (0.5 / _LOUD_SENDERS, 0.2 / _LOUD_SENDERS)}
    found: list[Sender] = []
    for number, name in enumerate(names):
        rates = [_MODEST_RATE] * 4
        if name in share:
            part = share[name]
            rates = [part[0] * calm, part[1] * storm, part[1] * storm, part[0] * calm]
        found.append(_sender(target, number, _CONNECTIONS[name], rates))
    return found, names


def _sender(target: Target, number: int, connections: int, rates: Sequence[float]) -> Sender:
    """A principal of its own: one agent each."""
    assert target.gateway is not None
    agent = f"bench-{number}"
    target.gateway.let_agent_act(agent, USER, server=target.server)
    token = target.gateway.token(user=USER, agent=agent, server=target.server)
    headers, body = target.call()
    lines = [f"POST {target.path} HTTP/1.1", f"host: 127.0.0.1:{target.port}", f"authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name != "authorization"]
    return Sender("\r\n".join(lines) + "\r\n", body, connections, rates)


def _summary(seen: dict[str, Any], names: Sequence[str], most: Cell, seconds: float) -> dict[str, Any]:
    phases: list[Phase] = seen["phases"]
    calm, _, storm, after = phases
    served, refused = _sum(storm, "served"), _sum(storm, "refused")
    spent = seen["cpu_seconds"][2]
    p99 = [_worst(phase, names, LOUD) for phase in phases]
    modest = [one for one, name in zip(storm, names, strict=True) if name == MODEST]
    codes = sorted({code for one in storm for code in one["codes"]})
    return {
        "capacity_per_second": round(most.per_second),
        "offered_times": round(_sum(storm, "offered") / seconds / most.per_second, 1),
        "sent_times": round((served + refused) / seconds / most.per_second, 1),
        "served_share_of_capacity": round(served / seconds / most.per_second, 2),
        "refused_share_of_sent": round(refused / (served + refused), 3),
        "codes": codes,
        "p99_ms_calm": round(p99[0], 2),
        "p99_ms_onset": round(p99[1], 2),
        "p99_ms_storm": round(p99[2], 2),
        "p99_ms_after": round(p99[3], 2),
        "p99_ratio": round(p99[2] / p99[0], 2),
        "p99_ms_modest_calm": round(_worst(calm, names, MODEST), 2),
        "p99_ms_modest_storm": round(_worst(storm, names, MODEST), 2),
        "modest_refused_share": round(_sum(modest, "refused") / max(_sum(modest, "offered"), 1), 4),
        "noisy_refused_share": round(storm[0]["refused"] / max(storm[0]["refused"] + storm[0]["served"], 1), 3),
        "refusal_p50_ms": round(max(one["refusal_p50_ms"] for one in storm), 1),
        "cpu_us_per_call": round(most.cpu_us, 1),
        "cpu_us_per_refusal": round((1e6 * spent - served * most.cpu_us) / max(refused, 1), 1),
        "recovered_after_seconds": round(max(one["last_refusal"] for one in after), 2),
        "refused_calm": _sum(calm, "refused"),
        "refused_storm": refused,
        "refused_after": _sum(after, "refused"),
    }


def _sum(phase: Phase, name: str) -> int:
    return sum(one[name] for one in phase)


def _worst(phase: Phase, names: Sequence[str], which: str) -> float:
    """The median of the senders' p99, of those that are `which`."""
    found = sorted(one["p99_ms"] for one, name in zip(phase, names, strict=True) if name == which)
    return found[len(found) // 2]


if __name__ == "__main__":
    main()
