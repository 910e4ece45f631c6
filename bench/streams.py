"""`python -m bench.streams`: what thousands of idle listening clients cost the gateway and the calls beside them.

Streams are opened by a program of their own (`--hold`), as clients are. Memory is the resident size of the
gateway's process before and after. Calls run at a fixed rate through this gateway and through a twin that holds
no streams, turn about and many times over, and ratios are taken pair by pair: what else the machine does is in both.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from bench import targets
from bench.measure import Cell, cell, cpu_seconds, median
from bench.targets import AGENT, USER, Target, pinned
from tests.support.processes import ROOT

PER_PRINCIPAL = 32
_OPENING_SECONDS = 180
_AT_ONCE = 100
_IDLE_SECONDS = 5.0
_WARM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    port: int
    path: str
    tokens: Sequence[str]
    """Each opens as many streams as one principal may."""
    streams: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--rate", type=float, default=300.0, help="calls per second")
    parser.add_argument("--server", choices=["granian", "uvicorn"], default="uvicorn")
    parser.add_argument("--hold", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        anyio.run(_hold, Plan(**json.loads(sys.stdin.readline())))
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        bare = stack.enter_context(targets.upstream("bare"))
        listened, plain = [
            stack.enter_context(targets.gateway(folder / name, {"bare": (bare, 10)}, server=options.server))["bare"]
            for name in ("listened", "plain")
        ]
        print(json.dumps(_measured(listened, plain, options)))


def _measured(listened: Target, plain: Target, options: argparse.Namespace) -> dict[str, object]:
    def calls(target: Target, seconds: float = options.seconds) -> Cell:
        return cell(target, target.call(), connections=16, seconds=seconds, rate=options.rate)

    both = plain.signed_in(), listened.signed_in()
    for target in both:
        calls(target, _WARM_SECONDS)
    tokens = _tokens(listened, options.streams)
    before = _resident_kb(listened.pid)
    pairs: list[tuple[Cell, Cell]] = []
    with _held(listened, tokens, options.streams):
        after = _resident_kb(listened.pid)
        idle = _idle_cpu(listened.pid)
        for number in range(options.rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            measured = {one: calls(both[one]) for one in order}
            pairs.append((measured[0], measured[1]))
    without, beside = median([one for one, _ in pairs]), median([other for _, other in pairs])
    ratios = sorted(other.p99_ms / one.p99_ms for one, other in pairs)
    return {
        "streams": options.streams,
        "kb_per_stream": round((after - before) / options.streams, 1),
        "resident_mb_before": round(before / 1024, 1),
        "idle_cpu_percent": round(100 * idle, 2),
        "rate": options.rate,
        "p50_ms_without": round(without.p50_ms, 3),
        "p50_ms_with": round(beside.p50_ms, 3),
        "p99_ms_without": round(without.p99_ms, 3),
        "p99_ms_with": round(beside.p99_ms, 3),
        "p99_ratio": round(statistics.median(ratios), 3),
        "p99_ratio_quartiles": [round(ratios[len(ratios) * part // 4], 3) for part in (1, 3)],
        "cpu_us_without": round(without.cpu_us, 1),
        "cpu_us_with": round(beside.cpu_us, 1),
        "cpu_ratio": round(statistics.median(other.cpu_us / one.cpu_us for one, other in pairs), 3),
    }


def _tokens(target: Target, streams: int) -> list[str]:
    """One for each principal that is needed; all of one user, through as many agents."""
    assert target.gateway is not None
    names = [f"{AGENT}-{number}" for number in range(-(-streams // PER_PRINCIPAL))]
    return [target.gateway.token(user=USER, agent=name, server=target.server) for name in names]


@contextlib.contextmanager
def _held(target: Target, tokens: Sequence[str], streams: int) -> Generator[None]:
    command = pinned([sys.executable, "-m", "bench.streams", "--hold"], target.load_core)
    plan = Plan(target.port, target.path, tokens, streams)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        try:
            holder.stdin.write(json.dumps(asdict(plan)) + "\n")
            holder.stdin.flush()
            answer = holder.stdout.readline()
            if not answer.startswith("open"):
                raise SystemExit(f"the streams could not be opened: {answer.strip() or 'no answer'}")
            yield
        finally:
            with contextlib.suppress(BrokenPipeError):
                holder.stdin.close()
            holder.terminate()
            holder.wait(20)


async def _hold(plan: Plan) -> None:
    opened: list[asyncio.StreamWriter] = []
    with anyio.fail_after(_OPENING_SECONDS):
        for first in range(0, plan.streams, _AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for number in range(first, min(first + _AT_ONCE, plan.streams)):
                    tasks.start_soon(_open, plan, number, opened)
    print("open", len(opened), flush=True)
    # Until whoever asked for the streams closes the pipe.
    await anyio.to_thread.run_sync(sys.stdin.read)


async def _open(plan: Plan, number: int, opened: list[asyncio.StreamWriter]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", plan.port, limit=4096)
    opened.append(writer)
    target = Target("", 0, plan.port, plan.path, {}, modern=True, load_core=0)
    headers, body = target.request("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    body = body.replace("@ID@", str(number))
    token = plan.tokens[number // PER_PRINCIPAL]
    lines = [f"POST {plan.path} HTTP/1.1", f"host: 127.0.0.1:{plan.port}", f"authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in headers.items()] + [f"content-length: {len(body)}"]
    writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"a stream was refused: {status.decode('latin-1').strip()}")
    await reader.readuntil(b"subscriptions/acknowledged")


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def _idle_cpu(pid: int) -> float:
    """The share of a core that the gateway takes while nobody calls."""
    began = cpu_seconds(pid)
    time.sleep(_IDLE_SECONDS)
    return (cpu_seconds(pid) - began) / _IDLE_SECONDS


if __name__ == "__main__":
    main()
