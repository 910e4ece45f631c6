"""What an upstream is told it may ask, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.model.call import Era
from mcp_gateway.upstream.capabilities import EVERYTHING, TASKS, UI, for_legacy, for_modern, refusal, told

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["form", "url", "tools", "listChanged", UI, "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SAID = st.dictionaries(st.sampled_from(["elicitation", "sampling", "roots", "extensions", "experimental"]), JSON)


@given(SAID)
def test_whatever_clients_say_legacy_sessions_are_few(said: dict[str, Any]) -> None:
    found = told(for_legacy(said))
    assert found.keys() <= EVERYTHING.keys()
    for kind, parts in found.items():
        assert parts.keys() <= EVERYTHING[kind].keys()
        assert all(parts[part] == EVERYTHING[kind][part] for part in parts)
    assert for_legacy(found) == for_legacy(said)


@given(SAID, st.sampled_from(list(Era)))
def test_a_modern_upstream_is_told_no_more_than_the_client_said(said: dict[str, Any], client: Era) -> None:
    found = for_modern(said, client)
    assert found.keys() <= said.keys() - {"experimental"}
    assert all(found[key].keys() <= said[key].keys() for key in found)


def test_extensions_travel_and_tasks_only_between_modern_peers() -> None:
    said = {"extensions": {TASKS: {}, "com.example/x": {"y": 1}}}
    assert for_modern(said, Era.MODERN) == said
    assert for_modern(said, Era.LEGACY) == {"extensions": {"com.example/x": {"y": 1}}}
    assert for_legacy(said) == ""


def test_roots_are_never_said_to_announce_their_changes() -> None:
    assert for_modern({"roots": {"listChanged": True}}, Era.MODERN) == {"roots": {}}


@pytest.mark.parametrize(
    ("declared", "method", "params", "code"),
    [
        ({"elicitation": {}}, "elicitation/create", {}, None),
        ({"elicitation": {}}, "elicitation/create", {"mode": "url"}, -32602),
        ({"elicitation": {"url": {}}}, "elicitation/create", {"mode": "url"}, None),
        ({"elicitation": {"url": {}}}, "elicitation/create", {}, -32602),
        ({"elicitation": {"form": {}}}, "elicitation/create", {"mode": ["form"]}, -32602),
        ({"sampling": {}}, "elicitation/create", {}, -32601),
        ({"sampling": {}}, "sampling/createMessage", {}, None),
        ({"sampling": {}}, "sampling/createMessage", {"tools": []}, -32602),
        ({"sampling": {"tools": {}}}, "sampling/createMessage", {"tools": []}, None),
        ({"roots": {}}, "roots/list", {}, None),
        ({}, "roots/list", {}, -32601),
        (EVERYTHING, "tools/call", {}, -32601),
        (EVERYTHING, "tasks/get", {}, -32601),
    ],
)
def test_an_upstream_may_ask_what_it_was_told_and_nothing_else(
    declared: dict[str, Any], method: str, params: dict[str, Any], code: int | None
) -> None:
    found = refusal(declared, method, params)
    assert (found[0] if found else None) == code
