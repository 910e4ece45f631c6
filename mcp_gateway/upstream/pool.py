"""Connections to one upstream at one vetted address, kept for the next request, bounded in number."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from functools import cache

import anyio

from mcp_gateway.upstream.connection import Connection
from mcp_gateway.upstream.response import NotConnected, PoolIsFull

_DOUBTFUL_SECONDS = 0.2
"""After this the loop gets a chance to say that the server closed it, before a request is risked on it."""


@cache
def _trusting_the_system() -> ssl.SSLContext:
    # Reading the certificates costs 20 ms of CPU.
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Pool:
    """Safe to share between tasks. `server_name` is what the certificate must be for; None without TLS."""

    def __init__(self, address: str, port: int, *, server_name: str | None, limit: int, connect_seconds: float) -> None:
        self._address = address
        self._port = port
        self._server_name = server_name
        self._limit = limit
        self._connect_seconds = connect_seconds
        self._idle: list[Connection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def open(self) -> int:
        """Connections there are, idle ones included."""
        return self._open

    def close(self) -> None:
        """Close what is idle now and what comes back; requests under way finish."""
        self._closed = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    def take(self) -> Connection | None:
        """A connection that was used a moment ago."""
        if self._idle and time.monotonic() - self._idle[-1].idle_since < _DOUBTFUL_SECONDS:
            connection = self._idle.pop()
            return connection if connection.is_open else None
        return None

    async def acquire(self) -> Connection:
        if self._idle:
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the loop looked at every socket in between
        while True:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_open and time.monotonic() - connection.idle_since < connection.idle_seconds:
                    return connection
                connection.abort()
            if self._open < self._limit:
                return await self._connect()
            await self._wait()

    async def _connect(self) -> Connection:
        self._open += 1
        loop = asyncio.get_running_loop()
        connection = Connection(loop, self._forget)
        try:
            with anyio.fail_after(self._connect_seconds):
                await loop.create_connection(
                    lambda: connection,
                    self._address,
                    self._port,
                    ssl=_trusting_the_system() if self._server_name is not None else None,
                    server_hostname=self._server_name,
                )
        except BaseException as exc:
            if connection.was_made:
                connection.abort()  # it frees its place when it is closed
            else:
                self._freed()
            if isinstance(exc, OSError | TimeoutError):
                raise NotConnected from exc
            raise
        return connection

    async def _wait(self) -> None:
        """Until a connection comes back or ends."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            with anyio.fail_after(self._connect_seconds):
                await waiter
        except TimeoutError as exc:
            raise PoolIsFull from exc
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self._wake_one()  # what it was woken for is somebody else's now
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def give_back(self, connection: Connection) -> None:
        if connection.finish() and not self._closed:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
            self._wake_one()
        else:
            connection.abort()

    def _forget(self, connection: Connection) -> None:
        """It is closed, whoever did that."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._freed()

    def _freed(self) -> None:
        self._open -= 1
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
