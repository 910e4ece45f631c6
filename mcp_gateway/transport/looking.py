"""Tells open streams when a list that they may see has changed: each is compared with what its client knows.

Looked at only after something moved, and with most of the time left to calls: a change that concerns
everybody may take a while to reach the last of many streams, and never keeps a call waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import anyio

from mcp_gateway.errors import GatewayError
from mcp_gateway.transport.stream import LISTS, Stream
from mcp_gateway.transport.streams import Streams

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 0.1
"""What changes together is looked at once."""
_RETRY_SECONDS = 1.0
_LANES = 4
"""Questions at a time; a backend far away must not be asked about all streams at once."""
_REST = 3.0
"""Time left to others for each moment spent here."""


class Looking:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._failed = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._streams.stirred.wait()
            await anyio.sleep(_SETTLE_SECONDS)
            self._streams.stirred = anyio.Event()
            await self._pass()
            if self._failed:
                await anyio.sleep(_RETRY_SECONDS)
                self._streams.stirred.set()

    async def _pass(self) -> None:
        self._failed = False
        moves = self._streams.moves
        outdated = iter([stream for stream in self._streams.every() if stream.looked != moves])
        async with anyio.create_task_group() as lanes:
            for _ in range(min(_LANES, len(self._streams))):
                lanes.start_soon(self._lane, outdated)

    async def _lane(self, outdated: Iterator[Stream]) -> None:
        for stream in outdated:
            began = time.perf_counter()
            await self._look(stream)
            await anyio.sleep(_REST * (time.perf_counter() - began))

    async def _pass_on(self, stream: Stream) -> None:
        """What servers announced, to whom sees anything of theirs."""
        watch = self._streams.watch
        while stream.announced:
            name, server = heard = next(iter(stream.announced))
            if await watch.sees(stream.request, stream.principal, LISTS[name], server):
                self._streams.tell(stream, name)
            stream.announced.discard(heard)

    async def _look(self, stream: Stream) -> None:
        try:
            await self._streams.watch.follow()
            moves = self._streams.moves
            for name in list(stream.seen):
                now = await self._streams.watch.seen(stream.request, stream.principal, LISTS[name])
                if now.mark != stream.seen[name].mark:
                    self._streams.tell(stream, name)
                stream.seen[name] = now
            await self._pass_on(stream)
        except GatewayError as exc:
            log.info("what an event stream may see cannot be told now: %s", exc.code)
            self._failed = True
            return
        except Exception:
            # About one stream; the group of tasks this runs in serves everybody.
            log.exception("what an event stream may see could not be looked at")
            self._failed = True
            return
        stream.looked = moves
        stream.look_next()
