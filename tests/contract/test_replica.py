"""The replica beside a real OpenFGA server: what others write reaches it, and a silent server ends its answers."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from mcp_gateway.authorization import Authorization
from mcp_gateway.authorization.backends.replica import Pace
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.tool import Risk
from tests.support.backends import ReplicaBench, openfga_at, publish, replica_of
from tests.support.openfga import openfga
from tests.unit.authorization.world import AGENT, MIRA, allowed_rows, mira, row, tool

pytestmark = pytest.mark.anyio

READ = tool("ticket_get")
WRITE = tool("ticket_set", Risk.WRITE)
DELEGATION = (MIRA, "delegator", AGENT)
WAIT_SECONDS = 20.0
PACE = Pace(max_staleness_seconds=2.0, look_seconds=0.05, reconcile_seconds=3600.0)
RECONCILING = Pace(max_staleness_seconds=5.0, look_seconds=0.05, reconcile_seconds=0.2)


class Stage:
    def __init__(self, bench: ReplicaBench) -> None:
        self.bench = bench
        self.server = bench.remote.server
        self.authorization = Authorization(bench.relationships)
        bench.changed.append(self.authorization.forget)

    async def read_allowed(self) -> bool:
        return (await self.authorization.decide(mira(), READ, {}, now=time.time())).allowed

    async def write_allowed(self) -> bool:
        return (await self.authorization.decide(mira(), WRITE, {}, now=time.time())).allowed

    async def stale(self) -> bool:
        try:
            await self.read_allowed()
        except AuthorizationUnavailable as exc:
            return exc.code == "relationship.stale"
        return False

    def signal(self, number: int) -> None:
        assert self.server.running is not None
        os.kill(self.server.running.pid, number)


async def staged(folder: Path, pace: Pace) -> AsyncGenerator[Stage]:
    # A server of its own, which is stopped and killed, with a file that outlives it.
    with openfga(folder / "openfga") as server:
        identifier = server.new_store()
        publish(server, identifier)
        async with openfga_at(folder, server, identifier) as remote, replica_of(remote, pace=pace) as bench:
            await bench.write(*allowed_rows(READ, WRITE))
            yield Stage(bench)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async for made in staged(tmp_path, PACE):
        yield made


@pytest.fixture
async def reconciling(tmp_path: Path) -> AsyncGenerator[Stage]:
    async for made in staged(tmp_path, RECONCILING):
        yield made


async def eventually(check: Callable[[], Awaitable[bool]], expected: bool = True) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        while await check() is not expected:
            await anyio.sleep(0.01)


async def test_what_another_system_writes_into_the_server_reaches_the_replica(stage: Stage) -> None:
    assert await stage.read_allowed()
    stage.server.delete(stage.bench.remote.store, DELEGATION)
    await eventually(stage.read_allowed, expected=False)
    stage.server.write(stage.bench.remote.store, DELEGATION)
    await eventually(stage.read_allowed)


async def test_a_write_is_decided_by_what_the_server_holds_this_moment(stage: Stage) -> None:
    assert await stage.write_allowed()
    stage.server.delete(stage.bench.remote.store, DELEGATION)
    assert not await stage.write_allowed()


async def test_a_server_that_falls_silent_ends_reads_at_the_bound_and_is_followed_again_afterwards(
    stage: Stage,
) -> None:
    assert await stage.read_allowed()
    stage.signal(signal.SIGSTOP)
    try:
        assert await stage.read_allowed()
        await eventually(stage.stale)
    finally:
        stage.signal(signal.SIGCONT)
    await eventually(stage.stale, expected=False)
    assert await stage.read_allowed()


async def test_writes_are_denied_at_once_when_the_server_is_gone(stage: Stage) -> None:
    assert await stage.write_allowed()
    stage.server.kill()
    assert await stage.read_allowed()
    with pytest.raises(AuthorizationUnavailable):
        await stage.write_allowed()
    stage.server.begin()
    # Its answers count again when the client has tried it once more.
    await eventually(lambda: answered(stage.write_allowed))


async def test_what_we_take_away_is_gone_although_the_server_is_silent(stage: Stage) -> None:
    """The change stands in the store and counts here; that the server lacks it, the writer is told."""
    stage.bench.database.settle = None
    stage.server.kill()
    await stage.bench.delete(row(f"{MIRA} delegator {AGENT}"))
    assert not await answered(stage.read_allowed)


async def test_a_change_the_log_lost_is_found_repaired_and_alarmed(
    reconciling: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    assert await reconciling.read_allowed()
    # Around the server, so that its change log says nothing.
    with closing(sqlite3.connect(reconciling.server.folder / "openfga.db", isolation_level=None)) as database:
        gone = database.execute("DELETE FROM tuple WHERE relation = 'delegator'").rowcount
    assert gone == 1
    await eventually(reconciling.read_allowed, expected=False)
    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert alarms == [
        "the replica had missed 1 changes of the relationship server, now repaired: "
        f"{MIRA} delegator {AGENT} should be gone"
    ]


async def test_an_in_context_another_system_stored_denies_everything_until_it_is_gone(stage: Stage) -> None:
    bound = (MIRA, "in_context", AGENT)
    stage.server.write(stage.bench.remote.store, bound)
    await eventually(stage.read_allowed, expected=False)
    stage.server.delete(stage.bench.remote.store, bound)
    await eventually(stage.read_allowed)


async def test_a_server_that_hides_its_newest_changes_is_asked_and_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with openfga(tmp_path / "openfga", changelog_horizon_offset="1") as server:
        identifier = server.new_store()
        publish(server, identifier)
        async with openfga_at(tmp_path, server, identifier) as remote:
            await remote.write(*allowed_rows(READ, WRITE))
            async with replica_of(remote, pace=PACE, filled=False) as bench:
                stage = Stage(bench)
                await eventually(lambda: said("changelog-horizon-offset", caplog))
                assert await stage.read_allowed()
                server.delete(identifier, DELEGATION)
                assert not await stage.read_allowed()


async def said(words: str, caplog: pytest.LogCaptureFixture) -> bool:
    return any(words in record.getMessage() for record in caplog.records)


async def answered(ask: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await ask()
    except AuthorizationUnavailable:
        return False
