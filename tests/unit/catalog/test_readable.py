"""Which resource or template a URI stands for: one, or none that anybody may read."""

from __future__ import annotations

import pytest

from mcp_gateway.catalog.index import exposed
from mcp_gateway.catalog.readable import find, shelf
from mcp_gateway.model.ids import is_digest, item_id
from mcp_gateway.model.tool import Kind, ReviewState, Risk, Tool


def offer(name: str, *, server: str = "docs", state: ReviewState = ReviewState.APPROVED) -> Tool:
    kind = Kind.TEMPLATE if "{" in name else Kind.RESOURCE
    public = exposed(kind, server, name)
    return Tool(item_id(kind, server, name), server, name, public, Risk.READ, state, "d", {}, (), kind=kind)


def found(uri: str, *offers: Tool) -> str | None:
    """The text of what `uri` stands for."""
    by_server = [[one for one in offers if one.server == server] for server in sorted({one.server for one in offers})]
    one = find([shelf(tools) for tools in by_server], uri)
    return one[0].name if one else None


def test_a_listed_resource_goes_before_every_template() -> None:
    assert found("d://a", offer("d://{id}"), offer("d://a")) == "d://a"
    assert found("d://b", offer("d://{id}"), offer("d://a")) == "d://{id}"
    assert found("e://b", offer("d://{id}"), offer("d://a")) is None


@pytest.mark.parametrize("state", [ReviewState.PENDING, ReviewState.CHANGED, ReviewState.QUARANTINED])
def test_what_waits_for_a_reviewer_cannot_be_read_through_a_template(state: ReviewState) -> None:
    assert found("d://a", offer("d://{id}"), offer("d://a", state=state)) is None
    assert found("d://a", offer("d://{+any}"), offer("d://{id}", state=ReviewState.PENDING)) is None


def test_what_is_listed_no_more_is_what_the_template_says() -> None:
    assert found("d://a", offer("d://{id}"), offer("d://a", state=ReviewState.MISSING)) == "d://{id}"


@pytest.mark.parametrize(
    "spelling", ["d://Secret", "d://secret/", "d:///secret", "d://%73ecret", "d://secret?", "d://x/../secret"]
)
def test_another_spelling_of_a_listed_resource_is_refused(spelling: str) -> None:
    assert found(spelling, offer("d://{+any}"), offer("d://secret")) is None


def test_what_is_switched_off_by_its_name_cannot_be_read_through_a_template_though_no_list_has_it() -> None:
    long = "d://" + "x" * 300
    off = [item_id("resource", "docs", uri).partition("/")[2] for uri in ("d://Secret", long)]
    assert is_digest(off[1])
    shelves = [shelf([offer("d://{+any}")], off)]
    assert [find(shelves, uri) for uri in ("d://Secret", "d://secret/", long)] == [None, None, None]
    assert find(shelves, "d://other") is not None


def test_a_query_that_the_template_names_is_no_other_spelling() -> None:
    assert found("d://now?city=x", offer("d://now{?city}"), offer("d://now")) == "d://now{?city}"


def test_the_most_literal_template_decides_then_the_narrower_one_then_the_name() -> None:
    assert found("d://x/1", offer("d://{+any}"), offer("d://x/{id}")) == "d://x/{id}"
    assert found("d://1", offer("d://{+any}"), offer("d://{id}")) == "d://{id}"
    assert found("d://1", offer("d://{b}"), offer("d://{a}")) == "d://{a}"


def test_a_uri_that_the_deciding_template_cannot_read_goes_to_no_other() -> None:
    assert found("d://a-b-c", offer("d://{id}"), offer("d://{x}-{y}")) is None


def test_a_web_address_that_two_servers_list_is_nobodys() -> None:
    one, two = offer("https://h/a", server="one"), offer("https://h/a", server="two")
    assert found("https://h/a", one) == "https://h/a"
    assert found("https://h/a", one, two) is None
    assert found("https://h/a", one, offer("https://h/{x}", server="two")) == "https://h/a"
