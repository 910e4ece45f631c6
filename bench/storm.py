"""Open-loop load of many senders in phases: arrivals come whether the last was answered or not, as a crowd's do.

A program of its own: a plan (JSON, one line) on stdin, "ready" on stdout, a line on stdin to begin, so that several can
begin together, and what was seen (JSON) in the file that the plan names. Each sender has its own token and connections; an arrival that
finds them all waiting for answers is counted and not sent.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.load import ID_PLACE
from bench.measure import cpu_seconds

_ANSWER_SECONDS = 5.0
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sender:
    head: str
    """The request without its content-length and body."""
    body: str
    connections: int
    rates: Sequence[float]
    """Requests per second, one for each phase."""


@dataclass(slots=True)
class Seen:
    """Of one sender in one phase."""

    began: float
    offered: int = 0
    unsent: int = 0
    served: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    """The second of the phase it was sent in, and the latency in milliseconds."""
    refused: list[float] = field(default_factory=list[float])
    """Latencies in milliseconds."""
    codes: Counter[str] = field(default_factory=Counter[str])
    last_refusal: float = 0.0
    """Seconds after the phase began."""

    def plain(self) -> dict[str, Any]:
        return {
            "offered": self.offered,
            "unsent": self.unsent,
            "served": self.served,
            "refused": self.refused,
            "last_refusal": self.last_refusal,
            "codes": dict(self.codes),
        }


class Source:
    """One sender: its connections that are free, and what it saw in the phase that runs."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        before, _, after = sender.body.partition(ID_PLACE)
        length = len(before.encode()) + 9 + len(after.encode())
        self._before = f"{sender.head}content-length: {length}\r\n\r\n{before}".encode()
        self._after = after.encode()
        self._number = 100_000_000
        self.free: deque[Connection] = deque()
        """The longest idle first, so that none is closed for never being used."""
        self.seen = Seen(0.0)
        self.due = 0.0

    def arrive(self) -> None:
        self.seen.offered += 1
        if not self.free:
            self.seen.unsent += 1
            return
        self._number += 1
        self.free.popleft().send(self._before + str(self._number).encode() + self._after)

    def answered(self, sent: float, whole: bytes, seen: Seen) -> None:
        """Counted where it was sent, whenever the answer came."""
        now = time.perf_counter()
        latency = round(1000 * (now - sent), 3)
        if whole.startswith(b"HTTP/1.1 200") and b'"result"' in whole:
            seen.served.append((int(sent - seen.began), latency))
            return
        seen.refused.append(latency)
        seen.last_refusal = now - seen.began
        seen.codes[_code(whole)] += 1


class Connection(asyncio.Protocol):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""
        self._sent = 0.0
        self._seen = source.seen
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._source.free.append(self)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._sent, self._seen = time.perf_counter(), self._source.seen
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if _is_whole(self._buffer):
            whole, self._buffer = self._buffer, b""
            self._source.answered(self._sent, whole, self._seen)
            self._source.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.codes["connection lost"] += 1


def _is_whole(buffer: bytes) -> bool:
    end = buffer.find(b"\r\n\r\n")
    at = buffer.find(b"content-length: ", 0, end)
    return at >= 0 and len(buffer) >= end + 4 + int(buffer[at + 16 : buffer.index(b"\r", at)])


def _code(whole: bytes) -> str:
    try:
        retry = b" with retry-after" if b"\r\nretry-after: " in whole else b""
        reason = json.loads(whole[whole.index(b"\r\n\r\n") + 4 :])["error"]["data"]["reason"]
        return f"{whole[9:12].decode()} {reason}{retry.decode()}"
    except (ValueError, KeyError, TypeError):
        return whole[9:60].decode("latin-1")


async def storm(port: int, pid: int, senders: Sequence[Sender], phases: Sequence[float]) -> dict[str, Any]:
    """What each sender saw, phase by phase, and the processor time that the process `pid` took."""
    loop = asyncio.get_running_loop()
    sources = [Source(sender) for sender in senders]
    for source in sources:
        for _ in range(source.sender.connections):
            await loop.create_connection(lambda source=source: Connection(source), "127.0.0.1", port)
    # So many new connections at once are a storm of their own.
    await asyncio.sleep(_SETTLE_SECONDS)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    # A pause of its own would be counted as the gateway's.
    gc.disable()
    found: list[list[Seen]] = []
    spent: list[float] = []
    for number, seconds in enumerate(phases):
        before = cpu_seconds(pid)
        found.append(await _phase(sources, number, seconds))
        spent.append(cpu_seconds(pid) - before)
    until = time.perf_counter() + _ANSWER_SECONDS
    while any(len(one.free) < one.sender.connections for one in sources) and time.perf_counter() < until:
        await asyncio.sleep(0.02)
    return {"phases": [[seen.plain() for seen in phase] for phase in found], "cpu_seconds": spent}


async def _phase(sources: Sequence[Source], number: int, seconds: float) -> list[Seen]:
    began = time.perf_counter()
    for source in sources:
        source.seen, source.due = Seen(began), began
    while (now := time.perf_counter()) < began + seconds:
        for source in sources:
            if not (rate := source.sender.rates[number]):
                continue
            pause = 1 / rate
            while source.due <= now:
                source.due += pause
                source.arrive()
        await asyncio.sleep(0.001)
    return [source.seen for source in sources]


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    senders = [Sender(**one) for one in plan["senders"]]
    seen = uvloop.run(storm(plan["port"], plan["pid"], senders, plan["phases"]))
    Path(plan["answer"]).write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main()
