"""The door metrics are fetched at: an address of its own, so that no client's token or URL leads here.

Whoever may ask either holds the token, or sits on this machine and asks by its own name: a web page that a
browser was led to by another name is refused (DNS rebinding).
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import anyio
import uvicorn

from mcp_gateway.telemetry.metrics_page import CONTENT_TYPE

PATH = "/metrics"
_MOST_AT_ONCE = 16
_ENDING_SECONDS = 2

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class MetricsDoor:
    """An ASGI application; `page` makes the text, `token` is what a scraper has to bring, None on loopback."""

    def __init__(self, page: Callable[[], Awaitable[bytes]], *, token: str | None) -> None:
        self._page = page
        self._token = None if token is None else f"Bearer {token}".encode()
        self._making = anyio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        if not self._may_ask(headers):
            challenge = [(b"www-authenticate", b"Bearer")] if self._token is not None else []
            await _answer(send, 401 if self._token is not None else 403, b"not allowed\n", challenge)
        elif scope["path"] != PATH:
            await _answer(send, 404, b"metrics are at /metrics\n")
        elif scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, b"GET\n", [(b"allow", b"GET, HEAD")])
        else:
            async with self._making:  # one at a time: it costs milliseconds
                text = await self._page()
            await _answer(send, 200, text, [(b"content-type", CONTENT_TYPE.encode())])

    def _may_ask(self, headers: dict[bytes, bytes]) -> bool:
        if self._token is not None:
            return hmac.compare_digest(headers.get(b"authorization", b""), self._token)
        return _is_this_machine(headers.get(b"host", b"").decode("latin-1"))


async def listen(app: MetricsDoor, opened: socket.socket) -> None:
    """Serve at a socket that is bound, until cancelled."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_ENDING_SECONDS,
    )
    server = _Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, server, opened)
        try:
            await anyio.sleep_forever()
        finally:
            server.should_exit = True


async def _serve(server: uvicorn.Server, opened: socket.socket) -> None:
    # It ends by itself when told to; cancelled, it would leave its sockets to the collector.
    with anyio.CancelScope(shield=True):
        await server.serve(sockets=[opened])


class _Server(uvicorn.Server):
    """Without its own signal handlers: the gateway's own end it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    given = [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})


def _is_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower() == "localhost"
