"""Open-loop load of many senders in phases: arrivals come whether the last was answered or not, as a crowd's do.

A program of its own: a plan (JSON) on stdin, what was seen (JSON) on stdout. Each sender has its own token and
connections; an arrival that finds them all waiting for answers is counted and not sent.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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

    offered: int = 0
    unsent: int = 0
    served: list[float] = field(default_factory=list[float])
    """Latencies in seconds."""
    refused: list[float] = field(default_factory=list[float])
    codes: Counter[str] = field(default_factory=Counter[str])
    last_refusal: float = 0.0
    """Seconds after the phase began."""

    def plain(self) -> dict[str, Any]:
        return {
            "offered": self.offered,
            "unsent": self.unsent,
            "served": len(self.served),
            "refused": len(self.refused),
            "p50_ms": 1000 * quantile(self.served, 0.50),
            "p99_ms": 1000 * quantile(self.served, 0.99),
            "refusal_p50_ms": 1000 * quantile(self.refused, 0.50),
            "last_refusal": self.last_refusal,
            "codes": dict(self.codes),
        }


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Source:
    """One sender: its connections that are free, and what it saw in the phase that runs."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        before, _, after = sender.body.partition(ID_PLACE)
        length = len(before.encode()) + 9 + len(after.encode())
        self._before = f"{sender.head}content-length: {length}\r\n\r\n{before}".encode()
        self._after = after.encode()
        self._number = 100_000_000
        self.free: list[Connection] = []
        self.seen = Seen()
        self.began = 0.0
        self.due = 0.0

    def arrive(self) -> None:
        self.seen.offered += 1
        if not self.free:
            self.seen.unsent += 1
            return
        self._number += 1
        self.free.pop().send(self._before + str(self._number).encode() + self._after)

    def answered(self, seconds: float, whole: bytes, seen: Seen) -> None:
        """Counted where it was sent, whenever the answer came."""
        if whole.startswith(b"HTTP/1.1 200") and b'"result"' in whole:
            seen.served.append(seconds)
            return
        seen.refused.append(seconds)
        seen.last_refusal = time.perf_counter() - self.began
        seen.codes[_code(whole)] += 1


class Connection(asyncio.Protocol):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""
        self._sent = 0.0
        self._seen = source.seen
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._source.free.append(self)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._sent, self._seen = time.perf_counter(), self._source.seen
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if _is_whole(self._buffer):
            whole, self._buffer = self._buffer, b""
            self._source.answered(time.perf_counter() - self._sent, whole, self._seen)
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
        source.seen, source.began, source.due = Seen(), began, began
    while (now := time.perf_counter()) < began + seconds:
        for source in sources:
            pause = 1 / source.sender.rates[number]
            while source.due <= now:
                source.due += pause
                source.arrive()
        await asyncio.sleep(0.001)
    return [source.seen for source in sources]


def main() -> None:
    plan = json.load(sys.stdin)
    senders = [Sender(**one) for one in plan["senders"]]
    print(json.dumps(asyncio.run(storm(plan["port"], plan["pid"], senders, plan["phases"]))))


if __name__ == "__main__":
    main()
