"""Nothing is lost whatever the other side does: real receivers on loopback that refuse, hang, close and come back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.audit.sinks import (
    FOLDER,
    FileSink,
    Following,
    OtlpSink,
    Pace,
    Posted,
    Sink,
    StdoutSink,
    WebhookSink,
    behind,
    key_of,
    load,
)
from mcp_gateway.upstream.post import Poster
from tests.support.receiver import Mood, Receiver, in_order_once, receiver
from tests.unit.audit.sinks.records import Hand

pytestmark = pytest.mark.anyio

_PACE = Pace(look=0.02, deadline=0.5, first_wait=0.02, longest_wait=0.1, store=0.05)
_KEY = b"k" * 32


@dataclass(slots=True)
class Way:
    """A poster as the sinks see it."""

    poster: Poster

    async def __call__(self, body: bytes, headers: Any, /) -> Posted:
        status, _, answer = await self.poster.post(body, headers)
        return Posted(status, answer)

    async def aclose(self) -> None:
        await self.poster.aclose()


@dataclass(slots=True)
class Told:
    """What was recorded of the sink."""

    events: list[tuple[str, dict[str, object]]] = field(default_factory=list[tuple[str, dict[str, object]]])

    async def __call__(self, kind: str, actor: str, **named: object) -> None:
        self.events.append((kind, named))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def webhook(there: Receiver) -> Sink:
    return WebhookSink(Way(Poster(there.url, network=["127.0.0.0/8"], seconds=2)), secret=lambda: _KEY)


@asynccontextmanager
async def following(
    sink: Sink, directory: Path, *, told: Told | None = None, warn_after: float = 1e12, pace: Pace = _PACE
) -> AsyncGenerator[Following]:
    made = Following("one", sink, directory, record=told or Told(), warn_after=warn_after, pace=pace)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        yield made
        tasks.cancel_scope.cancel()


async def until(check: Callable[[], bool], *, seconds: float = 15) -> None:
    with anyio.fail_after(seconds):
        while not check():
            await anyio.sleep(0.02)


def arrived(there: Receiver, *hands: Hand) -> bool:
    seen = there.seen
    return all(in_order_once(seen.get(hand.writer, [])) == list(range(1, hand.seq + 1)) for hand in hands)


def acknowledged(directory: Path, records: int) -> bool:
    """What only arrived is sent again by whoever comes next, and rightly."""
    return load(directory / FOLDER, "one").sent == records


@pytest.mark.parametrize("mood", ["refusing", "hanging", "closing", "slow", "small"])
async def test_a_receiver_that_behaves_badly_gets_everything_in_order_in_the_end(tmp_path: Path, mood: Mood) -> None:
    there, first, second = receiver(), Hand(tmp_path, "a", max_bytes=20_000), Hand(tmp_path, "b")
    there.mood = mood
    first.write(300)
    second.write(50)
    with there.listening():
        async with following(webhook(there), tmp_path):
            await until(lambda: bool(there.got) or bool(load(tmp_path / FOLDER, "one").failures))
            first.write(100)
            there.mood = "good" if mood != "small" else mood
            await until(lambda: arrived(there, first, second))
            await until(lambda: behind(tmp_path, load(tmp_path / FOLDER, "one").places).records == 0)


async def test_a_receiver_that_was_away_gets_what_it_missed(tmp_path: Path) -> None:
    there, hand, told = receiver(), Hand(tmp_path, "a"), Told()
    hand.write(10)
    async with following(webhook(there), tmp_path, told=told, warn_after=1):
        await until(lambda: load(tmp_path / FOLDER, "one").failures > 2)
        state = load(tmp_path / FOLDER, "one")
        assert state.error == "127.0.0.1 cannot be reached or does not answer"
        assert "of-the-receiver" not in str(state)
        hand.write(1_500)
        with there.listening():
            await until(lambda: arrived(there, hand))
            await until(lambda: "sink.caught_up" in told.kinds)
    assert told.kinds == ["sink.behind", "sink.caught_up"]
    assert load(tmp_path / FOLDER, "one").error is None


async def test_a_delivery_proves_who_sent_it_and_is_the_sealed_lines(tmp_path: Path) -> None:
    there, hand = receiver(), Hand(tmp_path, "a")
    hand.write(3)
    with there.listening():
        async with following(webhook(there), tmp_path):
            await until(lambda: acknowledged(tmp_path, 3))
    [delivery] = there.got
    assert delivery.body.splitlines() == hand.lines
    signed = f"{delivery.headers['webhook-id']}.{delivery.headers['webhook-timestamp']}.".encode() + delivery.body
    digest = base64.b64encode(hmac.new(_KEY, signed, hashlib.sha256).digest()).decode()
    assert delivery.headers["webhook-signature"] == f"v1,{digest}"
    assert key_of("whsec_" + base64.b64encode(_KEY).decode()) == key_of(_KEY.decode()) == _KEY


async def test_what_was_sent_before_is_not_sent_by_the_next_process(tmp_path: Path) -> None:
    there, hand = receiver(), Hand(tmp_path, "a")
    with there.listening():
        for round in range(1, 4):
            hand.write(20)
            async with following(webhook(there), tmp_path):
                await until(lambda sent=20 * round: acknowledged(tmp_path, sent))
    assert there.seen["a"] == list(range(1, 61))


async def test_a_stop_sends_what_is_there_unless_the_receiver_is_away(tmp_path: Path) -> None:
    there, hand = receiver(), Hand(tmp_path, "a")
    with there.listening():
        async with following(webhook(there), tmp_path, pace=replace(_PACE, look=60)):
            await until(lambda: (tmp_path / FOLDER / "one.lock").exists())
            hand.write(700)
        assert arrived(there, hand)
    async with following(webhook(there), tmp_path):
        hand.write(1)
        await until(lambda: bool(load(tmp_path / FOLDER, "one").failures))
    assert behind(tmp_path, load(tmp_path / FOLDER, "one").places).records == 1


async def test_one_process_runs_a_sink_and_another_takes_over(tmp_path: Path) -> None:
    there, hand = receiver(), Hand(tmp_path, "a")
    hand.write(20)
    with there.listening():
        async with following(webhook(there), tmp_path):
            async with following(webhook(there), tmp_path):
                await until(lambda: arrived(there, hand))
                hand.write(20)
                await until(lambda: arrived(there, hand))
            assert there.seen["a"] == list(range(1, 41))
        hand.write(5)
        async with following(webhook(there), tmp_path):
            await until(lambda: arrived(there, hand))


async def test_records_that_vanished_before_they_were_sent_are_told(tmp_path: Path) -> None:
    there, hand, told = receiver(), Hand(tmp_path, "a", max_bytes=2_000), Told()
    hand.write(5)
    with there.listening():
        async with following(webhook(there), tmp_path):
            await until(lambda: arrived(there, hand))
        hand.write(60)
        _remove_third(tmp_path)
        async with following(webhook(there), tmp_path, told=told):
            await until(lambda: there.seen["a"][-1] == hand.seq)
    assert told.kinds == ["sink.gap"]
    assert told.events[0][1]["writer"] == "a"


def _remove_third(directory: Path) -> None:
    sorted(directory.glob("*.jsonl"))[2].unlink()


async def test_the_copy_in_another_directory_is_the_same_bytes_also_after_it_was_damaged(tmp_path: Path) -> None:
    audit, copy = tmp_path / "audit", tmp_path / "copy"
    _make(audit)
    hand = Hand(audit, "a", max_bytes=5_000)
    hand.write(40)
    async with following(FileSink(copy), audit):
        await until(lambda: "there is no directory" in str(load(audit / FOLDER, "one").error))
        _make(copy)
        await until(lambda: _same(audit, copy))
        _cut(sorted(copy.glob("*.jsonl"))[-1])
        hand.write(3)
        await until(lambda: _same(audit, copy))


def _make(directory: Path) -> None:
    directory.mkdir()


def _cut(path: Path) -> None:
    os.truncate(path, 10)


def _same(one: Path, other: Path) -> bool:
    found = {path.name: path.read_bytes() for path in one.glob("*.jsonl")}
    return found == {path.name: path.read_bytes() for path in other.glob("*.jsonl")}


async def test_a_standard_output_nobody_reads_holds_up_nothing_and_no_line_is_cut(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    hand = Hand(tmp_path, "a")
    hand.write(1_000)
    got = bytearray()
    try:
        os.set_blocking(reading, False)
        async with following(StdoutSink(writing, patience=0.3), tmp_path):
            # The pipe is full; its writer waits in a thread, and this goes on.
            await until(lambda: bool(load(tmp_path / FOLDER, "one").failures))
            await until(lambda: _drained(reading, got).count(b"\n") >= 1_000)
    finally:
        os.close(reading)
        os.close(writing)
    assert bytes(got).splitlines() == hand.lines


def _drained(file: int, got: bytearray) -> bytearray:
    with suppress(BlockingIOError):
        got += os.read(file, 1 << 20)
    return got


async def test_a_collector_gets_one_log_record_each_and_its_refusals_are_told(tmp_path: Path) -> None:
    there, hand, told = receiver(), Hand(tmp_path, "a"), Told()
    there.answer = b'{"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}'
    hand.write(30)
    way = Way(Poster(there.url, network=["127.0.0.0/8"]))
    sink = OtlpSink(way, headers=lambda: {"authorization": "of a file"}, resource={"service.name": "mcp-gateway"})
    with there.listening():
        async with following(sink, tmp_path, told=told):
            await until(lambda: bool(told.events))
    [delivery] = there.got
    [resource] = orjson.loads(delivery.body)["resourceLogs"]
    logs = resource["scopeLogs"][0]["logRecords"]
    lines = [attributes(log)["mcp_gateway.audit.record"]["stringValue"].encode() for log in logs]
    assert lines == hand.lines
    assert logs[0]["eventName"] == "mcp_gateway.audit.test"
    assert logs[0]["timeUnixNano"] == "1001000000000"
    assert attributes(logs[4])["mcp_gateway.audit.seq"] == {"intValue": "5"}
    assert delivery.headers["authorization"] == "of a file"
    assert told.events == [("sink.rejected", {"sink": "one", "count": 2, "said": "too old"})]
    assert load(tmp_path / FOLDER, "one").rejected == 2


def attributes(log: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in log["attributes"]}
