"""Listening to a 2026-07-28 upstream: one `subscriptions/listen`, replaced when other resources are watched.

The new stream is open before the old one is closed, so that nothing falls between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import UpstreamTimeout
from mcp_gateway.upstream.envelope import METHOD_NOT_FOUND, Message, QuestionRefused
from mcp_gateway.upstream.listening import (
    ACKNOWLEDGED,
    LONGEST_SECONDS,
    OPENING_SECONDS,
    NotOffered,
    Offered,
    Overhear,
    Wanted,
)

Listen: TypeAlias = Callable[[dict[str, Any], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""Sends the request with these `notifications` and reads until the stream ends."""


async def listen(
    send: Listen, offered: Offered, wanted: Wanted, hear: Overhear, opened: Callable[[Offered], None], tasks: TaskGroup
) -> None:
    """Until the upstream ends a stream, or nothing is left to hear; raises what `send` raises, and NotOffered."""
    current: _Stream | None = None
    try:
        while True:
            uris = wanted.uris if offered.resources else frozenset[str]()
            if not offered.lists and not uris:
                return
            stream = _Stream(send, wanted, hear)
            tasks.start_soon(stream.run, _filter(offered, uris))
            await stream.opened()
            if current is None:
                opened(offered)
            else:
                current.scope.cancel()
            current = stream
            while not current.over and (uris == wanted.uris or not offered.resources):
                await wanted.wait(LONGEST_SECONDS)
            if current.over:
                current.raise_if_over()
                return
    finally:
        if current is not None:
            current.scope.cancel()


class _Stream:
    def __init__(self, send: Listen, wanted: Wanted, hear: Overhear) -> None:
        self._send = send
        self._wanted = wanted
        self._hear = hear
        self._failure: Exception | None = None
        self.scope = anyio.CancelScope()
        self.settled = anyio.Event()
        """Acknowledged, or over."""
        self.over = False

    async def run(self, notifications: dict[str, Any]) -> None:
        try:
            with self.scope:
                await self._send(notifications, self._heard)
        except Exception as exc:
            self._failure = exc
        finally:
            self.over = True
            self.settled.set()
            self._wanted.wake()

    async def opened(self) -> None:
        with anyio.move_on_after(OPENING_SECONDS):
            await self.settled.wait()
            self.raise_if_over()
            return
        self.scope.cancel()
        raise UpstreamTimeout("the upstream did not acknowledge that it is listened to")

    def raise_if_over(self) -> None:
        if isinstance(self._failure, QuestionRefused) and self._failure.jsonrpc == METHOD_NOT_FOUND:
            raise NotOffered
        if self._failure is not None:
            raise self._failure

    async def _heard(self, message: Message) -> None:
        if message.get("method") == ACKNOWLEDGED:
            self.settled.set()
        else:
            self._hear(message)


def _filter(offered: Offered, uris: frozenset[str]) -> dict[str, Any]:
    asked: dict[str, Any] = {f"{name}ListChanged": True for name in offered.lists}
    return {**asked, "resourceSubscriptions": sorted(uris)} if uris else asked
