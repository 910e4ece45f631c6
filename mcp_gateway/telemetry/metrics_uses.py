"""Which agent has used which tool before, for ever: one small file that every process of an installation adds to.

Only a pair that this process has not seen is looked at here, off the call path. Two processes that see a pair
in the same second may both write it; that harms nobody.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import orjson

log = logging.getLogger(__name__)

MAX_PAIRS = 100_000
"""Some 15 MB of file; beyond it nothing is new any more, which is said in the log."""
_SHOWN = 100
_SHOWN_SECONDS = 86_400.0
_FLUSH_SECONDS = 0.5
_MAX_WAITING = 10_000
_MAX_PART = 250


@dataclass(frozen=True, slots=True)
class FirstUse:
    agent: str
    tool: str
    risk: str
    at: float
    """Seconds since the epoch."""


class FirstUses:
    """`noticed` is for `Tally`; `run` owns the file."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._known: set[tuple[str, str]] = set()
        self._waiting: deque[FirstUse] = deque(maxlen=_MAX_WAITING)
        self._recent: deque[FirstUse] = deque(maxlen=_SHOWN)
        self._read_to = 0
        self._full = False

    def noticed(self, agent: str, tool: str, risk: str) -> None:
        """This process had not seen the pair until now; others, or an earlier start, may have."""
        self._waiting.append(FirstUse(agent, tool, str(risk), self._clock()))

    def recent(self) -> Sequence[FirstUse]:
        """The newest ones of the last day."""
        since = self._clock() - _SHOWN_SECONDS
        return [use for use in self._recent if use.at >= since]

    async def run(self) -> None:
        """Until cancelled."""
        await anyio.to_thread.run_sync(self._settle)
        while True:
            await anyio.sleep(_FLUSH_SECONDS)
            if self._waiting:
                await anyio.to_thread.run_sync(self._settle)

    def _settle(self) -> None:
        """Learn what others wrote, then write what is still new. A file that cannot be had costs this watch alone."""
        try:
            self._learn()
            new = self._new()
            if new:
                self._write(new)
        except OSError as exc:
            log.warning("first uses of tools cannot be kept: %s", exc.strerror)

    def _new(self) -> list[FirstUse]:
        new: list[FirstUse] = []
        while self._waiting:
            use = self._waiting.popleft()
            if (use.agent, use.tool) not in self._known and self._remember(use):
                new.append(use)
        return new

    def _learn(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # somebody is writing it
                    self._read_to += len(line)
                    use = _parsed(line)
                    if use is not None and (use.agent, use.tool) not in self._known:
                        self._remember(use)
        except FileNotFoundError:
            self._read_to = 0

    def _write(self, new: Sequence[FirstUse]) -> None:
        lines = b"".join(
            orjson.dumps({"agent": use.agent, "tool": use.tool, "risk": use.risk, "at": use.at}) + b"\n" for use in new
        )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)

    def _remember(self, use: FirstUse) -> bool:
        if len(self._known) >= MAX_PAIRS:
            if not self._full:
                self._full = True
                log.warning("%s agents and tools are remembered; first uses are not told any more", MAX_PAIRS)
            return False
        self._known.add((use.agent, use.tool))
        self._recent.append(use)
        return True


def _parsed(line: bytes) -> FirstUse | None:
    """None for a line that is not ours."""
    try:
        value = orjson.loads(line)
        agent, tool, risk = (str(value[name])[: 3 * _MAX_PART] for name in ("agent", "tool", "risk"))
        return FirstUse(agent, tool, risk, float(value["at"]))
    except (ValueError, TypeError, KeyError, IndexError):
        return None
