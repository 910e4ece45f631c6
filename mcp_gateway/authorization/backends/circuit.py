"""When a remote backend keeps failing, refuse at once instead of waiting for it. Pure: time is passed in.

closed ──several failures in a row──▶ open ──cooldown──▶ one trial ──▶ closed | open
"""

from __future__ import annotations


class Circuit:
    __slots__ = ("_cooldown", "_failures", "_next_trial", "_threshold")

    def __init__(self, *, threshold: int = 3, cooldown_seconds: float = 0.5) -> None:
        self._threshold = threshold
        self._cooldown = cooldown_seconds
        self._failures = 0
        self._next_trial = 0.0

    @property
    def closed(self) -> bool:
        return self._failures < self._threshold

    def admits(self, now: float) -> bool:
        """Whether a request may leave; an open circuit lets one through per cooldown.

        A trial that never reports is followed by another after the next cooldown.
        """
        if self._failures < self._threshold:
            return True
        if now < self._next_trial:
            return False
        self._next_trial = now + self._cooldown
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        self._next_trial = now + self._cooldown
