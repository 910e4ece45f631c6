"""Event streams on the raw wire, so that a test sees every frame, id and comment as it was sent."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

WITHIN_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Event:
    id: str | None
    retry: int | None
    message: dict[str, Any]
    """Empty for an event without content."""


class EventStream:
    """The frames of one answer; a comment is counted and skipped."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.comments = 0
        self._lines = response.aiter_lines()

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def body(self) -> Any:
        """Of an answer that is no stream."""
        return self.response.json()

    @property
    def reason(self) -> str:
        """The reason code of a refusal, wherever the answer carries it."""
        error: Any = self.body.get("error", self.body.get("reason"))
        return error if isinstance(error, str) else str(error["data"]["reason"])

    async def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        with anyio.fail_after(WITHIN_SECONDS):
            return await self._next(self._lines)

    async def message(self) -> dict[str, Any]:
        """The next event's message; fails when the stream ends instead."""
        event = await self.next()
        assert event is not None, "the stream ended"
        return event.message

    async def silent(self, seconds: float = 1.0) -> bool:
        """Whether nothing is said for so long; the stream cannot be read on afterwards."""
        with anyio.move_on_after(seconds):
            await self._next(self._lines)
            return False
        return True

    async def _next(self, lines: AsyncIterator[str]) -> Event | None:
        fields: dict[str, str] = {}
        async for line in lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif fields:
                retry = fields.get("retry")
                data = fields.get("data", "")
                return Event(fields.get("id"), int(retry) if retry else None, json.loads(data) if data else {})
        return None


@asynccontextmanager
async def event_stream(
    http: httpx2.AsyncClient, method: str, url: str, *, headers: Mapping[str, str], body: Any = None
) -> AsyncGenerator[EventStream]:
    async with http.stream(method, url, headers=dict(headers), json=body, timeout=None) as response:
        if response.status_code != 200:
            await response.aread()
        yield EventStream(response)
