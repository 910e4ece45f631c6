"""The circuit of one upstream, driven by a clock that is only numbers."""

from __future__ import annotations

from mcp_gateway.upstream.breaker import Breaker


def opened() -> Breaker:
    breaker = Breaker(threshold=3, cooldown_seconds=10)
    for _ in range(3):
        breaker.failed(100.0)
    return breaker


def test_a_closed_circuit_admits_everything() -> None:
    breaker = Breaker(threshold=3)
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.closed and breaker.admits(0.0)


def test_a_success_starts_the_count_again() -> None:
    breaker = Breaker(threshold=2)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.admits(0.0)


def test_an_open_circuit_refuses_until_its_cooldown_is_over() -> None:
    breaker = opened()
    assert not breaker.admits(109.9)
    assert breaker.admits(110.0)


def test_after_the_cooldown_only_one_trial_is_admitted() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    assert not breaker.admits(110.0)


def test_a_trial_that_succeeds_closes_the_circuit() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    breaker.succeeded()
    assert breaker.closed and breaker.admits(110.0)


def test_a_trial_that_fails_opens_it_for_another_cooldown() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    breaker.failed(111.0)
    assert not breaker.admits(120.9)
    assert breaker.admits(121.0)


def test_a_trial_that_says_nothing_leaves_room_for_the_next() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    breaker.abandoned()
    assert breaker.admits(110.0)
