"""What people read of a tool is what stands there, and nothing they cannot see."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.inspection.definition import MAX_DESCRIPTION, Parameter, describe, one_line, readable
from mcp_gateway.model.tool import Kind


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("zero width", "read\u200b only", "read only"),
        ("reversed", "safe\u202eelif eteled\u202c", "safeelif eteled"),
        ("tag letters", "hi\U000e0041\U000e0042", "hi"),
        ("variation selectors", "x\ufe0f\U000e0101y", "xy"),
        ("hangul filler", "a\u3164b", "ab"),
        ("terminal escape", "\x1b[31mred", "[31mred"),
        ("line separators", "one\u2028two\x0bthree", "one\ntwo\nthree"),
        ("wide gap", "a\n\n\n\n\nb", "a\n\nb"),
        ("exotic space", "a\u00a0\u3000b", "a  b"),
        ("lone surrogate", "a\ud800b", "ab"),
        ("private use", "a\ue000b", "ab"),
        ("accents stay", "Größe 東京", "Größe 東京"),
    ],
)
def test_what_cannot_be_seen_is_not_shown(name: str, text: str, shown: str) -> None:
    assert readable(text, 100) == shown


@given(st.text(max_size=400), st.integers(min_value=1, max_value=80))
def test_readable_text_is_short_and_visible(text: str, limit: int) -> None:
    shown = readable(text, limit)
    assert len(shown) <= limit
    assert all(c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"} for c in shown)
    assert "\n" not in one_line(text, limit)


def test_a_wall_of_words_is_cut_with_a_mark() -> None:
    shown = describe({"description": "word " * 100_000}).description
    assert len(shown) <= MAX_DESCRIPTION
    assert shown.endswith("…")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["integer", "null"]}, "integer or null"),
        ({"type": "array", "items": {"type": "string"}}, "array of string"),
        ({"type": "array"}, "array"),
        ({"enum": ["a", 1, None, True]}, "one of a, 1, null, true"),
        ({"enum": list(range(20))}, "one of 0, 1, 2, 3, 4, 5, 6, 7, …"),
        ({"const": False}, "always false"),
        ({"anyOf": [{"type": "string"}, {"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"$ref": "#/$defs/Ticket"}, "Ticket"),
        (True, "any"),
        ({}, "any"),
        ({"type": 7}, "any"),
        ({"type": "array", "items": {"type": "array", "items": True}}, "array of array of any"),
    ],
)
def test_a_parameter_type_reads_as_words(schema: Any, words: str) -> None:
    [parameter] = describe({"inputSchema": {"properties": {"it": schema}}}).parameters
    assert parameter.type == words


def test_required_parameters_come_first_in_their_own_order() -> None:
    schema = {"properties": {"c": {}, "a": {"description": "why\u200b"}, "b": {}}, "required": ["b", "a"]}
    names = [(p.name, p.required) for p in describe({"inputSchema": schema}).parameters]
    assert names == [("a", True), ("b", True), ("c", False)]
    assert describe({"inputSchema": schema}).parameters[0] == Parameter("a", "any", True, "why")


@pytest.mark.parametrize("loop", ["items", "anyOf"])
def test_a_deeply_nested_schema_is_read_to_a_bound(loop: str) -> None:
    schema: Any = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema} if loop == "items" else {"anyOf": [schema]}
    [parameter] = describe({"inputSchema": {"properties": {"deep": schema}}}).parameters
    assert "any" in parameter.type


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
keys = st.sampled_from(["title", "description", "annotations", "inputSchema"])
inner_keys = st.sampled_from(["properties", "required", "type", "enum", "anyOf", "items", "$ref", "title"])


@given(st.dictionaries(keys, json_values | st.dictionaries(inner_keys, json_values, max_size=5), max_size=4))
def test_any_definition_at_all_can_be_described(definition: dict[str, Any]) -> None:
    describe(definition)


def test_the_title_falls_back_to_the_annotation() -> None:
    assert describe({"annotations": {"title": "Read\na ticket"}}).title == "Read a ticket"
    assert describe({"title": "One", "annotations": {"title": "Two"}}).title == "One"


def test_a_prompt_takes_its_arguments_and_a_template_its_variables() -> None:
    arguments = [{"name": "b"}, {"name": "a\u202e", "required": True, "description": "which"}, "odd", {"required": 1}]
    prompt = describe({"name": "p", "title": "P", "arguments": arguments}, Kind.PROMPT)
    assert [(one.name, one.required) for one in prompt.parameters] == [("a", True), ("b", False)]
    template = describe({"uriTemplate": "x://{id}{?q}", "name": "One"}, Kind.TEMPLATE)
    assert (template.title, [one.name for one in template.parameters]) == ("One", ["id", "q"])
    assert describe({"uriTemplate": "{", "arguments": 7}, Kind.TEMPLATE).parameters == ()
    assert describe({"uri": "x://a", "name": "A", "title": "B"}, Kind.RESOURCE).title == "B"
