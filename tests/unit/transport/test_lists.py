"""Pages of a list: everything once, in order, for one principal; and what is kept is never another's or of before."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import ToolId, agent_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, ReviewState, Risk, Tool
from mcp_gateway.transport.lists import PAGE_SIZE, Pages
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.verbs import Offer

MODERN = Request("r", Era.MODERN, "2026-07-28", "docs", None, {}, None)
LEGACY = Request("r", Era.LEGACY, "2025-11-25", "docs", None, {}, None)


def tool(number: int, *, said: str = "") -> Tool:
    name = f"t{number:05}"
    definition: dict[str, Any] = {"name": name, "description": said, "inputSchema": {"type": "object"}}
    state = ReviewState.APPROVED
    return Tool(ToolId(f"tool:docs/{name}"), "docs", name, name, Risk.READ, state, "d", definition, ())


TOOLS = [tool(number) for number in range(2 * PAGE_SIZE + 500)]
EVERYTHING = frozenset(one.id for one in TOOLS)


def principal(name: str = "mira") -> Principal:
    return Principal(user_id("local", name), agent_id("local", "a"), frozenset(), "https://gw/mcp/docs", "t", 9)


def offer(
    visible: frozenset[ToolId] = EVERYTHING, *, tools: list[Tool] = TOOLS, generation: tuple[int, str] = (1, "")
) -> Offer:
    return Offer(Kind.TOOL, tools, visible, generation, lambda _: False)


def pages() -> Pages:
    return Pages(Sealer([b"k" * 32], clock=lambda: 0.0))


def shown(page: bytes) -> list[str]:
    return [one["name"] for one in orjson.loads(page)["tools"]]


def walked(made: Pages, offered: Offer, request: Request = MODERN) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: object = None
    while True:
        page = made.page(offered, request, principal(), cursor=cursor)
        found.append(shown(page))
        cursor = orjson.loads(page).get("nextCursor")
        if cursor is None:
            return found


@given(st.sets(st.integers(0, len(TOOLS) - 1), max_size=50))
def test_page_after_page_shows_everything_visible_once_and_in_order(left_out: set[int]) -> None:
    visible = EVERYTHING - {TOOLS[number].id for number in left_out}
    found = walked(pages(), offer(visible))
    assert [name for page in found for name in page] == [one.name for one in TOOLS if one.id in visible]
    assert all(len(page) == PAGE_SIZE for page in found[:-1])


def test_a_list_that_fits_has_no_cursor_and_is_the_same_bytes_again() -> None:
    made, few = pages(), offer(frozenset(one.id for one in TOOLS[:PAGE_SIZE]))
    first = made.page(few, MODERN, principal())
    assert "nextCursor" not in orjson.loads(first)
    assert made.page(few, MODERN, principal()) is first


def test_an_era_gets_its_own_page() -> None:
    made, few = pages(), offer(frozenset(one.id for one in TOOLS[:2]))
    modern, legacy = (orjson.loads(made.page(few, request, principal())) for request in (MODERN, LEGACY))
    assert modern["resultType"] == "complete" and modern["cacheScope"] == "private"
    assert "resultType" not in legacy


def test_what_one_may_not_use_is_on_nobody_elses_page() -> None:
    made = pages()
    for number in range(50):
        visible = frozenset(one.id for one in TOOLS[number : number + 5])
        assert shown(made.page(offer(visible), MODERN, principal())) == [one.name for one in TOOLS[number : number + 5]]


def test_a_changed_catalog_is_shown_though_the_same_may_be_used() -> None:
    made, visible = pages(), frozenset({TOOLS[0].id})
    made.page(offer(visible, tools=[tool(0)]), MODERN, principal())
    again = made.page(offer(visible, tools=[tool(0, said="other")], generation=(2, "")), MODERN, principal())
    assert orjson.loads(again)["tools"][0]["description"] == "other"


def test_kept_pages_are_bounded_in_bytes() -> None:
    made = pages()
    large = [tool(number, said="x" * 100_000) for number in range(20)]
    for number in range(200):
        visible = frozenset(one.id for one in large[: 1 + number % 20])
        made.page(offer(visible, tools=large), MODERN, principal())
    # A gateway that many people list from must not keep a page for each of them.
    kept = made._whole._kept.values()  # pyright: ignore[reportPrivateUsage]
    assert 0 < sum(len(page) for _, _, page in kept) <= 4_194_304


def test_a_cursor_is_for_whom_it_was_made() -> None:
    made = pages()
    cursor = orjson.loads(made.page(offer(), MODERN, principal()))["nextCursor"]
    for who, said in ((principal("omar"), cursor), (principal(), cursor[:-2]), (principal(), 7)):
        with pytest.raises(BadRequest) as refused:
            made.page(offer(), MODERN, who, cursor=said)
        assert refused.value.code == "cursor.invalid"


def test_a_cursor_behind_a_tool_that_is_gone_says_to_begin_anew() -> None:
    made = pages()
    cursor = orjson.loads(made.page(offer(), MODERN, principal()))["nextCursor"]
    left = [one for one in TOOLS if one.name != f"t{PAGE_SIZE - 1:05}"]
    with pytest.raises(BadRequest, match="start again") as refused:
        made.page(offer(tools=left, generation=(2, "")), MODERN, principal(), cursor=cursor)
    assert refused.value.code == "cursor.invalid"
