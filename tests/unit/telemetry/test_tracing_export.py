"""A collector that is slow, down or wrong costs nobody anything but the spans, and those are counted."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from mcp_gateway.model.trace import Incoming
from mcp_gateway.telemetry.tracing import Tracer
from mcp_gateway.telemetry.tracing_collector import Collector as Client
from mcp_gateway.telemetry.tracing_export import Exporter, NotTaken
from tests.support.collector import Collector, collecting, partial_success
from tests.support.processes import free_port
from tests.support.upstreams import until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def exporting(
    post: Callable[[bytes], Awaitable[int]], *, queue_spans: int = 1_000
) -> AsyncGenerator[tuple[Exporter, Tracer]]:
    exporter = Exporter(post, resource={}, version="1", queue_spans=queue_spans, gather_seconds=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exporter.run)
        yield exporter, Tracer(exporter.submit, sample=1.0, incoming=Incoming())
        tasks.cancel_scope.cancel()


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ("127.0.0.1",)


def client(collector: Collector, **more: float) -> Client:
    return Client(collector.url, headers=[("authorization", "Bearer s3cret")], find=loopback, **more)


async def test_what_is_submitted_arrives_with_the_secret_header() -> None:
    with collecting() as collector:
        async with exporting(client(collector).post) as (exporter, tracer):
            for _ in range(50):
                tracer.begin().finish()
            await until(lambda: len(collector.spans) == 50)
            await until(lambda: exporter.sent.exported == 50)
    assert collector.headers[0]["authorization"] == "Bearer s3cret"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"


async def test_a_collector_that_cannot_now_is_asked_again() -> None:
    with collecting() as collector:
        collector.statuses = [503]
        async with exporting(client(collector).post) as (exporter, tracer):
            tracer.begin().finish()
            await until(lambda: exporter.sent.exported == 1)
    assert exporter.sent.dropped == 0


async def test_a_batch_a_collector_will_never_take_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector, caplog.at_level(logging.WARNING):
        collector.statuses = [400]
        async with exporting(client(collector).post) as (exporter, tracer):
            tracer.begin().finish()
            await until(lambda: exporter.sent.dropped == 1)
            tracer.begin().finish()
            await until(lambda: exporter.sent.exported == 1)
    assert "HTTP 400" in caplog.text and "s3cret" not in caplog.text


async def test_what_a_collector_refuses_of_a_batch_is_counted() -> None:
    with collecting() as collector:
        collector.answer = partial_success(2, "too old")
        async with exporting(client(collector).post) as (exporter, tracer):
            for _ in range(3):
                tracer.begin().finish()
            await until(lambda: exporter.sent.exported + exporter.sent.dropped == 3)
    assert exporter.sent.dropped == 2


async def test_what_does_not_fit_the_queue_is_dropped_and_counted() -> None:
    held = anyio.Event()

    async def hang(_body: bytes) -> int:
        await held.wait()
        return 0

    async with exporting(hang, queue_spans=10) as (exporter, tracer):
        for _ in range(25):
            tracer.begin().finish()
        assert (exporter.queued, exporter.sent.dropped) == (10, 15)
        held.set()
        await until(lambda: exporter.sent.exported == 10)


async def test_a_collector_that_hangs_is_given_up_on_in_time() -> None:
    with collecting() as collector:
        collector.hangs = True
        with pytest.raises(NotTaken) as caught:
            await client(collector, timeout_seconds=0.2).post(b"")
    assert caught.value.after is not None


async def test_a_collector_that_is_not_there_may_be_asked_again() -> None:
    nowhere = Client(f"http://127.0.0.1:{free_port()}/v1/traces", headers=[], find=loopback)
    with pytest.raises(NotTaken) as caught:
        await nowhere.post(b"")
    assert caught.value.after is not None


async def test_the_end_waits_for_a_collector_no_longer_than_it_was_told(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector, caplog.at_level(logging.WARNING):
        collector.hangs = True
        async with exporting(client(collector).post) as (exporter, tracer):
            tracer.begin().finish()
            await exporter.flush(0.2)
    assert exporter.sent.dropped == 1 and "the gateway stops" in caplog.text


async def test_at_the_end_what_waits_is_sent() -> None:
    with collecting() as collector:
        async with exporting(client(collector).post) as (_exporter, tracer):
            tracer.begin().finish()
            await _exporter.flush(5)
        assert len(collector.spans) == 1


async def test_a_surprise_in_sending_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sizes: list[int] = []

    async def surprise(body: bytes) -> int:
        sizes.append(len(body))
        if len(sizes) == 1:
            raise RuntimeError("surprise")
        return 0

    async with exporting(surprise) as (exporter, tracer):
        tracer.begin().finish()
        await until(lambda: exporter.sent.dropped == 1)
        tracer.begin().finish()
        await until(lambda: exporter.sent.exported == 1)
    assert "a batch of spans could not be sent" in caplog.text
