"""Readiness: what strangers and load balancers hear of a gateway, and how often its parts are looked at."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.compose.health import Disk
from mcp_gateway.transport.probes import Part, Probes

pytestmark = pytest.mark.anyio


async def _fine() -> bool:
    return True


def _probes(works: Callable[[], Awaitable[bool]] = _fine, *, clock: Callable[[], float] = lambda: 0.0) -> Probes:
    made = Probes((Part("store", "cannot be read", works), Part("audit", "cannot be written", _fine)), clock=clock)
    made.started()
    return made


async def _answer(probes: Probes, path: str = "/readyz", method: str = "GET") -> tuple[int, dict[str, str], Any]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await probes.answer({"path": path, "method": method}, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, orjson.loads(sent[1]["body"])


async def test_a_gateway_whose_parts_work_is_ready() -> None:
    status, _, body = await _answer(_probes())
    assert (status, body["status"]) == (200, "ready")
    assert body["parts"] == {"store": "ok", "audit": "ok", "registry": "ok", "process": "ok"}


async def test_a_part_that_fails_is_named_without_its_error_and_the_others_are_still_told() -> None:
    async def broken() -> bool:
        raise OSError("/a/path/nobody/should/read")

    status, headers, body = await _answer(_probes(broken))
    assert (status, headers["retry-after"], body["status"]) == (503, "1", "not ready")
    assert (body["parts"]["store"], body["parts"]["audit"]) == ("cannot be read", "ok")
    assert "nobody" not in str(body)


async def test_a_part_that_hangs_makes_not_ready_and_does_not_hang_the_probe() -> None:
    async def hangs() -> bool:
        await anyio.sleep_forever()
        return True

    with anyio.fail_after(10):
        status, _, body = await _answer(_probes(hangs))
    assert (status, body["parts"]["store"]) == (503, "cannot be read")
    assert body["parts"]["audit"] == "ok"


async def test_a_gateway_that_has_not_loaded_or_is_told_to_stop_is_not_ready_but_lives() -> None:
    probes = Probes(())
    assert (await _answer(probes))[2]["parts"]["registry"] == "not loaded yet"
    probes.started()
    assert (await _answer(probes))[0] == 200
    probes.stopping()
    status, _, body = await _answer(probes)
    assert (status, body["parts"]["process"]) == (503, "stopping")
    assert (await _answer(probes, "/healthz"))[0] == 200


async def test_a_thousand_probes_at_once_look_at_the_parts_once_and_a_later_one_looks_again() -> None:
    looks, now = 0, 100.0

    async def counted() -> bool:
        nonlocal looks
        looks += 1
        return True

    probes = _probes(counted, clock=lambda: now)
    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(_answer, probes)
    assert looks == 1
    now += 2
    await _answer(probes)
    assert looks == 2


async def test_a_probe_is_read_not_posted_to() -> None:
    status, headers, _ = await _answer(_probes(), method="POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_a_disk_is_tried_by_writing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert await Disk(tmp_path).works()
    assert not os.listdir(tmp_path)


async def test_a_directory_that_is_gone_takes_no_data(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Disk(tmp_path / "gone").works()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
async def test_a_full_disk_takes_no_data(tmp_path: Path) -> None:
    (tmp_path / ".probe").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        await Disk(tmp_path).works()
    assert caught.value.errno == errno.ENOSPC


async def test_a_disk_that_worked_is_not_synced_again_at_once(tmp_path: Path) -> None:
    now = 100.0
    disk = Disk(tmp_path, clock=lambda: now)
    await disk.works()
    os.rmdir(tmp_path)
    assert await disk.works()
    now += 6
    with pytest.raises(FileNotFoundError):
        await disk.works()
