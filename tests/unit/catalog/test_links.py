"""What a result linked to can be read by who was handed it, and by nobody else."""

from __future__ import annotations

from typing import Any

from mcp_gateway.catalog.links import LINK_SECONDS, Links
from mcp_gateway.model.ids import agent_id, tool_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import ReviewState, Risk, Tool

TOOL = Tool(tool_id("s", "find"), "s", "find", "s__find", Risk.READ, ReviewState.APPROVED, "d", {"name": "find"}, ())


def principal(user: str = "mira", agent: str = "docs") -> Principal:
    return Principal(user_id("local", user), agent_id("local", agent), frozenset(), "http://gw/mcp", "j", 1)


def link(uri: Any) -> dict[str, Any]:
    return {"type": "resource_link", "uri": uri, "name": "n"}


def test_a_link_is_known_to_the_principal_that_was_handed_it_only() -> None:
    links = Links()
    links.remember(principal(), TOOL, {"id": "1"}, [link("note://1")])
    found = links.find(principal(), "s", "note://1")
    assert found is not None
    assert (found.tool, found.arguments) == (TOOL, {"id": "1"})
    assert links.find(principal(agent="other"), "s", "note://1") is None
    assert links.find(principal("noor"), "s", "note://1") is None
    assert links.find(principal(), "t", "note://1") is None
    assert links.find(principal(), None, "note://1") is None


def test_a_web_address_is_found_without_knowing_the_server() -> None:
    links = Links()
    links.remember(principal(), TOOL, {}, [link("https://example.com/1")])
    assert links.find(principal(), None, "https://example.com/1") is not None


def test_a_link_is_forgotten_after_an_hour_and_when_there_are_too_many() -> None:
    now = 0.0
    links = Links(clock=lambda: now, kept=2)
    links.remember(principal(), TOOL, {}, [link("note://1")])
    now = LINK_SECONDS
    assert links.find(principal(), "s", "note://1") is None
    links.remember(principal(), TOOL, {}, [link("note://1"), link("note://2"), link("note://3")])
    assert links.find(principal(), "s", "note://1") is None
    assert links.find(principal(), "s", "note://3") is not None


def test_one_principals_many_links_push_out_nobody_elses() -> None:
    links = Links(kept=2)
    links.remember(principal("noor"), TOOL, {}, [link("note://1")])
    links.remember(principal(), TOOL, {}, [link(f"note://{number}") for number in range(50)])
    assert links.find(principal("noor"), "s", "note://1") is not None
    assert links.find(principal(), "s", "note://1") is None


def test_what_is_no_link_or_too_large_is_not_kept() -> None:
    links = Links()
    links.remember(principal(), TOOL, {}, [link(1), link("n:" + "x" * 3000), {"type": "resource"}, "note://1", None])
    links.remember(principal(), TOOL, {"blob": "x" * 3000}, [link("note://1")])
    links.remember(principal(), TOOL, {"number": 1 << 70}, [link("note://1")])
    assert links.find(principal(), "s", "note://1") is None
