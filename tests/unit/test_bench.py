"""The benchmark measures what it says: answered requests, failures, latency, processor time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from bench import gate, machine, report
from bench.load import ID_PLACE
from bench.measure import Cell, Unusable, cell, cpu_seconds, median
from bench.memory import slope_per_hour
from bench.targets import Target, gateway, upstream


@pytest.fixture(scope="module", params=["bare", "sdk"])
def target(request: pytest.FixtureRequest) -> Generator[Target]:
    with upstream(request.param, tools=5) as made:
        yield made


def test_a_call_is_measured_in_time_and_in_processor_time(target: Target) -> None:
    seen = cell(target, target.call(), connections=2, seconds=0.5)
    assert seen.per_second > 0
    assert 0 < seen.p50_ms <= seen.p99_ms
    assert seen.cpu_us > 0


def test_a_listing_is_measured_too(target: Target) -> None:
    assert cell(target, target.listing(), connections=1, seconds=0.3).per_second > 0


def test_at_a_fixed_rate_no_more_is_sent_than_that(target: Target) -> None:
    seen = cell(target, target.call(), connections=4, seconds=1.0, rate=50)
    assert seen.per_second <= 51


def test_a_target_that_answers_errors_is_unusable(target: Target) -> None:
    with pytest.raises(Unusable, match="requests failed"):
        cell(target, target.request("no/such", {}), connections=1, seconds=0.2)


def test_the_request_leaves_a_place_for_its_number(target: Target) -> None:
    _, body = target.call()
    assert body.count(ID_PLACE) == 1
    assert f'"id":{ID_PLACE},' in body


def test_the_median_is_taken_field_by_field() -> None:
    cells = [Cell(1, 30, 5, 9), Cell(2, 10, 4, 8), Cell(3, 20, 6, 7)]
    assert median(cells) == Cell(2, 20, 5, 8)


def test_ratios_are_taken_round_by_round() -> None:
    """One slow hour of the machine is in both halves of a pair."""
    upper = [Cell(20, 1, 1, 1), Cell(200, 1, 1, 1), Cell(30, 1, 1, 1)]
    lower = [Cell(10, 1, 1, 1), Cell(100, 1, 1, 1), Cell(10, 1, 1, 1)]
    assert report.ratio(upper, lower) == 2


def test_processor_time_is_read_from_the_process_itself() -> None:
    before = cpu_seconds(os.getpid())
    machine.calibration_us()
    assert cpu_seconds(os.getpid()) > before


def test_a_gateway_before_servers_of_both_eras_is_measured(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        kinds = ("bare-events", "legacy", "legacy-events")
        servers = {kind: (stack.enter_context(upstream(kind, tools=5)), 5) for kind in kinds}
        made = stack.enter_context(gateway(tmp_path / "gateway", servers, module="bench.ungoverned"))
        for target in made.values():
            signed_in = target.signed_in()
            assert cell(signed_in, signed_in.call(), connections=2, seconds=0.3).per_second > 0


def test_the_gate_compares_the_least_disturbed_quarter_of_each() -> None:
    pairs = [gate.Pair(10, 30), gate.Pair(10, 300), gate.Pair(500, 40), gate.Pair(20, 60)]
    assert gate.ratio(pairs) == 3
    assert gate.summary(pairs, 3.0)["within"] is True
    assert gate.summary(pairs, 2.9)["within"] is False


def test_the_slope_of_memory_is_that_of_a_line() -> None:
    assert slope_per_hour([(0, 100), (1800, 101), (3600, 102)]) == pytest.approx(2)
    assert slope_per_hour([(0, 100)]) == 0
