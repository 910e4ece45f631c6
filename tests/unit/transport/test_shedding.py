"""Shedding by arithmetic: a simulated processor, simulated time, and who is refused when there is too much to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.transport.shedding import TICK_SECONDS, WINDOW_TICKS, Shedding, level

LIMIT = 1000
"""Requests under way at a time, as `limits.concurrency`."""


class Machine:
    """Serves `capacity` requests a second; what it was given beyond makes its loop late."""

    def __init__(self, capacity: float = 4000.0) -> None:
        self.now = 1000.0
        self.shedding = Shedding(clock=lambda: self.now)
        self.capacity = capacity
        self.backlog = 0.0
        self.late = self.credit = 0.0

    def run(self, seconds: float, rates: Mapping[str, float]) -> tuple[Counter[str], Counter[str]]:
        """Arrivals spread evenly; how many of each were sent and let in."""
        sent: Counter[str] = Counter()
        admitted: Counter[str] = Counter()
        owed = dict.fromkeys(rates, 0.0)
        step = 0.001
        for number in range(round(seconds / step)):
            self.now += step
            for who, rate in rates.items():
                owed[who] += rate * step
                while owed[who] >= 1:
                    owed[who] -= 1
                    sent[who] += 1
                    if self.backlog < LIMIT and (not self.shedding.tight or self.shedding.admits(who)):
                        self.shedding.entered += 1
                        admitted[who] += 1
                        self.backlog += 1
            self.credit += min(self.backlog, self.capacity * step)
            self.backlog = max(self.backlog - self.capacity * step, 0.0)
            self.shedding.finished += int(self.credit)
            self.credit -= int(self.credit)
            if number % round(TICK_SECONDS / step) == 0:
                self.late = self.backlog / self.capacity
                self.shedding.tick(self.late)
        return sent, admitted


def test_below_capacity_nobody_is_refused() -> None:
    machine = Machine()
    sent, admitted = machine.run(10, {"a": 2000, "b": 1500})
    assert admitted == sent
    assert not machine.shedding.refused


def test_at_ten_times_capacity_it_serves_near_capacity_and_stays_quick() -> None:
    machine = Machine()
    machine.run(2, {"a": 40_000})
    _, admitted = machine.run(10, {"a": 40_000})
    assert 0.75 * machine.capacity < admitted["a"] / 10 < 1.05 * machine.capacity
    assert machine.late < 0.05


def test_a_noisy_sender_is_refused_before_modest_ones() -> None:
    machine = Machine()
    rates = {"noisy": 40_000.0, **{f"modest-{n}": 50.0 for n in range(20)}}
    machine.run(2, rates)
    sent, admitted = machine.run(5, rates)
    assert all(admitted[who] >= 0.98 * sent[who] for who in rates if who != "noisy")
    assert admitted["noisy"] < 0.2 * sent["noisy"]
    assert admitted["noisy"] > 0.5 * machine.capacity * 5


def test_two_noisy_senders_get_the_same_however_noisy() -> None:
    machine = Machine()
    rates = {"loud": 10_000.0, "louder": 50_000.0}
    machine.run(2, rates)
    _, admitted = machine.run(5, rates)
    assert 0.7 < admitted["loud"] / admitted["louder"] < 1.4


def test_it_recovers_by_itself_and_then_counts_nobody() -> None:
    machine = Machine()
    machine.run(5, {"a": 40_000})
    assert machine.shedding.tight
    machine.run(3, {"a": 2000})
    assert not machine.shedding.tight
    sent, admitted = machine.run(2, {"a": 3000})
    assert admitted == sent


def test_one_long_pause_is_no_overload() -> None:
    shedding = Shedding()
    for tick in range(10 * WINDOW_TICKS):
        shedding.tick(0.025 if tick % WINDOW_TICKS == 0 else 0.0)
    assert not shedding.tight


def test_a_loop_that_few_requests_wait_for_is_not_overloaded() -> None:
    machine = Machine()
    for _ in range(20 * WINDOW_TICKS):
        machine.now += TICK_SECONDS
        machine.shedding.entered += machine.shedding.entered < 3
        machine.shedding.tick(0.2)
    assert not machine.shedding.tight


def test_a_burst_waits_and_is_not_refused() -> None:
    machine = Machine()
    sent, admitted = machine.run(0.4, {"a": 6_000})
    more, also = machine.run(3, {"a": 1_000})
    assert admitted == sent and also == more


def test_patience_zero_never_refuses() -> None:
    shedding = Shedding(patience_seconds=0)
    for _ in range(100 * WINDOW_TICKS):
        shedding.entered += 10
        shedding.tick(5.0)
    assert not shedding.tight


def test_refusals_are_paced_and_none_is_kept_back_for_long() -> None:
    shedding = Shedding(clock=lambda: 50.0)
    pauses = [shedding.refusal_pause() for _ in range(10_000)]
    assert pauses[0] <= 0.0011
    assert 0.99 < pauses[999] < 1.01
    assert max(pauses) <= 2.0


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50), st.floats(1, 100_000))
def test_the_level_uses_the_budget_and_never_more_unless_there_are_more_senders_than_places(
    asked: list[int], budget: float
) -> None:
    found = level(asked, budget)
    given_out = sum(min(one, found) for one in asked)
    if sum(asked) < budget:
        assert found == float("inf")
    elif budget >= len(asked):
        assert abs(given_out - budget) < 1e-6 * budget + 1e-6
    else:
        assert found == 1.0
