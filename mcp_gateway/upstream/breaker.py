"""Circuit state of one upstream: after repeated failures, refuse at once instead of waiting. Pure: time is passed in.

    closed ──threshold failures in a row──▶ open ──cooldown──▶ half-open ──one trial──▶ closed | open

What counts as a failure is the caller's choice; a slow tool is none, or one user's slow tool
would close the server to everybody.
"""

from __future__ import annotations


class Breaker:
    __slots__ = ("_cooldown", "_failures", "_opened_at", "_threshold", "_trial")

    def __init__(self, *, threshold: int = 5, cooldown_seconds: float = 2.0) -> None:
        self._threshold = threshold
        self._cooldown = cooldown_seconds
        self._failures = 0
        self._opened_at: float | None = None
        self._trial = False

    @property
    def closed(self) -> bool:
        return self._opened_at is None

    def admits(self, now: float) -> bool:
        """Whether a call may leave now. An open circuit admits one trial after its cooldown.

        Who was admitted reports `succeeded`, `failed` or `abandoned`.
        """
        if self._opened_at is None:
            return True
        if self._trial or now - self._opened_at < self._cooldown:
            return False
        self._trial = True
        return True

    def succeeded(self) -> None:
        self._failures = 0
        self._opened_at = None
        self._trial = False

    def failed(self, now: float) -> None:
        self._failures += 1
        self._trial = False
        if self._opened_at is not None or self._failures >= self._threshold:
            self._opened_at = now

    def abandoned(self) -> None:
        """The call ended without saying anything about the upstream's health."""
        self._trial = False
