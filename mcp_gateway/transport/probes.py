"""`/healthz`: the process lives. `/readyz`: it may be given traffic; 503 with what is wrong, in general words.

For load balancers and supervisors, which come by address and without a token: the Host is not looked at, and
nothing is said that a stranger could use. A down upstream is no reason, because the other upstreams work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import orjson

from mcp_gateway.transport.reply import Send

log = logging.getLogger(__name__)

PATHS = frozenset({"/healthz", "/readyz"})
OK = "ok"
_RETRY_AFTER_SECONDS = 1
_DEADLINE_SECONDS = 1.5
_FRESH_SECONDS = 1.0
"""However many probes there are, the parts are looked at once in this time."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something without which no call can be served. `works` raises, says no or takes too long: not ready."""

    name: str
    problem: str
    """What strangers may read when it does not work."""
    works: Callable[[], Awaitable[bool]]


class Probes:
    """Ready from `started` to `stopping`, while every part works."""

    def __init__(self, parts: Sequence[Part], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._lock = anyio.Lock()
        self._seen: Mapping[str, str] = {}
        self._seen_at = float("-inf")
        self._loaded = self._stopping = False

    def started(self) -> None:
        """Registry and policies are loaded."""
        self._loaded = True

    def stopping(self) -> None:
        """From now on the answer is no, so that whoever balances load looks elsewhere."""
        self._stopping = True

    async def answer(self, scope: MutableMapping[str, Any], send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            await _send(send, 405, {"status": "method not allowed"}, ((b"allow", b"GET, HEAD"),))
        elif scope["path"] == "/healthz":
            await _send(send, 200, {"status": OK})
        else:
            await self._say_whether_ready(send)

    async def standing(self) -> Mapping[str, str]:
        """Each part and `ok`, or what is wrong with it."""
        own = {
            "registry": OK if self._loaded else "not loaded yet",
            "process": "stopping" if self._stopping else OK,
        }
        return {**await self._looked(), **own}

    async def _say_whether_ready(self, send: Send) -> None:
        parts = await self.standing()
        if all(said == OK for said in parts.values()):
            await _send(send, 200, {"status": "ready", "parts": parts})
        else:
            retry = (b"retry-after", str(_RETRY_AFTER_SECONDS).encode())
            await _send(send, 503, {"status": "not ready", "parts": parts}, (retry,))

    async def _looked(self) -> Mapping[str, str]:
        async with self._lock:
            if self._clock() - self._seen_at > _FRESH_SECONDS:
                self._seen = await self._look()
                self._seen_at = self._clock()
            return self._seen

    async def _look(self) -> Mapping[str, str]:
        said = {part.name: part.problem for part in self._parts}
        with anyio.move_on_after(_DEADLINE_SECONDS):
            async with anyio.create_task_group() as tasks:
                for part in self._parts:
                    tasks.start_soon(_look_at, part, said)
        return said


async def _look_at(part: Part, said: dict[str, str]) -> None:
    try:
        works = await part.works()
    except Exception as exc:
        # Whatever it is, operators read its kind and callers that the part does not work.
        log.warning("not ready: %s failed with %s", part.name, type(exc).__name__)
        return
    if works:
        said[part.name] = OK


async def _send(
    send: Send, status: int, content: Mapping[str, Any], headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    body = orjson.dumps(content)
    fixed = (
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    )
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
