"""One collector over OTLP/HTTP: posts batches at vetted addresses, and says what may be tried again.

It follows no redirect and uses no proxy; an answer is read as far as it matters. Statuses: OTLP specification,
"Failures".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import Response

from mcp_gateway.telemetry.tracing_export import NotTaken
from mcp_gateway.telemetry.tracing_wire import refused

Find: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host that may be connected to; raises OSError."""

_SECONDS = 5.0
_TRY_AGAIN = (429, 502, 503, 504)
_MAX_ANSWER = 65_536


class Collector:
    """`headers` are sent with every batch and are nobody else's to read."""

    def __init__(
        self, url: str, *, headers: Sequence[tuple[str, str]], find: Find, timeout_seconds: float = _SECONDS
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._url = url
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._headers = headers
        self._find = find
        self._seconds = timeout_seconds
        self._client: Client | None = None

    async def post(self, body: bytes) -> int:
        """How many spans were refused; raises NotTaken."""
        client = self._client or await self._opened()
        request = client.post(self._url).body_bytes(body)
        for name, value in self._headers:
            request = request.header(name, value, is_sensitive=True)
        try:
            async with request.build_streamed() as response:
                return await _understood(response)
        except PyreqwestError as exc:
            self._client = None  # the next attempt looks where the host is now
            raise NotTaken("the collector cannot be reached or does not answer", after=0.0) from exc
        except anyio.get_cancelled_exc_class():
            # pyreqwest raises a cancellation in which a cancel scope does not recognise itself; raise the scope's.
            await anyio.lowlevel.checkpoint_if_cancelled()
            raise

    async def _opened(self) -> Client:
        try:
            with anyio.fail_after(self._seconds):
                address = (await self._find(self._host, self._port))[0]
        except (OSError, TimeoutError) as exc:
            raise NotTaken("the collector's host cannot be resolved, or its address is not allowed", after=0.0) from exc
        self._client = self._built(address)
        return self._client

    def _built(self, address: str) -> Client:
        patience = timedelta(seconds=self._seconds)
        builder = ClientBuilder().follow_redirects(False).no_proxy().referer(False).user_agent("mcp-gateway")
        builder = builder.default_headers([("content-type", "application/x-protobuf")])
        return builder.timeout(patience).connect_timeout(patience).resolve(self._host, address, self._port).build()


async def _understood(response: Response) -> int:
    status = response.status
    if status == 200:
        return refused(await _start_of(response))
    if status in _TRY_AGAIN:
        raise NotTaken(f"the collector answered HTTP {status}", after=_seconds_in(response.get_header("retry-after")))
    raise NotTaken(f"the collector answered HTTP {status}")


async def _start_of(response: Response) -> bytes:
    """So much of the answer as could matter."""
    content = b""
    while len(content) < _MAX_ANSWER and (chunk := await response.body_reader.read_chunk()) is not None:
        content += bytes(chunk)
    return content[:_MAX_ANSWER]


def _seconds_in(value: str | None) -> float:
    with suppress(ValueError):
        return max(0.0, float(int(value or "")))
    return 0.0
