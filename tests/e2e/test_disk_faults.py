"""The audit's disk is full, or fails: nothing is called that cannot be recorded, and when it is well calls go on.

The faults are put into the running gateway's system calls on its audit file, by strace.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.audited import audited, verified
from tests.support.counting import Counting, counting
from tests.support.crowd import AGENT, crowded
from tests.support.gateway import Installation
from tests.support.processes import Running, wait_until
from tests.support.wire import Answered, ModernClient

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        shutil.which("strace") is None, reason="strace puts the faults in; install it: apt-get install strace"
    ),
]

_REFUSED = ("audit.unavailable", 503)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Generator[Counting]:
    with counting(tmp_path_factory.mktemp("upstream")) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Counting) -> Installation:
    return crowded(tmp_path_factory.mktemp("faults") / "gateway", upstream)


@pytest.fixture
def numbers(upstream: Counting) -> Iterator[int]:
    """Beyond those of the test before."""
    return itertools.count(max(upstream.executed(), default=0) + 1000)


async def test_on_a_full_disk_nothing_is_called_and_with_room_again_it_goes_on(
    gateway: Installation, upstream: Counting, numbers: Iterator[int]
) -> None:
    await _through_a_fault(gateway, upstream, numbers, "write:error=ENOSPC", on_file=True, reads_go_on=False)


async def test_when_the_disk_fails_to_sync_no_write_is_called_and_when_it_is_well_it_goes_on(
    gateway: Installation, upstream: Counting, numbers: Iterator[int]
) -> None:
    await _through_a_fault(gateway, upstream, numbers, "fdatasync:error=EIO", on_file=False, reads_go_on=True)


async def _through_a_fault(
    gateway: Installation, upstream: Counting, numbers: Iterator[int], fault: str, *, on_file: bool, reads_go_on: bool
) -> None:
    acknowledged: set[int] = set()

    async def call(tool: str) -> Answered:
        n = next(numbers)
        answer = await client.call(tool, {"n": n})
        if "result" in answer.body:
            acknowledged.add(n)
        return answer

    with gateway.serving() as process:
        token = gateway.token(user="mira", agent=AGENT)
        async with httpx2.AsyncClient(timeout=30) as http:
            client = ModernClient(http, gateway.endpoint(), token)
            assert (await call("modern__write")).result
            before = len(upstream.executed())
            written = [path for path in _audit(gateway) if path.stat().st_size]
            with _faulty(process, fault, written if on_file else []):
                for _ in range(5):
                    refused = await call("modern__write")
                    assert (refused.reason, refused.status) == _REFUSED
                    assert "retry-after" in refused.headers
                assert len(upstream.executed()) == before, "a write was executed that was not on record"
                read = await call("modern__read")
                assert ("result" in read.body) == reads_go_on
            with anyio.fail_after(20):
                while "result" not in (await call("modern__write")).body:
                    await anyio.sleep(0.05)
            assert (await call("legacy__write")).result
    seen = audited(gateway)
    assert not seen.without_intent(upstream.executed())
    assert not seen.without_outcome(acknowledged)
    assert verified(gateway) == 0


def _audit(gateway: Installation) -> list[Path]:
    return sorted((gateway.folder / "data" / "audit").glob("*.jsonl"))


@contextmanager
def _faulty(process: Running, fault: str, files: list[Path]) -> Generator[None]:
    call = fault.partition(":")[0]
    only = [part for path in files for part in ("-P", str(path))]
    command = ["strace", "-f", "-q", "-p", str(process.pid), "-e", f"trace={call}", "-e", f"inject={fault}", *only]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tracer:
        try:
            wait_until(lambda: _traced(process.pid), what="strace")
            yield
        finally:
            tracer.terminate()
            tracer.wait(20)


def _traced(pid: int) -> bool:
    """Every thread is."""
    status = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return bool(status) and all("TracerPid:\t0\n" not in text for text in status)
