"""A histogram of plain integers: counting one value costs a binary search and two additions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence


class Histogram:
    """`bounds` are upper, inclusive and ascending, in the unit of what is counted."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self, scale: float) -> Iterator[tuple[str, int]]:
        """(upper bound in the unit shown, how many are not above it); the last one, `+Inf`, is the count of all."""
        below = 0
        for bound, count in zip((*self.bounds, None), tuple(self.counts), strict=True):
            below += count
            yield ("+Inf" if bound is None else f"{bound * scale:g}"), below


MICROSECONDS = 1e-6
GATEWAY_BOUNDS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000)
"""Of our own share of a call, in microseconds."""
UPSTREAM_BOUNDS = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000)
QUESTION_BOUNDS = (25, 100, 250, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000)
SYNC_BOUNDS = (250, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000)
LAG_BOUNDS = (500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000)
ENTRIES_BOUNDS = (0, 1, 10, 30, 100, 300, 1_000, 3_000)
