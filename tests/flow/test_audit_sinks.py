"""Records reach the other places whatever happens to them or to the gateway, and no call waits for that."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import CommandFailed, Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server, wait_until
from tests.support.receiver import Receiver, in_order_once, receiver
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
SECRET = "a secret that signs what is sent"


@pytest.fixture(scope="module")
def tickets() -> Generator[str]:
    with tickets_server() as url:
        yield url


def gateway_with(folder: Path, tickets: str, there: Receiver) -> Installation:
    """With a webhook and a copy of the files."""
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    (folder / "copy").mkdir()
    webhook = {"type": "webhook", "url": there.url, "network": ["127.0.0.0/8"], "secret_file": str(folder / "secret")}
    sinks = [webhook, {"type": "file", "directory": str(folder / "copy")}]
    gateway = install(folder, registry={"tickets": sample_tickets(tickets)}, audit={"sinks": sinks})
    gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
    gateway.add_user("mira", calls="tickets")
    gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
    return gateway


async def calls(gateway: Installation, count: int) -> list[float]:
    """How long each took, in seconds."""
    took: list[float] = []
    async with httpx2.AsyncClient(timeout=20) as http:
        token = await anyio.to_thread.run_sync(lambda: gateway.token(user="mira", agent=AGENT, server="tickets"))
        client = ModernClient(http, gateway.endpoint("tickets"), token)
        for _ in range(count):
            began = time.perf_counter()
            assert (await client.call("ticket_get", {"id": "T-391"})).status == 200
            took.append(time.perf_counter() - began)
    return took


def on_disk(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            record = json.loads(line)
            found.setdefault(record["writer"], []).append(record["seq"])
    return found


def has_everything(gateway: Installation, there: Receiver) -> bool:
    arrived = {writer: in_order_once(seqs) for writer, seqs in there.seen.items()}
    return arrived == on_disk(gateway.folder / "data" / "audit")


def status(gateway: Installation) -> dict[str, dict[str, Any]]:
    return {sink["name"]: sink for sink in gateway.json("audit", "sinks")}


def test_a_killed_gateway_sends_some_records_again_and_leaves_none_out(tmp_path: Path, tickets: str) -> None:
    there = receiver()
    gateway = gateway_with(tmp_path, tickets, there)
    with there.listening():
        # Stored there, but nobody hears that it was: as if the gateway died between sending and noting it.
        there.mood = "closing"
        started = gateway.start()
        try:
            gateway.wait_for_tools("tickets", count=9)
            anyio.run(calls, gateway, 20)
            wait_until(lambda: bool(there.got), what="a delivery")
        finally:
            started.kill()
        there.mood = "good"
        with gateway.serving():
            anyio.run(calls, gateway, 20)
            wait_until(lambda: has_everything(gateway, there), what="every record there")
            wait_until(lambda: on_disk(tmp_path / "copy") == on_disk(tmp_path / "data" / "audit"), what="the copy")
    assert any(len(seqs) > len(set(seqs)) for seqs in there.seen.values())
    for path in (tmp_path / "copy").glob("*.jsonl"):
        assert path.read_bytes() == (tmp_path / "data" / "audit" / path.name).read_bytes()


def test_a_receiver_that_hangs_slows_no_call_and_the_status_says_so(tmp_path: Path, tickets: str) -> None:
    there = receiver()
    gateway = gateway_with(tmp_path, tickets, there)
    with gateway.serving():
        gateway.wait_for_tools("tickets", count=9)
        with there.listening():
            there.mood = "hanging"
            hanging = anyio.run(calls, gateway, 150)
            assert not there.got
        # Nobody listens any more, so that it fails at once.
        wait_until(lambda: status(gateway)["webhook"]["error"] is not None, what="a failure")
        found = status(gateway)
        assert found["webhook"]["running"] and found["webhook"]["lag_records"] > 300
        assert "127.0.0.1 cannot be reached" in found["webhook"]["error"]
        assert "of-the-receiver" not in json.dumps(found)
        with there.listening():
            there.mood = "good"
            wait_until(lambda: has_everything(gateway, there), seconds=40, what="every record there")
            good = anyio.run(calls, gateway, 150)
            wait_until(lambda: status(gateway)["webhook"]["lag_records"] == 0, what="no lag")
    assert statistics.median(hanging) < 2 * statistics.median(good)
    assert status(gateway)["webhook"]["running"] is False


def test_a_secret_that_cannot_be_read_ends_the_start_with_where_it_is(tmp_path: Path, tickets: str) -> None:
    gateway = gateway_with(tmp_path, tickets, receiver())
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(CommandFailed, match="open to others"):
        gateway.cli("serve", "--quiet")


def test_sinks_are_refused_with_the_field_that_is_wrong(tmp_path: Path) -> None:
    gateway = install(tmp_path, registry={})
    stdout: dict[str, Any] = {"type": "stdout"}
    for sinks, said in (
        ([stdout, stdout], "two sinks are called stdout"),
        ([{"type": "otlp", "url": "http://collector:4318/v1/logs"}], "an http URL needs `network`"),
        ([{"type": "webhook", "url": "https://example.com/"}], "secret_file"),
    ):
        config = json.loads(gateway.config.read_text())
        gateway.config.write_text(json.dumps({**config, "audit": {"sinks": sinks}}))
        with pytest.raises(CommandFailed, match=r"audit\.sinks") as refused:
            gateway.cli("audit", "sinks")
        assert said in str(refused.value)
