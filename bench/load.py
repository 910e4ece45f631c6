"""The load: one request over and over on N kept-alive connections; a program of its own, so it can have its own core.

Reads plans from stdin, one JSON object a line, and prints what it saw of each, one line too. Callbacks on bare protocols, no tasks:
the generator must cost less than what it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import cycle

ID_PLACE = "@ID@"
"""Stands in the body where every request has a number of its own."""
_FIRST_ID = 100_000_000
_CONNECT_SECONDS = 10
_STUCK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    port: int
    path: str
    headers: dict[str, str]
    body: str
    connections: int
    seconds: float
    warm_seconds: float
    rate: float | None
    """Requests per second for all connections together; None sends the next as soon as one is answered."""
    tokens: list[str] = field(default_factory=list[str])
    """When there are any, the bearer tokens of the requests, one after the other."""


@dataclass(frozen=True, slots=True)
class Seen:
    requests: int
    """Everything answered, the warm-up included: what processor time is divided by."""
    failed: int
    measured: int
    seconds: float
    p50_ms: float
    p99_ms: float
    first_failure: str

    @property
    def per_second(self) -> float:
        return self.measured / self.seconds


class Run:
    """Counts, latencies, and the requests that wait for a free connection."""

    def __init__(self, plan: Plan, *, start: float, done: Callable[[], None]) -> None:
        head = [f"POST {plan.path} HTTP/1.1", f"host: 127.0.0.1:{plan.port}"]
        head += [f"{name}: {value}" for name, value in plan.headers.items()]
        before, _, after = plan.body.partition(ID_PLACE)
        length = len(before.encode()) + len(str(_FIRST_ID)) + len(after.encode())
        head.append(f"content-length: {length}")
        heads = [[*head, f"authorization: Bearer {token}"] for token in plan.tokens] or [head]
        self._before = cycle([("\r\n".join(one) + "\r\n\r\n" + before).encode() for one in heads])
        self._after = after.encode()
        self._done = done
        self.closed_loop = plan.rate is None
        self.measure_from = start + plan.warm_seconds
        self.end = self.measure_from + plan.seconds
        self.latencies: list[float] = []
        self.answered = 0
        self.failed = 0
        self.first_failure = ""
        self.free: list[Connection] = []
        self.due: deque[float] = deque()
        self._number = _FIRST_ID
        self._open = plan.connections

    def next_request(self) -> bytes:
        self._number += 1
        return next(self._before) + str(self._number).encode() + self._after

    def answer(self, connection: Connection, since: float, whole: bytes) -> None:
        now = time.perf_counter()
        self.answered += 1
        if not _is_result(whole):
            self.failed += 1
            self.first_failure = self.first_failure or whole[:400].decode("utf-8", "replace")
        elif self.measure_from <= (now if self.closed_loop else since) < self.end:
            self.latencies.append(now - since)
        if self.closed_loop:
            connection.send(now) if now < self.end else self.leave()
        elif self.due:
            connection.send(self.due.popleft())
        else:
            self.free.append(connection)

    def arrive(self, at: float) -> None:
        """Open loop: latency counts from when the request was due, not from when a connection was free."""
        if self.free:
            self.free.pop().send(at)
        else:
            self.due.append(at)

    def leave(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._done()

    def seen(self, plan: Plan) -> Seen:
        ordered = sorted(self.latencies)
        return Seen(
            requests=self.answered,
            failed=self.failed,
            measured=len(ordered),
            seconds=plan.seconds,
            p50_ms=1000 * _quantile(ordered, 0.50),
            p99_ms=1000 * _quantile(ordered, 0.99),
            first_failure=self.first_failure,
        )


class Connection(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = bytearray()
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, since: float) -> None:
        assert self._transport is not None
        self._since = since
        self._transport.write(self._run.next_request())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if _is_whole(self._buffer):
            whole = bytes(self._buffer)
            self._buffer.clear()
            self._run.answer(self, self._since, whole)

    def connection_lost(self, exc: Exception | None) -> None:
        # A server may not close a kept-alive connection under load; ending here makes the run short and visible.
        self._run.failed += 1
        self._run.first_failure = self._run.first_failure or f"connection closed by the server: {exc}"
        self._run.leave()


def _is_whole(buffer: bytearray) -> bool:
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    head = bytes(buffer[:head_end]).lower()
    marker = head.find(b"content-length:")
    if marker < 0:
        return buffer.endswith(b"\r\n0\r\n\r\n")
    length = int(head[marker + 15 :].split(b"\r\n", 1)[0])
    return len(buffer) >= head_end + 4 + length


def _is_result(whole: bytes) -> bool:
    return whole.startswith(b"HTTP/1.1 200") and b'"result"' in whole and b'"isError":true' not in whole


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


async def load(plan: Plan) -> Seen:
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()
    run = Run(plan, start=time.perf_counter(), done=finished.set)
    connections: list[Connection] = []
    async with asyncio.timeout(_CONNECT_SECONDS):
        for _ in range(plan.connections):
            _, connection = await loop.create_connection(lambda: Connection(run), "127.0.0.1", plan.port)
            connections.append(connection)
    if plan.rate is None:
        for connection in connections:
            connection.send(time.perf_counter())
        async with asyncio.timeout(plan.warm_seconds + plan.seconds + _STUCK_SECONDS):
            await finished.wait()
    else:
        run.free += connections
        await _arrivals(run, plan.rate)
    return run.seen(plan)


async def _arrivals(run: Run, rate: float) -> None:
    due = time.perf_counter()
    while due < run.end:
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        run.arrive(due)
        due += 1 / rate
    # What is still open counts too, if it is answered soon.
    run.end += _STUCK_SECONDS
    async with asyncio.timeout(_STUCK_SECONDS):
        while run.due:
            await asyncio.sleep(0.01)


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asdict(asyncio.run(load(Plan(**json.loads(line)))))), flush=True)


if __name__ == "__main__":
    main()
