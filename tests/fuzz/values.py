"""Random values for conditions: every parameter type, in the shapes JSON may bring them, fitting and not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import Condition, RelationshipTuple
from tests.support.openfga_evaluator import Asked, World


@dataclass(frozen=True, slots=True)
class _Case:
    """One condition; its first parameter comes with the request, the others are stored."""

    name: str
    parameters: str
    expression: str
    sent: Sequence[Any]
    stored: Sequence[Mapping[str, Any]]


_CASES = (
    _Case("c_bool", "v_bool: bool, w: bool", "v_bool == w", (True, False, "true", 1, None), ({"w": True},)),
    _Case(
        "c_int",
        "v_int: int, w: int",
        "v_int < w",
        (
            0,
            -1,
            5,
            "7",
            "-3",
            "+4",
            4.0,
            1.5,
            "1.5",
            "x",
            "",
            True,
            2**53,
            "9223372036854775807",
            "9223372036854775808",
            "1_0",
            " 1",
            "1e2",
            "0x10",
            "\u0663",
        ),
        ({"w": 5}, {"w": "6"}, {"w": -2}),
    ),
    _Case(
        "c_uint", "v_uint: uint, w: uint", "v_uint < w", (0, 1, 7, "3", -1, "-1", 2.0, 2.5, "x"), ({"w": 5}, {"w": "2"})
    ),
    _Case(
        "c_double",
        "v_double: double, w: double",
        "v_double < w",
        (0, 1, 1.5, "1.5", "-2e3", "1e400", -7.25, "x", "", True, "0.1", 0.1, "1_0", " 1", "Inf", ".5", "1."),
        ({"w": 1.25}, {"w": "1.5"}, {"w": 0}),
    ),
    _Case(
        "c_string",
        "v_string: string, w: string",
        "v_string.startsWith(w)",
        ("", "a", "abc", "äb", 1, None, "A"),
        ({"w": "a"}, {"w": ""}, {"w": "ä"}),
    ),
    _Case(
        "c_duration",
        "v_duration: duration, w: duration",
        "v_duration < w",
        (
            "1h",
            "90m",
            "1.5h",
            "-1s",
            "100ms",
            "1h30m",
            "1d",
            "",
            "0",
            "5",
            "1us",
            "1µs",
            "1 h",
            5,
            "+2h",
            ".5s",
            "3ns",
            "\u0661h",
        ),
        ({"w": "1h"}, {"w": "1m30s"}),
    ),
    _Case(
        "c_timestamp",
        "v_timestamp: timestamp, w: timestamp",
        "v_timestamp < w",
        (
            "2027-01-15T08:00:00Z",
            "2027-01-15T09:00:00+02:00",
            "2027-01-15T08:00:00.000001Z",
            "2027-01-15T07:59:59.999Z",
            "2027-01-15 08:00:00Z",
            "2027-02-30T08:00:00Z",
            "2027-01-15T08:00:00",
            "2027-01-15",
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:00:0\u0661Z",
            1800000000,
            "",
        ),
        ({"w": "2027-01-15T08:00:00Z"}, {"w": "2027-01-15T08:00:00.5Z"}),
    ),
    _Case(
        "c_address",
        "v_address: ipaddress, w: string",
        "v_address.in_cidr(w)",
        ("10.0.0.1", "::ffff:10.0.0.1", "11.0.0.1", "010.0.0.1", "10.0.0", "fe80::1", "::1", "", 5, "10.0.0.256"),
        ({"w": "10.0.0.0/8"}, {"w": "10.0.0.1/32"}, {"w": "fe80::/10"}, {"w": "::/0"}),
    ),
    _Case(
        "c_list",
        "v_list: string, w: list<string>",
        "v_list in w",
        ("a", "b", "", 1),
        ({"w": ["a", "b"]}, {"w": []}, {"w": ["b"]}),
    ),
    _Case(
        "c_sent_list",
        "v_sent_list: list<int>, w: int",
        "v_sent_list.exists(one, one > w)",
        ([], [1], [1, 9], ["7"], [1.5], ["x"], 5, "5", [True]),
        ({"w": 3},),
    ),
    _Case(
        "c_map",
        "v_map: map<int>, w: string",
        "w in v_map && v_map[w] > 2",
        ({}, {"k": 1}, {"k": 3}, {"k": "4"}, {"k": 1.5}, {"other": 9}, [], "k"),
        ({"w": "k"}, {"w": "none"}),
    ),
    _Case(
        "c_window",
        "v_now: timestamp, since: timestamp, lasting: duration",
        "v_now >= since && v_now < since + lasting",
        ("2027-01-15T08:00:00Z", "2027-01-15T08:59:59Z", "2027-01-15T09:00:00Z", "2027-01-15T07:00:00-01:00"),
        ({"since": "2027-01-15T08:00:00Z", "lasting": "1h"}, {"since": "2027-01-15T08:00:00Z", "lasting": "59m"}),
    ),
)

_HEAD = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n"


def values_world(seed: str, *, groups: int = 20) -> World:
    """Every condition with each of its stored contexts, asked with random values."""
    random = Random(seed)
    model = _HEAD + "".join(f"    define r_{case.name}: [user with {case.name}]\n" for case in _CASES)
    model += "".join(f"condition {one.name}({one.parameters}) {{\n  {one.expression}\n}}\n" for one in _CASES)
    tuples = [
        RelationshipTuple(f"doc:{number}", f"r_{case.name}", "user:a", Condition(case.name, context))
        for case in _CASES
        for number, context in enumerate(case.stored)
    ]
    checks = tuple(Check("user:a", one.relation, one.object) for one in tuples)
    asked = tuple(Asked((), _sent(random), checks, (), ()) for _ in range(groups))
    return World(model, tuple(tuples), asked, seed)


def _sent(random: Random) -> Mapping[str, Any]:
    # A parameter nobody sends is one more case.
    return {case.parameters.partition(":")[0]: random.choice(case.sent) for case in _CASES if random.random() < 0.95}
