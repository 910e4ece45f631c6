"""Watching resources in a session of a 2024-11-05 to 2025-11-25 upstream: `resources/subscribe` for each of them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.upstream.listening import LONGEST_SECONDS, Wanted

log = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class Subscriptions:
    """What one session is subscribed to."""

    def __init__(self, ask: Ask, wanted: Wanted) -> None:
        self._ask = ask
        self._wanted = wanted
        self._asked: set[str] = set()

    async def settle(self) -> None:
        """Subscribe to what is wanted, and to nothing else; raises UpstreamFailure."""
        for uri in sorted(self._asked - self._wanted.uris):
            await self._change("resources/unsubscribe", uri)
            self._asked.discard(uri)
        for uri in sorted(self._wanted.uris - self._asked):
            await self._change("resources/subscribe", uri)
            self._asked.add(uri)

    async def beside(self, listen: Callable[[], Awaitable[None]]) -> None:
        """Keep settled while `listen` runs; raises what either raises."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:

            async def run(work: Callable[[], Awaitable[None]]) -> None:
                nonlocal failure
                try:
                    await work()
                except Exception as exc:
                    failure = failure or exc
                tasks.cancel_scope.cancel()

            tasks.start_soon(run, self._keep_settled)
            tasks.start_soon(run, listen)
        if failure is not None:
            raise failure

    async def _keep_settled(self) -> None:
        while True:
            await self.settle()
            await self._wanted.wait(LONGEST_SECONDS)

    async def _change(self, method: str, uri: str) -> None:
        try:
            await self._ask(method, {"uri": uri})
        except UpstreamProtocolError as exc:
            # A refusal of this one resource; the others are none the worse for it.
            log.info("an upstream does not %s: %s", method, exc)
