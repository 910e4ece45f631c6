"""A backend that keeps failing is left alone, and tried again one question at a time."""

from __future__ import annotations

from mcp_gateway.authorization.backends.circuit import Circuit


def test_a_few_failures_in_a_row_open_it_and_others_in_between_do_not() -> None:
    circuit = Circuit(threshold=3, cooldown_seconds=1.0)
    for at in (0.0, 0.1):
        circuit.failed(at)
    circuit.succeeded()
    for at in (0.2, 0.3):
        circuit.failed(at)
        assert circuit.admits(at)
    circuit.failed(0.4)
    assert not circuit.closed
    assert not circuit.admits(0.5)


def test_an_open_one_lets_one_question_through_per_pause_even_if_nobody_hears_of_it_again() -> None:
    circuit = Circuit(threshold=1, cooldown_seconds=1.0)
    circuit.failed(0.0)
    assert [circuit.admits(at) for at in (0.9, 1.0, 1.1, 1.9, 2.0, 2.1)] == [False, True, False, False, True, False]


def test_one_success_closes_it() -> None:
    circuit = Circuit(threshold=1, cooldown_seconds=1.0)
    circuit.failed(0.0)
    assert circuit.admits(1.0)
    circuit.succeeded()
    assert circuit.closed
    assert circuit.admits(1.0)
