"""Clients on the raw wire that are asked something in the middle of a call, so that a test can answer wrongly."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.support.asking import CAPABILITIES
from tests.support.wire import META, MODERN, Answered

ACCEPT: dict[str, Any] = {"action": "accept", "content": {"colour": "blue"}}
_BOTH = "application/json, text/event-stream"


class LegacyAsked:
    """A client of the session era; `call` yields what comes on the call's stream, message by message."""

    def __init__(self, http: httpx2.AsyncClient, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self.headers = {"authorization": f"Bearer {token}", "accept": _BOTH}

    async def initialize(self, capabilities: Mapping[str, Any] = CAPABILITIES) -> None:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": {"name": "tests", "version": "1"},
        }
        response = await self.post({"id": 0, "method": "initialize", "params": params})
        self.headers |= {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}

    async def post(self, message: Mapping[str, Any]) -> httpx2.Response:
        return await self._http.post(self._url, json={"jsonrpc": "2.0", **message}, headers=self.headers)

    async def answer(self, question: Mapping[str, Any], result: Mapping[str, Any] = ACCEPT) -> int:
        return (await self.post({"id": question["id"], "result": result})).status_code

    @asynccontextmanager
    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, id: int = 1
    ) -> AsyncGenerator[AsyncIterator[dict[str, Any]]]:
        async with self.request("tools/call", {"name": tool, "arguments": arguments}, id=id) as messages:
            yield messages

    @asynccontextmanager
    async def request(
        self, method: str, params: Mapping[str, Any], *, id: int = 1
    ) -> AsyncGenerator[AsyncIterator[dict[str, Any]]]:
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        async with self._http.stream("POST", self._url, json=message, headers=self.headers) as response:
            yield _messages(response)


async def _messages(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    if not response.headers["content-type"].startswith("text/event-stream"):
        yield json.loads(await response.aread())
        return
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


@dataclass(frozen=True, slots=True)
class Replied(Answered):
    notifications: list[dict[str, Any]]


@dataclass(slots=True)
class ModernAsked:
    """A client of the stateless era that declares what it can be asked."""

    http: httpx2.AsyncClient
    url: str
    token: str
    capabilities: Mapping[str, Any]
    asked: int = 0

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        **back: Any,
    ) -> Replied:
        """`back` are `requestState` and `inputResponses` of a retry."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments, **back}, tool, meta=meta)

    async def request(
        self, method: str, params: Mapping[str, Any], name: str, *, meta: Mapping[str, Any] | None = None
    ) -> Replied:
        """`name` is what `params` name: a tool, a task."""
        self.asked += 1
        stamped = {**META, "io.modelcontextprotocol/clientCapabilities": self.capabilities, **(meta or {})}
        message = {"jsonrpc": "2.0", "id": self.asked, "method": method, "params": {**params, "_meta": stamped}}
        headers = {
            "authorization": f"Bearer {self.token}",
            "accept": _BOTH,
            "mcp-protocol-version": MODERN,
            "mcp-method": method,
            "mcp-name": name,
        }
        response = await self.http.post(self.url, json=message, headers=headers)
        messages = [message async for message in _messages(response)]
        return Replied(response.status_code, messages[-1], dict(response.headers), messages[:-1])


def accepting(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a retry brings when every question of `result` is answered."""
    answers = dict.fromkeys(result.get("inputRequests", {}), ACCEPT)
    return {"inputResponses": answers, "requestState": result["requestState"]}
