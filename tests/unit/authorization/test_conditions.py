"""Conditions: typed, bool or nothing, stored context first, and how long an answer stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization.engine.conditions import Circumstances, CompiledCondition, Undecidable
from mcp_gateway.authorization.engine.parameters import cast_value
from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.syntax import ParameterType
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.world import LATER, LATER_SECONDS, NOW

EXPIRY = "condition c(current_time: timestamp, expires_at: timestamp) { current_time < expires_at }"


def _condition(text: str) -> CompiledCondition:
    (definition,) = parse(f"model\n schema 1.1\ntype user\n{text}").conditions
    return CompiledCondition(definition, where="m.fga")


def _holds(text: str, stored: dict[str, Any], request: dict[str, Any] | None = None, now: float | None = NOW) -> bool:
    return _condition(text).bind(stored).holds(Circumstances(now, request or {}))


@pytest.mark.parametrize(
    ("text", "stored", "request_context"),
    [
        ("condition c(x: int) { x == 3 }", {"x": 3}, {}),
        ("condition c(x: int) { x == 3 }", {"x": "3"}, {}),
        ("condition c(x: uint) { x == 3u }", {"x": 3}, {}),
        ("condition c(x: double) { x > 1.0 }", {"x": "1.5"}, {}),
        ("condition c(x: bool) { x }", {"x": True}, {}),
        ("condition c(x: string) { x.startsWith('a') }", {"x": "ab"}, {}),
        ("condition c(x: list<string>) { 'a' in x }", {"x": ["a"]}, {}),
        ("condition c(x: map<int>) { x['a'] == 1 }", {"x": {"a": 1}}, {}),
        ("condition c(x: duration) { x > duration('1h') }", {"x": "1h30m"}, {}),
        ("condition c(ip: ipaddress) { ip.in_cidr('10.0.0.0/8') }", {"ip": "10.1.2.3"}, {}),
        ("condition c(ip: ipaddress) { ip.in_cidr('10.0.0.0/8') }", {"ip": "::ffff:10.1.2.3"}, {}),
        ("condition c(ip: ipaddress) { ip == ipaddress('::1') }", {"ip": "0:0::1"}, {}),
        ("condition c(x: int, y: int) { x < y }", {"y": 5}, {"x": 4}),
        (EXPIRY, {"expires_at": LATER}, {}),
    ],
)
def test_a_condition_reads_its_typed_parameters(
    text: str, stored: dict[str, Any], request_context: dict[str, Any]
) -> None:
    assert _holds(text, stored, request_context) is True


def test_what_is_stored_with_the_tuple_wins_over_the_request() -> None:
    assert _holds("condition c(x: int) { x == 3 }", {"x": 3}, {"x": 4}) is True
    assert _holds("condition c(x: int) { x == 3 }", {"x": 4}, {"x": 3}) is False


@pytest.mark.parametrize(
    ("text", "stored", "request_context"),
    [
        ("condition c(x: int, y: int) { x == 3 || y == 1 }", {"x": 3}, {}),
        ("condition c(x: int) { x == 3 }", {}, {"x": "three"}),
        ("condition c(x: map<int>) { x['b'] == 1 }", {"x": {"a": 1}}, {}),
        ("condition c(x: int) { 1 / x == 1 }", {"x": 0}, {}),
        ("condition c(x: int) { x * x > 0 }", {"x": 2**62}, {}),
        ("condition c(ip: ipaddress) { ip.in_cidr('nonsense') }", {"ip": "10.1.2.3"}, {}),
    ],
)
def test_what_cannot_be_evaluated_has_no_answer(
    text: str, stored: dict[str, Any], request_context: dict[str, Any]
) -> None:
    with pytest.raises(Undecidable):
        _holds(text, stored, request_context)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", 1),
        ("string", 1),
        ("int", True),
        ("int", 1.5),
        ("int", "1.0"),
        ("int", 2**63),
        ("uint", -1),
        ("double", "inf"),
        ("double", "one"),
        ("double", True),
        ("duration", "1 hour"),
        ("duration", ""),
        ("duration", "99999999999h"),
        ("timestamp", "2027-01-01"),
        ("timestamp", "2027-01-01T00:00:00"),
        ("timestamp", 5),
        ("timestamp", "2027-13-01T00:00:00Z"),
        ("ipaddress", "10.0.0"),
        ("int", "\u0663"),
        ("double", "\u0663"),
        ("double", "0.1"),
        ("double", "1_0"),
        ("double", " 1"),
        ("duration", "\u0661h"),
        ("timestamp", "2027-01-15T08:00:0\u0661Z"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cast_value(value, ParameterType(kind))


def test_a_comprehension_without_end_is_cut_off() -> None:
    nested = "l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))"
    with pytest.raises(Undecidable):
        _holds(f"condition c(l: list<int>) {{ {nested} }}", {"l": list(range(200))})


def test_an_expression_beyond_the_limit_is_refused() -> None:
    with pytest.raises(OperatorError, match="longer than"):
        _condition("condition c(x: int) { " + "x == 1 || " * 500 + "true }")


def test_an_expiry_stands_until_it_expires() -> None:
    at = Circumstances(NOW, {})
    assert _condition(EXPIRY).bind({"expires_at": LATER}).holds(at)
    assert at.valid_until == LATER_SECONDS


def test_a_condition_that_reads_the_clock_otherwise_stands_for_this_moment_only() -> None:
    at = Circumstances(NOW, {})
    _condition("condition c(current_time: timestamp) { current_time.getHours() >= 0 }").bind({}).holds(at)
    assert at.valid_until == NOW


def test_a_condition_without_a_clock_stands_until_the_next_revision() -> None:
    at = Circumstances(NOW, {})
    _condition("condition c(x: int) { x == 3 }").bind({"x": 3}).holds(at)
    assert at.valid_until is None


@settings(deadline=None)
@given(st.integers(min_value=-5_000_000, max_value=5_000_000))
def test_the_short_comparison_and_cel_agree(microseconds: int) -> None:
    bound = _EXPIRY_CONDITION.bind({"expires_at": LATER})
    now = LATER_SECONDS + microseconds / 1e6
    short = bound.holds(Circumstances(now, {}))
    assert short == _EXPIRY_CONDITION.evaluate(dict(_STORED), Circumstances(now, {}))


_EXPIRY_CONDITION = _condition(EXPIRY)
_STORED = {"expires_at": cast_value(LATER, ParameterType("timestamp"))}
