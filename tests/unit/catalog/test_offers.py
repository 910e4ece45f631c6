"""What makes a prompt, resource or template unfit to be listed, and what of it a reviewer approves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.offers import NAME_FIELD, finding, pinned
from mcp_gateway.model.tool import Kind

SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
FIELDS = st.sampled_from(["name", "uri", "uriTemplate", "arguments", "annotations", "size", "title", "required"])


def argument(**said: Any) -> dict[str, Any]:
    return {"arguments": [said]}


@pytest.mark.parametrize(
    ("kind", "name", "definition", "says"),
    [
        (Kind.PROMPT, "Plan a trip", {}, None),
        (Kind.PROMPT, "p", {"arguments": None}, None),
        (Kind.PROMPT, "p", argument(name="a", required=True), None),
        (Kind.PROMPT, "p", {"arguments": [{"name": "a"}, {"name": "a"}]}, "of its own"),
        (Kind.PROMPT, "p", argument(name=7), "of its own"),
        (Kind.PROMPT, "p", argument(name="a", required="yes"), "true or false"),
        (Kind.PROMPT, "p", argument(name="a\u202e"), "invisible"),
        (Kind.PROMPT, "p", {"arguments": {}}, "not a list"),
        (Kind.PROMPT, "p", {"arguments": [{"name": str(number)} for number in range(101)]}, "at most 100"),
        (Kind.PROMPT, "p\x1b[2J", {}, "control"),
        (Kind.PROMPT, "p" * 2_049, {}, "longer"),
        (Kind.TOOL, "t" * 129, {}, "longer"),
        (Kind.RESOURCE, "note://a", {"name": "A"}, None),
        (Kind.RESOURCE, "note://a", {}, "no name"),
        (Kind.RESOURCE, "note://a", {"name": "a\x07"}, "control"),
        (Kind.RESOURCE, "note://{id}", {"name": "A"}, "RFC 3986"),
        (Kind.TEMPLATE, "note://{id}", {"name": "A"}, None),
        (Kind.TEMPLATE, "note://a", {"name": "A"}, "expressions"),
        (Kind.TEMPLATE, "note://{id}", {"name": ""}, "no name"),
    ],
)
def test_what_clients_could_not_use_is_found(
    kind: Kind, name: str, definition: dict[str, Any], says: str | None
) -> None:
    found = finding(kind, name, definition)
    assert found is None if says is None else says in (found or "")


@given(st.sampled_from(Kind), st.text(max_size=30), st.dictionaries(FIELDS | st.text(max_size=4), JSON, max_size=6))
def test_whatever_a_server_says_of_it_is_looked_at_without_failing(
    kind: Kind, name: str, definition: dict[str, Any]
) -> None:
    finding(kind, name, {**definition, NAME_FIELD[kind]: name})
    kept = pinned(kind, definition)
    assert set(kept) <= set(definition)
    assert kind is Kind.RESOURCE or kept == definition
    assert {field: value for field, value in kept.items() if field not in {"annotations", "size"}} == {
        field: value for field, value in definition.items() if field not in {"annotations", "size"}
    }
