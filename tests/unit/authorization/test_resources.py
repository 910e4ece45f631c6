"""Which resources a call names. Whatever is ambiguous names none."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.authorization.resources import Unidentified, identify
from mcp_gateway.model.tool import ResourceRule


def _pointed(pointer: str, arguments: dict[str, Any]) -> object:
    return identify("tickets", (ResourceRule("can_read", "ticket", pointer, None),), arguments)


def _composed(template: str, arguments: dict[str, Any]) -> object:
    return identify("git", (ResourceRule("can_read", "repo", None, template),), arguments)


@pytest.mark.parametrize(
    ("pointer", "arguments", "names"),
    [
        ("/id", {"id": "T-1"}, ["T-1"]),
        ("/id", {"id": 391}, ["391"]),
        ("/id", {"id": -5}, ["-5"]),
        ("/id", {"id": ["T-1", "T-2", "T-1"]}, ["T-1", "T-2"]),
        ("/a/b", {"a": {"b": "x"}}, ["x"]),
        ("/a/1", {"a": ["x", "y"]}, ["y"]),
        ("/a~1b/c~0d", {"a/b": {"c~d": "x"}}, ["x"]),
        ("/", {"": "x"}, ["x"]),
        ("/id", {"id": "a b/c"}, ["a%20b%2Fc"]),
        ("/id", {"id": "*"}, ["%2A"]),
    ],
)
def test_a_pointer_names_its_resources(pointer: str, arguments: dict[str, Any], names: list[str]) -> None:
    assert _pointed(pointer, arguments) == tuple(("can_read", f"ticket:tickets/{name}") for name in names)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        [],
        True,
        False,
        1.0,
        1.5,
        float("nan"),
        10**30,
        10**6000,
        {},
        {"id": "T-1"},
        ["T-1", None],
        ["T-1", ""],
        ["T-1", True],
        [["T-1"]],
        ["T-1"] * 101,
        "T" * 513,
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) or value < 10**40 else "huge",
)
def test_a_value_that_is_no_clear_name_names_nothing(value: Any) -> None:
    assert _pointed("/id", {"id": value}) == Unidentified("/id")


@pytest.mark.parametrize(
    ("pointer", "arguments"),
    [
        ("/id", {}),
        ("/a/b", {"a": "text"}),
        ("/a/-", {"a": ["x"]}),
        ("/a/01", {"a": ["x", "y"]}),
        ("/a/2", {"a": ["x"]}),
        ("/a/-1", {"a": ["x"]}),
        ("/a/999999999999", {"a": ["x"]}),
        ("id", {"id": "x"}),
        ("", {"": "x"}),
    ],
)
def test_a_pointer_that_leads_nowhere_names_nothing(pointer: str, arguments: dict[str, Any]) -> None:
    assert isinstance(_pointed(pointer, arguments), Unidentified)


def test_a_template_composes_one_name() -> None:
    assert _composed("{/owner}/{/name}", {"owner": "octo", "name": "hello"}) == (("can_read", "repo:git/octo%2Fhello"),)


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("{/owner}/{/name}", {"owner": "octo/hello", "name": "x"}),
        ("{/owner}/{/name}", {"owner": "octo", "name": "a/b"}),
        ("{/owner}--{/name}", {"owner": "a-", "name": "b"}),
        ("{/owner}{/name}", {"owner": "a", "name": "b"}),
        ("{/owner}/{/name}", {"owner": "octo"}),
        ("{/owner}/{/name}", {"owner": "octo", "name": ["a"]}),
        ("{/owner}/{/name}", {"owner": "o" * 300, "name": "n" * 300}),
        ("fixed", {"owner": "octo"}),
    ],
)
def test_a_template_two_calls_could_fill_alike_names_nothing(template: str, arguments: dict[str, Any]) -> None:
    assert _composed(template, arguments) == Unidentified(template)


def test_one_rule_that_finds_nothing_leaves_the_whole_call_unidentified() -> None:
    rules = (ResourceRule("can_read", "ticket", "/a", None), ResourceRule("can_read", "project", "/b", None))
    assert identify("tickets", rules, {"a": "T-1"}) == Unidentified("/b")


@pytest.mark.parametrize(("pointer", "template"), [(None, None), ("/id", "{/id}")])
def test_a_rule_must_say_one_way_to_the_name(pointer: str | None, template: str | None) -> None:
    rule = ResourceRule("can_read", "ticket", pointer, template)
    assert isinstance(identify("tickets", (rule,), {"id": "T-1"}), Unidentified)
