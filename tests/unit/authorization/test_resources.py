"""Which resources a call names. Whatever is ambiguous names none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.resources import MAX_RESOURCES, Unidentified, identify
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
        ["T-1"] * 50,
        [f"T-{number}" for number in range(50)],
        ["T-1", "t-1"],
        "T-1\n",
        " T-1",
        "\uff34-1",
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


EVERY_ELEMENT: list[tuple[str, dict[str, Any], list[str] | None]] = [
    ("/items/*/id", {"items": [{"id": "T-1"}, {"id": "T-2"}]}, ["T-1", "T-2"]),
    ("/items/*/ids", {"items": [{"ids": ["T-1"]}, {"ids": ["T-2", "T-3"]}]}, ["T-1", "T-2", "T-3"]),
    ("/items/*/ids/*", {"items": [{"ids": ["T-1"]}, {"ids": ["T-2"]}]}, ["T-1", "T-2"]),
    ("/*", {"*": "T-1"}, None),
    ("/items/*/id", {"items": [{"id": "T-1"}, {}]}, None),
    ("/items/*/id", {"items": [{"id": "T-1"}, {"id": None}]}, None),
    ("/items/*/id", {"items": [{"id": "T-1"}, "T-2"]}, None),
    ("/items/*/id", {"items": []}, None),
    ("/items/*/id", {"items": {"id": "T-1"}}, None),
    ("/items/*/ids", {"items": [{"ids": ["T-1"]}, {"ids": []}]}, None),
    ("/items/*/ids", {"items": [{"ids": [f"T-{a}-{b}" for b in range(10)]} for a in range(5)]}, None),
    ("/items/*", {"items": [["T-1"]]}, ["T-1"]),
    ("/items/*", {"items": [[["T-1"]]]}, None),
]


@pytest.mark.parametrize(("pointer", "arguments", "names"), EVERY_ELEMENT)
def test_a_star_is_every_element_and_each_of_them_must_name_one(
    pointer: str, arguments: dict[str, Any], names: list[str] | None
) -> None:
    expected = None if names is None else tuple(("can_read", f"ticket:tickets/{name}") for name in names)
    assert _pointed(pointer, arguments) == (expected or Unidentified(pointer))


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": "T-1", "ID": "T-2"},
        {"id": "T-1", "\uff49d": "T-2"},
        {"Id": "T-1"},
        {"a": {"id": "T-1", "iD": "T-1"}},
    ],
)
def test_a_key_with_a_twin_in_another_case_or_form_names_nothing(arguments: dict[str, Any]) -> None:
    pointer = "/a/id" if "a" in arguments else "/id"
    assert _pointed(pointer, arguments) == Unidentified(pointer)


def test_a_declared_spelling_is_the_same_resource() -> None:
    rule = ResourceRule("can_read", "ticket", "/id", None, (("trim", ""), ("lower", "")))
    assert identify("tickets", (rule,), {"id": [" T-1 ", "t-1"]}) == (("can_read", "ticket:tickets/t-1"),)


def test_several_rules_name_several_resources_and_all_must_hold() -> None:
    rules = (
        ResourceRule("can_write", "ticket", "/from", None),
        ResourceRule("can_write", "ticket", "/to", None),
        ResourceRule("can_read", "project", "/project", None),
    )
    assert identify("tickets", rules, {"from": "T-1", "to": "T-2", "project": "PAY"}) == (
        ("can_write", "ticket:tickets/T-1"),
        ("can_write", "ticket:tickets/T-2"),
        ("can_read", "project:tickets/PAY"),
    )
    assert isinstance(identify("tickets", rules, {"from": "T-1", "to": "t-1", "project": "PAY"}), Unidentified)


def test_a_template_is_filled_once_for_each_element_its_parts_share() -> None:
    arguments = {"repos": [{"owner": "octo", "name": "a"}, {"owner": "octo", "name": "b"}]}
    template = "{/repos/*/owner}/{/repos/*/name}"
    assert _composed(template, arguments) == (("can_read", "repo:git/octo%2Fa"), ("can_read", "repo:git/octo%2Fb"))
    assert _composed(template, {"repos": [{"owner": "octo", "name": "a"}, {"owner": "octo"}]}) == Unidentified(template)
    assert _composed("{/repos/*/owner}/{/name}", {**arguments, "name": "a"}) == Unidentified("{/repos/*/owner}/{/name}")


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


NAMES = st.sampled_from(["T-1", "T-2", "t-1", "", " T-1", 7, None, True, 1.5]) | st.text(max_size=5)
JSON = st.recursive(
    NAMES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abiI*"), inner, max_size=4)
)
POINTERS = st.lists(st.sampled_from(["a", "b", "i", "I", "*", "0"]), min_size=1, max_size=3).map(
    lambda tokens: "/" + "/".join(tokens)
)
RULES = st.builds(ResourceRule, st.just("can_read"), st.sampled_from(["ticket", "project"]), POINTERS, st.none())


@given(st.lists(RULES, min_size=1, max_size=3), st.dictionaries(st.sampled_from("abiI"), JSON, max_size=4))
def test_whatever_the_arguments_are_they_name_bounded_different_resources_or_none(
    rules: list[ResourceRule], arguments: dict[str, Any]
) -> None:
    found = identify("tickets", rules, arguments)
    if isinstance(found, Unidentified):
        return
    assert 0 < len(set(found)) == len(found) <= MAX_RESOURCES
    assert {object_.partition(":")[0] for _, object_ in found} == {rule.type for rule in rules}


@given(st.lists(NAMES, max_size=6), NAMES)
def test_one_more_element_never_takes_a_resource_away(values: list[Any], one: Any) -> None:
    rule = (ResourceRule("can_read", "ticket", "/ids", None),)
    before, after = (identify("tickets", rule, {"ids": ids}) for ids in (values, [*values, one]))
    if values and not isinstance(after, Unidentified):
        assert not isinstance(before, Unidentified)
        assert set(before) <= set(after)


@given(st.lists(RULES, min_size=1, max_size=2), RULES, st.dictionaries(st.sampled_from("abi"), JSON, max_size=3))
def test_one_more_rule_never_takes_a_resource_away(
    rules: list[ResourceRule], more: ResourceRule, arguments: dict[str, Any]
) -> None:
    before, after = identify("tickets", rules, arguments), identify("tickets", [*rules, more], arguments)
    if not isinstance(after, Unidentified):
        assert not isinstance(before, Unidentified)
        assert set(before) <= set(after)
