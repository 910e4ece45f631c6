"""The changelog as one process follows it, and all relationships as they are read at a start."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from mcp_gateway.storage import Change, ChangeFeed, Database
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import Condition, RelationshipTuple, Stored, read_all, write_tuple

pytestmark = pytest.mark.anyio

EXPIRY = Condition("grant_expiry", {"expires_at": "2030-01-01T00:00:00Z"})


class Slow:
    """A room that takes some turns of the event loop."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.seen: list[int] = []

    async def follow(self, changes: Sequence[Change]) -> None:
        self.begun.set()
        for _ in range(20):
            await checkpoint()
        self.seen += [change.revision for change in changes]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    migrate(tmp_path / "gateway.db")
    made = Database(tmp_path / "gateway.db")
    yield made
    await made.close()


async def _write(database: Database, *names: str) -> None:
    async with database.write("os:test") as transaction:
        for name in names:
            await write_tuple(transaction, RelationshipTuple(f"group:{name}", "member", "user:local/mira"))


async def test_a_feed_that_begins_now_tells_only_what_comes_later(database: Database) -> None:
    await _write(database, "a", "b")
    feed, room = ChangeFeed(database), Slow()
    await feed.begin()
    feed.add(room)
    await feed.catch_up()
    await _write(database, "c")
    await feed.keep_up()
    feed.close()
    assert room.seen == [3]


async def test_a_caller_who_gives_up_leaves_no_room_behind_the_others(database: Database) -> None:
    feed, first, second = ChangeFeed(database), Slow(), Slow()
    feed.add(first)
    feed.add(second)
    await _write(database, "a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.keep_up)
        await first.begun.wait()
        tasks.cancel_scope.cancel()
    await feed.keep_up()
    feed.close()
    assert first.seen == second.seen == [1]


async def test_every_tuple_is_read_as_of_one_revision(database: Database) -> None:
    await _write(database, *(f"g{number}" for number in range(2_500)))
    async with database.write("os:test") as transaction:
        await write_tuple(transaction, RelationshipTuple("grant:1", "active", "user:*", EXPIRY))
    batches: list[Sequence[Stored]] = []
    assert await read_all(database, batches.append) == 2_501
    rows = [row for batch in batches for row in batch]
    assert len(batches) == 2
    assert len(rows) == 2_501
    assert ("grant:1", "active", "user:*", "grant_expiry", '{"expires_at": "2030-01-01T00:00:00Z"}') in rows
    assert ("group:g7", "member", "user:local/mira", None, None) in rows
