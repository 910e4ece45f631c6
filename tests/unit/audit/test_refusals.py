from __future__ import annotations

from mcp_gateway.audit.refusals import RefusalBudget


def test_a_flood_is_written_up_to_the_burst_and_counted_beyond() -> None:
    budget = RefusalBudget(burst=3, per_second=1)
    assert [budget.spend(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.take_dropped() == 2
    assert budget.take_dropped() == 0


def test_the_budget_comes_back_with_time_up_to_the_burst() -> None:
    budget = RefusalBudget(burst=2, per_second=1)
    assert [budget.spend(10.0) for _ in range(3)] == [True, True, False]
    assert [budget.spend(11.0) for _ in range(2)] == [True, False]
    assert [budget.spend(1000.0) for _ in range(3)] == [True, True, False]
