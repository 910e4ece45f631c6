"""YAML whose lines are remembered: what is hostile to a reader is refused or read in reasonable time."""

from __future__ import annotations

import pytest

from mcp_gateway import yaml_lines
from mcp_gateway.errors import OperatorError


def test_a_key_that_stands_twice_is_refused_where_it_stands_again() -> None:
    with pytest.raises(OperatorError) as refused:
        yaml_lines.parse("a:\n  - b: 1\n    c: 2\n    b: 3\n", where="x.yaml")
    assert refused.value.where.startswith("x.yaml:4")


def test_aliases_of_aliases_are_looked_at_once() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)]
    value, _ = yaml_lines.parse("a0: &a0 [x]\n" + "".join(levels), where="x.yaml")
    assert len(value) == 30


@pytest.mark.parametrize("text", ["a: " + "{b: " * 1500, "- " * 1500])
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match=r"x\.yaml"):
        yaml_lines.parse(text, where="x.yaml")


def test_a_place_is_that_of_the_value_or_of_the_nearest_thing_around_it() -> None:
    _, node = yaml_lines.parse("a:\n  - {b: 1,\n     c: 2}\n", where="x.yaml")
    assert yaml_lines.line_of(node, ("a", 0, "c")) == 3
    assert yaml_lines.line_of(node, ("a", 0, "d")) == 2
    assert yaml_lines.line_of(node, ("e",)) == 1
