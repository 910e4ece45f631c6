"""A listed tool says what a call also depends on, in `_meta`, under a key that is ours alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcp_gateway.model.ids import tool_id
from mcp_gateway.model.tool import ResourceRule, ReviewState, Risk, Tool
from mcp_gateway.transport.annotations import ACCESS, annotated

PLAIN = Tool(tool_id("t", "get"), "t", "get", "t__get", Risk.READ, ReviewState.APPROVED, "d", {}, ())
DEPENDS = replace(PLAIN, resources=(ResourceRule("can_read", "ticket", "/id", None),))
SAID = {"state": "depends", "resources": [{"type": "ticket", "relation": "can_read", "named_by": "/id"}]}


def test_a_plainly_callable_tool_is_shown_as_its_server_sent_it() -> None:
    definition = {"name": "get", "_meta": {"theirs": 1}}
    assert annotated(definition, PLAIN, depends=False) is definition


def test_a_tool_that_depends_on_a_resource_says_on_which() -> None:
    definition = {"name": "get", "_meta": {"theirs": 1}}
    assert annotated(definition, DEPENDS, depends=True) == {"name": "get", "_meta": {"theirs": 1, ACCESS: SAID}}
    assert definition == {"name": "get", "_meta": {"theirs": 1}}


def test_a_tool_a_rule_makes_depend_on_arguments_names_no_resource() -> None:
    shown = annotated({"name": "get"}, PLAIN, depends=True)
    assert shown["_meta"] == {ACCESS: {"state": "depends", "resources": []}}


@pytest.mark.parametrize("theirs", [None, "text", [1]])
def test_what_is_no_meta_of_theirs_does_not_hide_ours(theirs: Any) -> None:
    assert annotated({"name": "get", "_meta": theirs}, DEPENDS, depends=True)["_meta"] == {ACCESS: SAID}


def test_an_upstream_cannot_say_it_for_itself() -> None:
    forged = {"name": "get", "_meta": {ACCESS: {"state": "callable"}, "theirs": 1}}
    assert annotated(forged, PLAIN, depends=False)["_meta"] == {"theirs": 1}
    assert annotated(forged, DEPENDS, depends=True)["_meta"] == {"theirs": 1, ACCESS: SAID}
