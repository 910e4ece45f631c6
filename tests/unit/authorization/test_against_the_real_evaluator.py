"""A slice of `make fuzz-relationships`: random stores, answered by our engine and by the real OpenFGA evaluator."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import gateway_text
from tests.fuzz.compare import Tally, compare, compare_gateway
from tests.fuzz.values import values_world
from tests.fuzz.worlds import Size, gateway_world, small_world
from tests.support.openfga_evaluator import BINARY, MISSING

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=MISSING)

SMALL = Size(groups=3, checks=50, objects=10, users=4)


def test_random_stores_of_the_gateways_model_are_answered_as_the_real_evaluator_answers_them() -> None:
    text, tally = gateway_text(), Tally()
    for number in range(8):
        tally.add(compare_gateway(gateway_world(text, f"gateway-{number}", SMALL)))
    assert tally.mismatches == []
    assert tally.checks > 500 and tally.allowed > 50 and tally.objects > 50 and not tally.unanswered


@pytest.mark.parametrize("lacking", [0.0, 0.15], ids=["complete", "lacking"])
def test_random_stores_of_random_models_are_answered_as_the_real_evaluator_answers_them(lacking: float) -> None:
    tally = Tally()
    for number in range(8):
        tally.add(compare(small_world(f"small-{number}", SMALL, lacking=lacking)))
    assert tally.mismatches == []
    assert tally.checks > 500 and tally.allowed > 50 and tally.unanswered <= 1


def test_values_of_every_type_are_taken_and_refused_as_the_real_evaluator_does() -> None:
    tally = compare(values_world("values", groups=12))
    assert tally.mismatches == []
    assert tally.checks > 300 and tally.allowed > 50 and tally.refused > 50
