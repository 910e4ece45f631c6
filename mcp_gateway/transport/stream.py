"""One open event stream: what it is for, what its client must still be told, and the bytes of that. Decides nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import anyio
import orjson

from mcp_gateway.model.call import Request
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind
from mcp_gateway.transport.inflight import Flight
from mcp_gateway.transport.reply import Reply
from mcp_gateway.watch import Seen, Watched

META_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"

LISTS: Mapping[str, Sequence[Kind]] = MappingProxyType(
    {"tools": (Kind.TOOL,), "prompts": (Kind.PROMPT,), "resources": (Kind.RESOURCE, Kind.TEMPLATE)}
)
"""What `notifications/<name>/list_changed` speaks of."""

Uris: TypeAlias = dict[str, Watched]
"""Watched resources by the URI the client knows."""

_KEEP_ALIVE = b": \n\n"
_RETRY_MS = 1_000


class Stream:
    """`seen` is what the client knows of each list; `pending` are names of lists and URIs it must be told of."""

    __slots__ = (
        "_events",
        "_reply",
        "_tag",
        "announced",
        "ends_at",
        "flight",
        "graceful",
        "look_at",
        "looked",
        "pending",
        "principal",
        "request",
        "seen",
        "speak_at",
        "uris",
        "writer",
    )

    def __init__(self, request: Request, principal: Principal, reply: Reply, flight: Flight) -> None:
        self.request = request
        self.principal = principal
        self.flight = flight
        self.seen: dict[str, Seen] = {}
        self.uris: Uris = {}
        self.pending: dict[str, None] = {}
        self.announced: set[tuple[str, str]] | None = None
        """Lists of servers (name, server) that these say have changed, as far as its client was not told."""
        self.looked = -1
        """Which state of things `seen` is of; see `Streams.moves`."""
        self.look_at: float | None = None
        """Epoch seconds when what it may see changes by itself."""
        self.ends_at = 0.0
        """Epoch seconds."""
        self.speak_at = 0.0
        """Of the monotonic clock: when silence has lasted long enough."""
        self.writer: anyio.CancelScope | None = None
        self.graceful = False
        """The gateway ends it, and the client may come again."""
        self._reply = reply
        self._tag: Mapping[str, Any] | None = None
        self._events: list[int | str] | None = None

    def tag(self, subscription: str | int) -> None:
        """Every frame names the request it belongs to (MCP 2026-07-28 basic/patterns/subscriptions)."""
        self._tag = {META_SUBSCRIPTION: subscription}

    async def prime(self) -> None:
        """A first event without content, so that the client knows where to come again (MCP 2025-11-25 transports)."""
        self._events = [os.urandom(6).hex(), 0]
        await self._reply.write(self._event_id() + b"retry: %d\ndata: \n\n" % _RETRY_MS)

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        whole = {**(params or {}), **({"_meta": self._tag} if self._tag else {})}
        message = {"jsonrpc": "2.0", "method": method, **({"params": whole} if whole else {})}
        await self._reply.write(self._event_id() + b"event: message\ndata: " + orjson.dumps(message) + b"\n\n")

    async def keep_alive(self) -> None:
        await self._reply.write(_KEEP_ALIVE)

    async def finish(self) -> None:
        """The last word of a stream that ends as it should."""
        if self._tag is None:
            await self._reply.end()
        else:
            await self._reply.result({"resultType": "complete", "_meta": self._tag})

    def look_next(self) -> None:
        self.look_at = min((seen.valid_until for seen in self.seen.values() if seen.valid_until), default=None)

    def _event_id(self) -> bytes:
        if self._events is None:
            return b""
        token, number = self._events
        self._events[1] = int(number) + 1
        return f"id: {token}-{number}\n".encode()
