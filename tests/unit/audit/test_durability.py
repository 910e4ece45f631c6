"""What happens when the disk is slow, fails, or hangs. The disk is `os.fdatasync`; everything else is real."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import anyio
import pytest

from mcp_gateway.audit import Journal, verify
from mcp_gateway.errors import AuditUnavailable
from mcp_gateway.model.call import Answer, Caller, Permit
from mcp_gateway.model.tool import Risk
from tests.unit.audit.calls import OK, call, files, written

pytestmark = pytest.mark.anyio

_fdatasync = os.fdatasync


class Disk:
    def __init__(self) -> None:
        self.syncs = 0
        self.fails = False
        self.works = threading.Event()
        self.works.set()

    def fdatasync(self, file: int) -> None:
        self.works.wait(5)
        self.syncs += 1
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        _fdatasync(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Generator[Disk]:
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.fdatasync)
    yield disk
    disk.works.set()


class Upstream:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.syncs_before: list[int] = []

    async def __call__(self, permit: Permit, caller: Caller) -> Answer:
        self.syncs_before.append(self._disk.syncs)
        return OK


async def until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not happened():
            await anyio.sleep(0.005)


@pytest.mark.parametrize("risk", [Risk.WRITE, Risk.DESTRUCTIVE])
async def test_a_call_that_may_change_something_waits_for_the_disk_twice(
    tmp_path: Path, disk: Disk, risk: Risk
) -> None:
    upstream = Upstream(disk)
    async with Journal(tmp_path) as journal:
        await call(journal, upstream, risk=risk)
        assert upstream.syncs_before == [1]
        assert disk.syncs == 2


async def test_a_read_does_not_wait_but_is_synced_soon(tmp_path: Path, disk: Disk) -> None:
    upstream = Upstream(disk)
    async with Journal(tmp_path) as journal:
        await call(journal, upstream)
        assert (upstream.syncs_before, disk.syncs) == ([0], 0)
        await until(lambda: disk.syncs == 1)


async def test_host_durability_makes_reads_denials_and_lists_wait_as_well(tmp_path: Path, disk: Disk) -> None:
    async with Journal(tmp_path, durability="host") as journal:
        await call(journal)
        assert disk.syncs == 2


async def test_an_event_is_on_the_disk_when_it_returns(tmp_path: Path, disk: Disk) -> None:
    async with Journal(tmp_path) as journal:
        await journal.event("login", "user:local/mira")
        assert disk.syncs == 1


async def test_many_who_wait_share_few_syncs(tmp_path: Path, disk: Disk) -> None:
    disk.works.clear()
    async with Journal(tmp_path, sync_deadline_seconds=5) as journal:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(journal.event, "login", "user:local/mira")
            await until(lambda: len(written(tmp_path)) == 100)
            disk.works.set()
        assert disk.syncs <= 2


async def test_what_does_not_reach_the_disk_is_not_called(tmp_path: Path, disk: Disk) -> None:
    disk.fails = True
    upstream = Upstream(disk)
    async with Journal(tmp_path) as journal:
        with pytest.raises(AuditUnavailable) as caught:
            await call(journal, upstream, risk=Risk.WRITE)
        disk.fails = False
        assert await call(journal, upstream, risk=Risk.WRITE, identifier="r-2") is OK
    assert caught.value.code == "audit.unavailable"
    assert len(upstream.syncs_before) == 1
    outcomes = [record for record in written(tmp_path) if record["kind"] == "outcome"]
    assert [(record["request"], record["outcome"], record["sent"]) for record in outcomes] == [
        ("r-1", "unavailable", False),
        ("r-2", "ok", True),
    ]
    assert len(files(tmp_path)) == 2, "the file whose sync failed gets no more records"
    assert verify(tmp_path).whole


async def test_an_outcome_that_does_not_reach_the_disk_withholds_the_answer(tmp_path: Path, disk: Disk) -> None:
    async def breaks_the_disk(permit: Permit, caller: Caller) -> Answer:
        disk.fails = True
        return OK

    async with Journal(tmp_path) as journal:
        with pytest.raises(AuditUnavailable):
            await call(journal, breaks_the_disk, risk=Risk.WRITE)
        disk.fails = False


async def test_a_disk_that_hangs_refuses_calls_in_time_and_works_again(tmp_path: Path, disk: Disk) -> None:
    disk.works.clear()
    upstream = Upstream(disk)
    async with Journal(tmp_path, sync_deadline_seconds=0.05) as journal:
        with anyio.fail_after(2), pytest.raises(AuditUnavailable):
            await call(journal, upstream, risk=Risk.WRITE)
        assert upstream.syncs_before == []
        disk.works.set()
        await until(lambda: disk.syncs >= 1)
        assert await call(journal, upstream, risk=Risk.WRITE) is OK


async def test_a_cancelled_write_reaches_the_disk_before_it_ends(tmp_path: Path, disk: Disk) -> None:
    left = anyio.Event()

    async def forward(permit: Permit, caller: Caller) -> Answer:
        left.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with Journal(tmp_path) as journal:
        async with anyio.create_task_group() as tasks:

            async def cancelled_call() -> None:
                await call(journal, forward, risk=Risk.WRITE)

            tasks.start_soon(cancelled_call)
            await left.wait()
            tasks.cancel_scope.cancel()
        assert disk.syncs == 2
        assert written(tmp_path)[-1]["outcome"] == "unknown"


async def test_closing_brings_the_rest_to_the_disk(tmp_path: Path, disk: Disk) -> None:
    async with Journal(tmp_path) as journal:
        await call(journal)
    assert disk.syncs >= 1
