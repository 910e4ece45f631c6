"""Whoever gives up on the store leaves nothing behind that cannot end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from mcp_gateway.storage.database import Database, migrate

pytestmark = pytest.mark.anyio

_SLOW = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT max(i) FROM n")


async def test_a_read_that_is_given_up_leaves_no_task_that_waits_for_ever(tmp_path: Path) -> None:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    before = asyncio.all_tasks()
    for number in range(60):
        with anyio.move_on_after(0.0002 * (number % 20)):
            async with database.read() as connection:
                await connection.execute(_SLOW)
    await database.close()
    with anyio.fail_after(10):
        while asyncio.all_tasks() - before:
            await anyio.sleep(0.01)


async def test_a_write_that_is_given_up_leaves_no_task_that_waits_for_ever(tmp_path: Path) -> None:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    before = asyncio.all_tasks()
    for number in range(60):
        with anyio.move_on_after(0.0004 * (number % 20)):
            async with database.write("os:test") as transaction:
                await transaction.changed("test.written", {"number": number})
                await transaction.connection.execute(_SLOW)
    await database.close()
    with anyio.fail_after(10):
        while asyncio.all_tasks() - before:
            await anyio.sleep(0.01)
