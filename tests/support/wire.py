"""Speak MCP 2026-07-28 on the raw wire, so that a test sees statuses, headers and codes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx2

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.body, self.body
        return cast("dict[str, Any]", self.body["result"])

    @property
    def reason(self) -> str:
        """The reason code of a refusal, wherever the answer carries it."""
        error: Any = self.body.get("error", self.body.get("reason"))
        return str(error) if isinstance(error, str) else str(error["data"]["reason"])


class ModernClient:
    def __init__(self, http: httpx2.AsyncClient, url: str, token: str | None) -> None:
        self._http = http
        self.url = url
        self.token = token
        self._id = 0

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> Answered:
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}}, name=tool)

    async def names(self) -> list[str]:
        return [tool["name"] for tool in (await self.request("tools/list")).result["tools"]]

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": {**(params or {}), "_meta": META}}
        routing = {"mcp-method": method, **({"mcp-name": name} if name else {})}
        return await self.send(json.dumps(message).encode(), {**routing, **(headers or {})})

    async def send(self, body: bytes | AsyncIterable[bytes], headers: Mapping[str, str] | None = None) -> Answered:
        """POST exactly `body`, in one piece or in several."""
        sent = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": MODERN,
            **({"authorization": f"Bearer {self.token}"} if self.token else {}),
            **(headers or {}),
        }
        response = await self._http.post(self.url, content=body, headers=sent)
        return Answered(response.status_code, _payload(response), dict(response.headers))


def _payload(response: httpx2.Response) -> Any:
    if not response.content:
        return {}
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        events = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
        return json.loads(events[-1])
    return response.json()
