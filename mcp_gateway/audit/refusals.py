"""How many refusals of strangers are written down one by one. Pure.

Whoever has no token yet can send as many requests as he likes; he must not fill the disk with them. What
is not written is counted, and the count is written.
"""

from __future__ import annotations

BURST = 50
PER_SECOND = 10.0


class RefusalBudget:
    def __init__(self, *, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._at: float | None = None
        self.dropped = 0
        """Refused to be written since the last `take_dropped`."""

    def spend(self, now: float) -> bool:
        """True when one more may be written at `now` (seconds, monotonic); else it is counted."""
        gained = 0.0 if self._at is None else (now - self._at) * self._per_second
        self._at = now
        self._left = min(float(self._burst), self._left + gained)
        if self._left < 1:
            self.dropped += 1
            return False
        self._left -= 1
        return True

    def take_dropped(self) -> int:
        dropped, self.dropped = self.dropped, 0
        return dropped
