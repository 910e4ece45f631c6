"""A stream that a legacy server closed is read on where it was, and the request is never sent again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import SocketStream

from mcp_gateway.errors import UpstreamFailure
from mcp_gateway.model.call import Answer
from mcp_gateway.upstream import Limits, Upstreams
from tests.support.asking import CAPABILITIES, Answering, politely
from tests.support.upstreams import Asked, http_head, permit_for, reset, respond, result_for, scripted_upstream

pytestmark = pytest.mark.anyio
STREAM = "text/event-stream"
HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "s", "version": "1"},
}

Play = Callable[[Asked, SocketStream], Awaitable[None]]


class Server:
    """A legacy server: `call` plays the POST of a call, `again` each GET after it."""

    def __init__(self, call: Play, *again: Play) -> None:
        self._call = call
        self._again = list(again)
        self.call_id: Any = None
        self.places: list[str | None] = []
        self.calls = 0
        self.replies: list[Any] = []

    async def __call__(self, asked: Asked, stream: SocketStream) -> None:
        method = asked.body.get("method") if asked.body else None
        match asked.method, method:
            case "GET", _ if "last-event-id" in asked.headers:
                self.places.append(asked.headers["last-event-id"])
                await self._again.pop(0)(Asked("GET", asked.headers, {"id": self.call_id}), stream)
            case "POST", "initialize":
                body: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.id, "result": HELLO}
                await respond(stream, json.dumps(body).encode(), extra="mcp-session-id: s-1\r\n")
            case "POST", "tools/call":
                self.calls += 1
                self.call_id = asked.id
                await self._call(asked, stream)
            case "POST", None:
                self.replies.append(asked.body)
                await respond(stream, b"", status=202)
            case "GET", _:
                await respond(stream, b"", status=405)
            case _:
                await respond(stream, b"", status=202)


def says(*lines: bytes) -> Play:
    """A stream that ends after these events; `ANSWER` stands for the answer."""

    async def play(asked: Asked, stream: SocketStream) -> None:
        answer = b"data: " + json.dumps(result_for(asked)).encode()
        body = b"".join(line.replace(b"ANSWER", answer) + b"\n\n" for line in lines)
        await respond(stream, body, kind=STREAM)

    return play


def breaks(*lines: bytes) -> Play:
    """The same, but the connection is reset."""

    async def play(asked: Asked, stream: SocketStream) -> None:
        await stream.send(http_head(200, STREAM, 10_000) + b"".join(line + b"\n\n" for line in lines))
        await reset(asked, stream)

    return play


def answers(status: int, kind: str = "application/json") -> Play:
    async def play(_asked: Asked, stream: SocketStream) -> None:
        await respond(stream, b"{}", status=status, kind=kind)

    return play


async def code_of(server: Server, directory: Path, **limits: Any) -> str:
    found = await called(server, directory, **limits)
    assert isinstance(found, UpstreamFailure)
    return found.code


async def called(
    server: Server, directory: Path, client: Answering | None = None, **limits: Any
) -> Answer | UpstreamFailure:
    async with scripted_upstream(server) as upstream, Upstreams(directory, limits=Limits(**limits)) as upstreams:
        upstreams.configure([entry := upstream.entry(protocol="legacy")])
        permit = permit_for(entry, "echo", capabilities=CAPABILITIES if client else None)
        try:
            return await upstreams.forward(permit, client or Answering(politely))
        except UpstreamFailure as exc:
            return exc


@pytest.mark.parametrize(
    ("server", "places"),
    [
        (Server(says(b"id: 7\nretry: 1\ndata:"), says(b"ANSWER")), ["7"]),
        (Server(says(b"id: 7\nretry: 1\ndata:"), says(b"id: 8\nretry: 1\ndata:"), says(b"ANSWER")), ["7", "8"]),
        (Server(says(b"id: 7\nretry: 1\ndata:"), says(b"retry: 1\ndata:"), says(b"ANSWER")), ["7", "7"]),
        (Server(breaks(b"id: a/b\nretry: 1\ndata:"), breaks(b"id: c\nretry: 1\ndata:"), says(b"ANSWER")), ["a/b", "c"]),
    ],
)
async def test_a_stream_that_was_closed_is_read_on_behind_its_last_event(
    tmp_path: Path, server: Server, places: list[str]
) -> None:
    answer = await called(server, tmp_path)
    assert isinstance(answer, Answer) and answer.result is not None
    assert answer.result["content"][0]["text"] == "hi"
    assert server.places == places and server.calls == 1


@pytest.mark.parametrize(
    "server",
    [
        Server(says(b": nothing")),
        Server(says(b"id: \xc3\xa9\nretry: 1\ndata:")),
        Server(says(b"id: " + b"x" * 2_000 + b"\nretry: 1\ndata:")),
        Server(says(b"id: 7\nretry: 1\ndata:"), answers(404)),
        Server(says(b"id: 7\nretry: 1\ndata:"), answers(405)),
        Server(says(b"id: 7\nretry: 1\ndata:"), answers(200)),
        Server(says(b"id: 7\nretry: 1\ndata:"), reset),
    ],
)
async def test_a_stream_that_cannot_be_read_on_leaves_the_outcome_unknown(tmp_path: Path, server: Server) -> None:
    assert await code_of(server, tmp_path) == "upstream.outcome_unknown" and server.calls == 1


async def test_what_was_read_before_counts_towards_the_bound(tmp_path: Path) -> None:
    note = b'id: 7\nretry: 1\ndata: {"jsonrpc": "2.0", "method": "notifications/x", "params": {"x": "%s"}}' % (
        b"x" * 900
    )
    server = Server(says(note), *[says(note)] * 9)
    assert await code_of(server, tmp_path, response_bytes=5_000) == "upstream.protocol_error"


async def test_a_question_stays_open_while_its_stream_is_closed(tmp_path: Path) -> None:
    question = b'id: 7\nretry: 1\ndata: {"jsonrpc": "2.0", "id": "q", "method": "roots/list"}'
    server = Server(says(question), says(b"ANSWER"))
    client = Answering(politely)
    await called(server, tmp_path, client)
    assert [method for method, _ in client.questions] == ["roots/list"]
    assert server.places == ["7"]


async def test_another_requests_answer_on_the_stream_is_refused(tmp_path: Path) -> None:
    server = Server(says(b"id: 7\nretry: 1\ndata:"), says(b'data: {"jsonrpc": "2.0", "id": "other", "result": {}}'))
    assert await code_of(server, tmp_path) == "upstream.protocol_error"


async def test_a_deadline_passes_while_the_stream_is_closed(tmp_path: Path) -> None:
    server = Server(says(b"id: 7\nretry: 60000\ndata:"))
    async with scripted_upstream(server) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry := upstream.entry(protocol="legacy", timeout_seconds=1.0)])
        with pytest.raises(UpstreamFailure) as caught:
            await upstreams.forward(permit_for(entry, "echo"), Answering(politely))
    assert caught.value.code == "upstream.timeout"
    assert [asked.body["method"] for asked in upstream.asked if asked.body][-1] == "notifications/cancelled"
