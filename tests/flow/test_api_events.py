"""`/api/v1/events`: everybody watches what is theirs, for as long as they are signed in."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.types import Message

from mcp_gateway.inspection import Event
from mcp_gateway.model.tool import ReviewState, Risk
from tests.support.first_party import FirstParty, two_servers

pytestmark = pytest.mark.anyio

Frame: TypeAlias = tuple[str, dict[str, Any]]


class Watcher:
    """One open event stream, read frame by frame."""

    def __init__(self, messages: MemoryObjectReceiveStream[Message]) -> None:
        self._messages = messages

    async def next(self) -> Frame | None:
        """The next event, None when the stream has ended."""
        with anyio.fail_after(10):
            async for message in self._messages:
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    return None
                frame = _frame(message.get("body", b""))
                if frame is not None:
                    return frame
        raise AssertionError("the stream broke off")


def _frame(body: bytes) -> Frame | None:
    lines = dict(line.split(": ", 1) for line in body.decode().split("\r\n") if ": " in line and line[0] != ":")
    return (lines["event"], json.loads(lines["data"])) if "event" in lines else None


@asynccontextmanager
async def watching(door: FirstParty, name: str) -> AsyncGenerator[Watcher]:
    send, messages = anyio.create_memory_object_stream[Message](100)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/events",
        "query_string": b"",
        "headers": [(b"cookie", f"login={name}".encode())],
    }

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def run() -> None:
        await door.app(scope, receive, send.send)

    with send, messages:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            watcher = Watcher(messages)
            assert await watcher.next() == ("ready", {})
            yield watcher
            tasks.cancel_scope.cancel()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[FirstParty]:
    async with two_servers(tmp_path) as made:
        yield made


def decision(user: str) -> Event:
    return Event("decision", 1.0, user=user, server=None, public={"code": "tool.unavailable"}, private={"tool": "t"})


async def test_a_change_by_another_process_reaches_those_who_know_the_server(door: FirstParty) -> None:
    async with watching(door, "ana") as ana, watching(door, "mira") as mira:
        await door.put_tool("vault", "secret_get", Risk.READ, state=ReviewState.CHANGED)
        await door.put_tool("tickets", "ticket_get", Risk.READ, state=ReviewState.CHANGED)
        for server, tool in (("vault", "secret_get"), ("tickets", "ticket_get")):
            kind, data = await ana.next() or ("", {})
            assert (kind, data["server"], data["tool"], data["state"]) == ("catalog", server, tool, "changed")
        kind, data = await mira.next() or ("", {})
        assert kind == "catalog"
        assert data.keys() == {"at", "server", "revision"}
        assert data["server"] == "tickets"


async def test_decisions_are_told_to_their_user_and_to_auditors(door: FirstParty) -> None:
    async with watching(door, "ana") as ana, watching(door, "mira") as mira:
        door.events.publish(decision("user:local/other"))
        door.events.publish(decision("user:local/mira"))
        assert await mira.next() == ("decision", {"at": 1.0, "code": "tool.unavailable"})
        told = ("decision", {"at": 1.0, "code": "tool.unavailable", "tool": "t"})
        assert [await ana.next(), await ana.next()] == [told, told]


async def test_the_stream_ends_with_the_login_and_tells_nothing_after_it(door: FirstParty) -> None:
    async with watching(door, "mira") as mira:
        door.ended.add("mira")
        door.events.publish(decision("user:local/mira"))
        assert await mira.next() == ("end", {"reason": "token.missing"})
        assert await mira.next() is None


async def test_a_silent_stream_notices_that_the_login_ended(door: FirstParty) -> None:
    async with watching(door, "mira") as mira:
        door.ended.add("mira")
        assert await mira.next() == ("end", {"reason": "token.missing"})


async def test_an_auditor_who_is_no_longer_one_hears_no_more(door: FirstParty) -> None:
    await door.relate("user:local/olu", "auditor", "gateway:local")
    async with watching(door, "olu") as olu:
        door.events.publish(decision("user:local/mira"))
        assert (await olu.next() or ("",))[0] == "decision"
        await door.unrelate("user:local/olu", "auditor", "gateway:local")
        door.events.publish(decision("user:local/mira"))
        door.ended.add("olu")
        assert await olu.next() == ("end", {"reason": "token.missing"})


async def test_a_watcher_who_reads_too_slowly_learns_how_much_is_lost(door: FirstParty) -> None:
    async with watching(door, "mira") as mira:
        for _ in range(1000):
            door.events.publish(decision("user:local/mira"))
        kinds = [await mira.next() or ("", {}) for _ in range(257)]
        told = sum(kind == "decision" for kind, _ in kinds)
        assert kinds[-1] == ("lost", {"count": 1000 - told})


async def test_closing_the_board_ends_the_stream(door: FirstParty) -> None:
    async with watching(door, "mira") as mira:
        door.events.close()
        assert await mira.next() is None
