"""The benchmark measures what it says: answered requests, failures, latency, processor time."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from bench.load import ID_PLACE
from bench.measure import Cell, Unusable, cell, median
from bench.targets import Target, upstream


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
