"""What the endpoints call prompts and resources, and whose a URI is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import AccessDenied
from mcp_gateway.model.tool import Kind, ReviewState, Risk, ToolPolicy
from mcp_gateway.storage import Database
from mcp_gateway.storage.catalog import put_tool
from mcp_gateway.storage.database import migrate
from tests.support.first_party import tool_row, upstream

pytestmark = pytest.mark.anyio

WEB, NOTE, ONE, LATER = "https://h/a", "note://today", "note://{id}", "note://later"
NONE: dict[str, ToolPolicy] = {}


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncGenerator[Catalog]:
    """Two servers that offer the same; the notes of `two` wait for a reviewer."""
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    async with database.write("os:ana") as transaction:
        for server in ("one", "two"):
            waits = ReviewState.APPROVED if server == "one" else ReviewState.PENDING
            await put_tool(transaction, tool_row(server, "get", Risk.READ))
            await put_tool(transaction, tool_row(server, "get", Risk.READ, kind=Kind.PROMPT))
            await put_tool(transaction, tool_row(server, WEB, Risk.READ, kind=Kind.RESOURCE))
            await put_tool(transaction, tool_row(server, NOTE, Risk.READ, kind=Kind.RESOURCE, state=waits))
            await put_tool(transaction, tool_row(server, ONE, Risk.READ, kind=Kind.TEMPLATE, state=waits))
        await put_tool(transaction, tool_row("one", LATER, Risk.READ, kind=Kind.RESOURCE, state=ReviewState.CHANGED))
    made = Catalog(database)
    await made.declare([upstream("one", NONE), upstream("two", NONE)])
    yield made
    await database.close()


def refusal(catalog: Catalog, endpoint: str | None, uri: str) -> str:
    with pytest.raises(AccessDenied) as refused:
        catalog.readable(endpoint, uri)
    return refused.value.code


async def test_each_kind_has_its_own_list_and_names(catalog: Catalog) -> None:
    assert [tool.exposed for tool in catalog.listing(None, Kind.PROMPT).tools] == ["one__get", "two__get"]
    assert [tool.exposed for tool in catalog.listing(None, Kind.TEMPLATE).tools] == ["one+note://{id}"]
    assert list(catalog.listing("one", Kind.RESOURCE).by_name) == [WEB, NOTE]
    assert catalog.resolve("one", "get").kind is Kind.TOOL
    assert catalog.resolve("one", "get", Kind.PROMPT).id == "prompt:one/get"
    with pytest.raises(AccessDenied) as refused:
        catalog.resolve("one", "one__get", Kind.PROMPT)
    assert refused.value.code == "prompt.unavailable"
    assert [tool.kind for tool in catalog.every(*Kind) if tool.server == "two"] == [
        Kind.TOOL,
        Kind.PROMPT,
        Kind.RESOURCE,
        Kind.RESOURCE,
        Kind.TEMPLATE,
    ]


async def test_a_web_address_of_two_servers_is_read_by_the_name_that_tells_them_apart(catalog: Catalog) -> None:
    listed = {tool.exposed for tool in catalog.listing(None, Kind.RESOURCE).tools}
    assert listed == {f"one+{WEB}", f"two+{WEB}", f"one+{NOTE}"}
    assert refusal(catalog, None, WEB) == "resource.unavailable"
    tool, own, values = catalog.readable(None, f"two+{WEB}")
    assert (tool.server, own, values) == ("two", WEB, {})
    assert catalog.readable("two", WEB)[0].server == "two"


async def test_the_server_in_a_uri_decides_who_is_asked(catalog: Catalog) -> None:
    tool, own, values = catalog.readable(None, "one+note://7")
    assert (tool.name, own, values) == (ONE, "note://7", {"id": "7"})
    for endpoint, uri in ((None, "two+note://7"), (None, "note://7"), ("two", NOTE), ("three", WEB), (None, "")):
        assert refusal(catalog, endpoint, uri) == "resource.unavailable"


async def test_what_a_list_has_is_looked_for_nowhere_else(catalog: Catalog) -> None:
    assert catalog.unlisted(None, "one+file:///x") == ("one", "file:///x")
    assert catalog.unlisted("two", "file:///x") == ("two", "file:///x")
    assert catalog.unlisted(None, "https://example.com/nowhere") == (None, "https://example.com/nowhere")
    for endpoint, uri in ((None, f"one+{LATER}"), ("one", "note://LATER"), ("two", NOTE), (None, WEB), (None, "x://y")):
        assert catalog.unlisted(endpoint, uri) is None, uri
