"""The SDK's server over the oldest HTTP transport, and one that misbehaves on script, for tests.

async with sse_upstream(tmp_path) as upstream: ... upstream.entry
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import anyio
import uvicorn
from anyio.abc import SocketStream
from mcp.server.sse import SseServerTransport
from starlette.types import Message, Receive, Scope, Send

from mcp_gateway.model.tool import HttpTransport, SseTransport, Upstream
from tests.support.upstreams import (
    Asked,
    Record,
    RunningUpstream,
    hang,
    http_entry,
    http_head,
    respond,
    scripted_upstream,
    sdk_server,
    until,
)

MESSAGES = "/messages/"


def sse_entry(name: str, url: str, **changed: Any) -> Upstream:
    """A registry entry for a server whose stream is at `url`; `changed` replaces fields of it or of its transport."""
    entry = http_entry(name, url, **changed)
    assert isinstance(entry.transport, HttpTransport)
    transport = entry.transport
    return replace(
        entry,
        transport=SseTransport(
            url=transport.url,
            headers=transport.headers,
            credential_header=transport.credential_header,
            credential_file=transport.credential_file,
            network=transport.network,
        ),
    )


@asynccontextmanager
async def sse_upstream(
    directory: Path, *, name: str = "sample", declared: bool = True, **changed: Any
) -> AsyncGenerator[RunningUpstream, None]:
    """On a free loopback port, in a thread with a loop of its own. Not `declared`: its entry says only `http`."""
    upstream = RunningUpstream(http_entry(name, "http://127.0.0.1:1/sse"), Record(directory), era="legacy")
    config = uvicorn.Config(
        _App(upstream), host="127.0.0.1", port=0, log_level="critical", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        await until(lambda: server.started)
        upstream.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/sse"
        upstream.entry = (sse_entry if declared else http_entry)(name, upstream.url, **changed)
        yield upstream
    finally:
        upstream.record.release()
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join, 20)


class _App:
    def __init__(self, upstream: RunningUpstream) -> None:
        self._upstream = upstream
        self._transport = SseServerTransport(MESSAGES)
        self._streams: list[Any] = []
        self._forgotten = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
        self._upstream.requests.append({k.decode("latin-1"): v.decode("latin-1") for k, v in headers})
        if scope["path"] == "/sse" and scope["method"] == "GET":
            await self._stream(scope, receive, send)
        elif scope["path"] == MESSAGES and scope["method"] == "POST":
            await self._post(scope, receive, send)
        else:
            await _plain(send, 405 if scope["path"] == "/sse" else 404)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._upstream.record.note("stream")
        self._streams.append(cast("Any", send).__self__.transport)
        server = sdk_server(self._upstream.record)
        async with self._transport.connect_sse(scope, receive, send) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
        self._upstream.record.note("stream ended")

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._upstream.forget_sessions:
            self._upstream.forget_sessions = False
            await _plain(send, 404)
            return
        message = await receive()
        if b'"crash"' in message.get("body", b""):
            self._upstream.record.note("crash")
            await _plain(send, 202)
            self._streams[-1].abort()
            return
        await self._transport.handle_post_message(scope, _again(message, receive), send)


def _again(message: Message, receive: Receive) -> Receive:
    waiting = [message]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _plain(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


Handle: TypeAlias = Callable[["ScriptedSse", dict[str, Any]], Awaitable[int | None]]
"""Takes one posted message and returns the status it is answered with; None closes the connection unanswered."""


class ScriptedSse:
    """A server of this transport by hand: says `endpoint`, then whatever `handle` sends for each posted message."""

    def __init__(self, handle: Handle, endpoint: str | None) -> None:
        self._handle = handle
        self._endpoint = endpoint
        self._stream: SocketStream | None = None
        self.posted: list[Asked] = []
        self.opened: list[Asked] = []

    async def __call__(self, asked: Asked, stream: SocketStream) -> None:
        if asked.method == "GET":
            await self._hold(asked, stream)
            return
        self.posted.append(asked)
        status = await self._handle(self, asked.body)
        if status is None:
            raise anyio.EndOfStream
        await respond(stream, b"", status=status)

    async def send(self, message: object, *, event: str = "message") -> None:
        data = message if isinstance(message, str) else json.dumps(message)
        await self.raw(f"event: {event}\ndata: {data}\n\n".encode())

    async def raw(self, data: bytes) -> None:
        assert self._stream is not None
        await self._stream.send(data)

    async def end_stream(self) -> None:
        assert self._stream is not None
        await self._stream.aclose()

    async def _hold(self, asked: Asked, stream: SocketStream) -> None:
        self.opened.append(asked)
        self._stream = stream
        await stream.send(http_head(200, kind="text/event-stream"))
        if self._endpoint is not None:
            await self.send(self._endpoint, event="endpoint")
        await hang(asked, stream)


async def greeted(server: ScriptedSse, message: dict[str, Any]) -> int:
    """A server that introduces itself and answers every call with `hi`."""
    if message.get("method") == "initialize":
        result: Any = {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": {"name": "old"}}
        await server.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
    elif message.get("method") == "tools/call":
        result = {"content": [{"type": "text", "text": "hi"}]}
        await server.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
    return 202


@asynccontextmanager
async def scripted_sse(
    handle: Handle = greeted, *, endpoint: str | None = "/post?s=1", **changed: Any
) -> AsyncGenerator[tuple[ScriptedSse, Upstream], None]:
    """The server and its entry; `{origin}` and `{host}` in `endpoint` are its own."""
    script: list[ScriptedSse] = []

    async def connection(asked: Asked, stream: SocketStream) -> None:
        await script[0](asked, stream)

    async with scripted_upstream(connection) as upstream:
        origin = upstream.url.removesuffix("/mcp")
        host = origin.removeprefix("http://")
        script.append(ScriptedSse(handle, None if endpoint is None else endpoint.format(origin=origin, host=host)))
        yield script[0], sse_entry("old", f"{origin}/sse", **changed)
