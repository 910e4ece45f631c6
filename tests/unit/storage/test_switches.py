"""Kill switches in a real store: kept apart from the review, followed by every process, remembered when on again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_gateway.model.tool import Kind, ReviewState, Risk
from mcp_gateway.storage import ChangeFeed, Database
from mcp_gateway.storage.catalog import ServerRow, ToolRow, follow_switch, put_server, put_tool, server_rows
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import all_tuples
from mcp_gateway.storage.switches import Switches, is_off, switch_off, switch_on, switched_off

pytestmark = pytest.mark.anyio

SERVER = ServerRow("notes", enabled=True, protocol_version=None, last_seen_at=None, last_error=None)
TOOL = ToolRow("notes", "read", ReviewState.APPROVED, Risk.READ, "d", {}, "d", "os:ana", 1.0, None, 1.0)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    yield database
    await database.close()


async def enabled(database: Database) -> set[str]:
    _, facts = await all_tuples(database)
    return {fact.object for fact in facts if fact.relation == "enabled"}


async def test_a_switch_is_turned_once_and_keeps_its_first_reason(database: Database) -> None:
    async with database.write("os:ana") as transaction:
        assert await switch_off(transaction, "user:local/mira", "lost laptop")
    async with database.write("os:ben") as transaction:
        assert not await switch_off(transaction, "user:local/mira", "again")
        assert await is_off(transaction, "agent:local/x", "user:local/mira")
    assert [(row.object, row.reason, row.off_by) for row in await switched_off(database)] == [
        ("user:local/mira", "lost laptop", "os:ana")
    ]
    async with database.write("os:ben") as transaction:
        assert await switch_on(transaction, "user:local/mira")
        assert not await switch_on(transaction, "user:local/mira")
    assert await switched_off(database) == []


async def test_every_process_learns_of_a_switch_and_remembers_when_it_was_off(database: Database) -> None:
    switches, feed = Switches(database), ChangeFeed(database)
    feed.add(switches)
    try:
        await feed.catch_up()
        async with database.write("os:ana") as transaction:
            await switch_off(transaction, "user:local/mira", "lost laptop")
            at = transaction.now
        await feed.keep_up()
        assert switches.any_off("agent:local/x", "user:local/mira") == "user:local/mira"
        async with database.write("os:ana") as transaction:
            await switch_on(transaction, "user:local/mira")
        await feed.keep_up()
        assert switches.any_off("user:local/mira") is None
        assert switches.last_off("user:local/mira") == at
        later = Switches(database)
        await later.load()
        assert (later.any_off("user:local/mira"), later.last_off("user:local/mira")) == (None, at)
    finally:
        feed.close()


@pytest.mark.parametrize(
    ("kind", "item"),
    [(Kind.TOOL, "tool:notes/read"), (Kind.PROMPT, "prompt:notes/read"), (Kind.TEMPLATE, "resource:notes/read")],
)
async def test_what_is_switched_off_stays_off_through_reviews_and_discoveries(
    database: Database, kind: Kind, item: str
) -> None:
    row = replace(TOOL, kind=kind)
    async with database.write("os:ana") as transaction:
        await put_server(transaction, SERVER)
        await put_tool(transaction, row)
    assert await enabled(database) == {"server:notes", item}
    async with database.write("os:ana") as transaction:
        for identifier in ("server:notes", item):
            await switch_off(transaction, identifier, "incident")
            await follow_switch(transaction, identifier)
    async with database.write("gateway") as transaction:
        # As a discovery would that had read its rows before the switch was turned.
        await put_server(transaction, SERVER)
        await put_tool(transaction, row)
    assert await enabled(database) == set()
    assert [row.enabled for row in await server_rows(database)] == [False]
    async with database.write("os:ana") as transaction:
        for identifier in ("server:notes", item):
            await switch_on(transaction, identifier)
            await follow_switch(transaction, identifier)
    assert await enabled(database) == {"server:notes", item}
