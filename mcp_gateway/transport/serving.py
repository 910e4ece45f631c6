"""Listen until told to stop, then let what is under way finish.

uvicorn on the event loop, with the bounds of `http1`; granian, whose HTTP runs on threads of its own, for a
sixth more CPU per call.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import anyio
import uvicorn

from mcp_gateway.transport.http1 import IDLE_SECONDS, Http1
from mcp_gateway.transport.inflight import InFlight

log = logging.getLogger(__name__)

DRAIN_SECONDS = 25.0
_BACKLOG = 1024

App: TypeAlias = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[MutableMapping[str, Any]]], Callable[..., Awaitable[None]]],
    Awaitable[None],
]


async def serve(
    app: App,
    *,
    server: Literal["granian", "uvicorn"],
    host: str,
    port: int,
    inflight: InFlight,
    connections: int,
    ready: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    """Serve `app` until SIGINT or SIGTERM, to so many connections; `ready` is called once they are accepted.

    `stopping` is called on the signal: it ends the streams that would otherwise never be over.
    """
    run = _granian if server == "granian" else _uvicorn
    async with anyio.create_task_group() as tasks:
        stop = anyio.Event()
        tasks.start_soon(_on_signal, stop, stopping)
        tasks.start_soon(_announce, host, port, ready)
        await run(app, host, port, inflight, stop, connections)
        tasks.cancel_scope.cancel()


async def _granian(app: App, host: str, port: int, inflight: InFlight, stop: anyio.Event, connections: int) -> None:
    # Only who chose it should pay for it.
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server as GranianServer

    server = GranianServer(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        # Its default, the backlog, would let as many idle listeners lock everybody out.
        backpressure=connections,
        log_enabled=False,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        await stop.wait()
        await inflight.drained(DRAIN_SECONDS)
        server.stop()


async def _uvicorn(app: App, host: str, port: int, inflight: InFlight, stop: anyio.Event, connections: int) -> None:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        backlog=_BACKLOG,
        http=cast("Any", partial(Http1, most=connections, turnstile=inflight.turnstile)),
        timeout_keep_alive=IDLE_SECONDS,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        # It would believe anybody on loopback; whom to believe is a setting of ours, read in `edge`.
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
    )
    server = _Uvicorn(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        await stop.wait()
        await inflight.drained(DRAIN_SECONDS)
        server.should_exit = True


class _Uvicorn(uvicorn.Server):
    """Without its own signal handlers: ours drains first."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _on_signal(stop: anyio.Event, stopping: Callable[[], None]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            log.info("received %s, finishing what is under way", signal.Signals(number).name)
            stopping()
            stop.set()
            return


async def _announce(host: str, port: int, ready: Callable[[], None]) -> None:
    while True:
        try:
            stream = await anyio.connect_tcp(host, port)
        except OSError:
            await anyio.sleep(0.01)
            continue
        await stream.aclose()
        ready()
        return
