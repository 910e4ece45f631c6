"""Count attempts per key within a sliding time; bounded in memory. Per process; the clock is passed in."""

from __future__ import annotations

from collections import OrderedDict, deque

_MAX_KEYS = 10_000


class Throttle:
    def __init__(self, attempts: int, seconds: float) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._told: set[str] = set()

    def attempt(self, key: str, *, now: float) -> int | None:
        """Count one attempt. None when it may go on, else the seconds to wait; a refused one is not counted."""
        times = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._attempts:
            return max(1, round(times[0] + self._seconds - now))
        times.append(now)
        self._told.discard(key)
        if len(self._seen) > _MAX_KEYS:
            self._told.discard(self._seen.popitem(last=False)[0])
        return None

    def is_news(self, key: str) -> bool:
        """Of an attempt that was refused: the first since one that was not. Worth telling once, however many follow."""
        if key in self._told or key not in self._seen:
            return False
        self._told.add(key)
        return True

    def take_back(self, key: str) -> None:
        """The latest attempt was not made after all."""
        if times := self._seen.get(key):
            times.pop()

    def forgive(self, key: str) -> None:
        """The latest attempt was a good one: it does not count, nor do those before it."""
        self._seen.pop(key, None)
        self._told.discard(key)
