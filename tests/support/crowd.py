"""Many clients of both eras that call read and write tools of both upstreams without pause, each call once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.support.counting import LEGACY, Counting
from tests.support.gateway import Installation, install
from tests.support.wire import Answered, ModernClient

AGENT = "docs-assistant"
STOPPING = "gateway.stopping"
_TOOLS = ("modern__read", "modern__write", "legacy__read", "legacy__write")


def crowded(folder: Path, upstream: Counting) -> Installation:
    """A gateway before both eras of `upstream`, whose one user may have all calls of a crowd open."""
    entries = {era: upstream.entry(era) for era in ("modern", "legacy")}
    limits = {"concurrency_per_principal": 512}
    # How many are in flight is what is tested here, not which of them are refused.
    gateway = install(folder, registry=entries, limits=limits, overload={"patience": 0})
    gateway.add_user("mira", calls="modern")
    gateway.cli("access", "add", "user:mira", "caller", "server:legacy")
    for era in entries:
        gateway.let_agent_act(AGENT, "mira", server=era, access="write")
    with gateway.serving():
        for era in entries:
            gateway.wait_for_tools(era, count=2)
    return gateway


class LegacyClient:
    """`initialize`, then requests in the session; it outlives the gateway's process."""

    def __init__(self, http: httpx2.AsyncClient, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": LEGACY,
        }
        self._id = 0

    async def initialize(self) -> None:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
        response = await self._post("initialize", params)
        self._headers["mcp-session-id"] = response.headers["mcp-session-id"]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answered:
        response = await self._post("tools/call", {"name": tool, "arguments": arguments})
        return Answered(response.status_code, response.json(), dict(response.headers))

    async def _post(self, method: str, params: Mapping[str, Any]) -> httpx2.Response:
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        return await self._http.post(self._url, json=message, headers=self._headers)


class Crowd:
    """Numbers every call; remembers which were acknowledged with a result."""

    def __init__(self) -> None:
        self.acknowledged: set[int] = set()
        self.refused: Counter[str] = Counter()
        self.broken = 0
        """Connections that ended without a whole answer, or were refused."""
        self.sent = 0
        self.waiting = 0
        """Calls sent and not answered yet."""
        self._modern: ModernClient
        self._legacy: LegacyClient

    async def begin(self, http: httpx2.AsyncClient, gateway: Installation, token: str) -> None:
        """Clients of a gateway that was just started."""
        self._modern = ModernClient(http, gateway.endpoint(), token)
        self._legacy = LegacyClient(http, gateway.endpoint(), token)
        self.waiting = 0
        await self._legacy.initialize()

    async def call_until_dead(self, number: int) -> None:
        """Client `number`, until its connection breaks or the gateway says that it stops."""
        client = self._legacy if number % 2 else self._modern
        while await self._called(client):
            pass

    async def _called(self, client: ModernClient | LegacyClient) -> bool:
        self.sent += 1
        n = self.sent
        self.waiting += 1
        try:
            answer = await client.call(_TOOLS[n % len(_TOOLS)], {"n": n})
        except (httpx2.TransportError, ValueError):
            self.broken += 1
            return False
        finally:
            self.waiting -= 1
        if "result" in answer.body:
            self.acknowledged.add(n)
            return True
        self.refused[answer.reason] += 1
        return answer.reason != STOPPING
