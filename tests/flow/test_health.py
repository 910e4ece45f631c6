"""Health and readiness of a running gateway, and what happens between SIGTERM and its end."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from tests.support.counting import Counting, counting
from tests.support.gateway import Installation, install
from tests.support.processes import Running
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio


@pytest.fixture
def upstream(tmp_path: Path) -> Generator[Counting]:
    with counting(tmp_path) as made:
        yield made


@pytest.fixture
def gateway(tmp_path: Path, upstream: Counting) -> Installation:
    made = install(tmp_path / "gateway", registry={"modern": upstream.entry("modern")})
    made.add_user("mira", calls="modern")
    made.let_agent_act("docs", "mira", server="modern", access="write")
    return made


async def _ready(http: httpx2.AsyncClient, gateway: Installation, **headers: str) -> tuple[int, Any]:
    response = await http.get(f"{gateway.origin}/readyz", headers=headers)
    return response.status_code, response.json()


async def _until_not_ready(http: httpx2.AsyncClient, gateway: Installation) -> Any:
    with anyio.fail_after(20):
        while True:
            status, body = await _ready(http, gateway)
            if status == 503:
                return body
            await anyio.sleep(0.02)


async def test_a_running_gateway_is_ready_by_whatever_name_it_is_asked(gateway: Installation) -> None:
    with gateway.serving():
        async with httpx2.AsyncClient() as http:
            status, body = await _ready(http, gateway, host="10.1.2.3:8000")
            lives = await http.get(f"{gateway.origin}/healthz", headers={"host": "10.1.2.3:8000"})
    assert (status, set(body["parts"].values())) == (200, {"ok"})
    assert set(body["parts"]) == {"store", "relationships", "audit", "registry", "process"}
    assert lives.json() == {"status": "ok"}


async def test_an_upstream_that_is_down_is_no_reason_not_to_be_ready(gateway: Installation, upstream: Counting) -> None:
    entry = gateway.folder / "registry" / "modern.yaml"
    entry.write_text(entry.read_text().replace(f":{upstream.port}/", ":9/"))
    with gateway.serving():
        async with httpx2.AsyncClient() as http:
            assert (await _ready(http, gateway))[0] == 200


async def test_a_gateway_that_cannot_record_is_not_ready_and_is_again_when_it_can(gateway: Installation) -> None:
    audit = gateway.folder / "data" / "audit"
    with gateway.serving():
        shutil.rmtree(audit)
        audit.touch()
        async with httpx2.AsyncClient() as http:
            body = await _until_not_ready(http, gateway)
            assert body["parts"]["audit"] == "cannot be written"
            assert body["parts"]["store"] == "ok"
            assert (await http.get(f"{gateway.origin}/healthz")).status_code == 200
            audit.unlink()
            audit.mkdir(0o700)
            with anyio.fail_after(20):
                while (await _ready(http, gateway))[0] != 200:
                    await anyio.sleep(0.05)


async def test_told_to_stop_it_refuses_the_new_and_finishes_what_is_under_way(
    gateway: Installation, upstream: Counting
) -> None:
    with gateway.serving() as process:
        gateway.wait_for_tools("modern", count=2)
        token = gateway.token(user="mira", agent="docs", server="modern")
        answers: list[Answered] = []
        async with httpx2.AsyncClient(timeout=30) as http, anyio.create_task_group() as tasks:
            client = ModernClient(http, gateway.endpoint("modern"), token)
            upstream.held = True
            tasks.start_soon(_call, client, answers)
            with anyio.fail_after(20):
                while not upstream.arrived:
                    await anyio.sleep(0.01)
            process.process.send_signal(signal.SIGTERM)
            body = await _until_not_ready(http, gateway)
            refused = await client.call("write", {"n": 2})
            upstream.held = False
            assert body["parts"]["process"] == "stopping"
            assert (refused.status, refused.reason, refused.headers["retry-after"]) == (503, "gateway.stopping", "1")
        code = await anyio.to_thread.run_sync(_ended, process)
    assert "content" in answers[0].result
    assert upstream.executed() == [1]
    assert code == 0


async def _call(client: ModernClient, answers: list[Answered]) -> None:
    answers.append(await client.call("write", {"n": 1}))


def _ended(process: Running) -> int:
    return process.process.wait(30)
