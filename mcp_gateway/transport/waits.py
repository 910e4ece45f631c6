"""How many calls may wait for a person: they take no place from calls that work, and never all of an upstream's."""

from __future__ import annotations

from collections import Counter

from mcp_gateway.errors import Declined
from mcp_gateway.transport.inflight import InFlight

MAX_WAITING = 1_000
"""Of one process."""
MAX_PER_SERVER = 224
"""Each holds a connection to its upstream, which has 256."""
INTERNAL = -32603
"""For an upstream whose question cannot be answered, whatever the client can do."""


class Waits:
    def __init__(self, inflight: InFlight, *, limit: int = MAX_WAITING, per_server: int = MAX_PER_SERVER) -> None:
        self._inflight = inflight
        self._limit = limit
        self._per_server = per_server
        self._at: Counter[str] = Counter()

    def begin(self, server: str) -> None:
        """A call of `server` has its first question open; raises Declined when too many have."""
        if self._at.total() >= self._limit or self._at[server] >= self._per_server:
            raise Declined("too many calls wait for their clients", jsonrpc=INTERNAL)
        self._at[server] += 1
        self._inflight.waiting += 1

    def end(self, server: str) -> None:
        """The last of its open questions is over."""
        self._inflight.waiting -= 1
        self._at[server] -= 1
        if not self._at[server]:
            del self._at[server]  # or the table would remember every server there ever was

    def __len__(self) -> int:
        return self._at.total()
