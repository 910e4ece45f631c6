"""Real upstreams for tests: an MCP server on the SDK, over HTTP or stdio, and an HTTP server that misbehaves on script.

    async with running_upstream(tmp_path, era="legacy") as upstream: ... upstream.url, upstream.entry()
    async with stdio_upstream(tmp_path) as upstream: ...
    async with scripted_upstream(hang) as upstream: ...

What the SDK server did is observed through files in its directory, alike for threads and processes.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import anyio
import mcp_types as types
import uvicorn
from anyio.abc import SocketStream
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.errors import Declined
from mcp_gateway.model.call import Era as CallEra
from mcp_gateway.model.call import Permit, Request
from mcp_gateway.model.decision import allow
from mcp_gateway.model.ids import agent_id, tool_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import HttpTransport, ReviewState, Risk, StdioTransport, Tool, ToolPolicy, Upstream
from mcp_gateway.model.trace import told
from tests.support.asking import ask
from tests.support.offers import offers
from tests.support.processes import free_port, listening, running

Era: TypeAlias = Literal["modern", "legacy", "both"]
MODERN = b"2026-07-28"
ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = ("127.0.0.0/8",)


def http_entry(name: str, url: str, **changed: Any) -> Upstream:
    """A registry entry for `url`; `changed` replaces fields of the entry or of its transport."""
    transport = HttpTransport(url=url, headers=(), credential_header=None, credential_file=None, network=LOOPBACK)
    return _entry(name, transport, changed)


def stdio_entry(name: str, command: tuple[str, ...], **changed: Any) -> Upstream:
    return _entry(name, StdioTransport(command=command, env=(), cwd=str(ROOT)), changed)


def _entry(name: str, transport: HttpTransport | StdioTransport, changed: dict[str, Any]) -> Upstream:
    fields = {key: changed.pop(key) for key in list(changed) if hasattr(transport, key)}
    entry = Upstream(
        name=name,
        transport=replace(transport, **fields),
        owner="tests@example.com",
        description="",
        trusted=True,
        sessions="per_principal",
        protocol="auto",
        timeout_seconds=20.0,
        default_risk=Risk.READ,
        tools=dict[str, ToolPolicy](),
    )
    return replace(entry, **changed)


async def until(condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Returns once `condition` holds, which another thread or process brings about."""
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Record:
    """What the SDK server does, written to files so that a test sees it in every transport."""

    directory: Path

    def note(self, event: str) -> None:
        with (self.directory / "events").open("a") as file:
            file.write(event + "\n")

    def events(self) -> list[str]:
        path = self.directory / "events"
        return path.read_text().splitlines() if path.exists() else []

    def count(self, event: str) -> int:
        return self.events().count(event)

    async def until(self, event: str, *, times: int = 1) -> None:
        """Returns once `event` was noted that often; fails after ten seconds."""
        await until(lambda: self.count(event) >= times)

    def release(self) -> None:
        """Let every `slow` call answer."""
        (self.directory / "released").touch()

    @property
    def released(self) -> bool:
        return (self.directory / "released").exists()


@dataclass(slots=True)
class RunningUpstream:
    entry: Upstream
    record: Record
    url: str = ""
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """Headers of every HTTP request, in order."""
    era: Era = "both"
    """Assign to make the server change its mind."""
    forget_sessions: bool = False
    """Assign True: the next request with a session id is answered 404."""


def permit_for(
    entry: Upstream,
    tool: str,
    arguments: dict[str, Any] | None = None,
    *,
    user: str = "mira",
    agent: str = "docs",
    risk: Risk = Risk.READ,
    progress_token: str | int | None = None,
    meta: dict[str, Any] | None = None,
    era: CallEra = CallEra.LEGACY,
    capabilities: Mapping[str, Any] | None = None,
    method: str = "tools/call",
    params: Mapping[str, Any] | None = None,
) -> Permit:
    """A permit as the gateway would make it for an allowed call."""
    definition = {"name": tool, "inputSchema": TOOLS.get(tool, _OBJECT)}
    return Permit(
        request=Request(
            id="r-1",
            era=era,
            protocol_version="2026-07-28" if era is CallEra.MODERN else "2025-11-25",
            endpoint=entry.name,
            progress_token=progress_token,
            meta=meta or {},
            client_session=None,
            capabilities=capabilities or {},
            trace=told(meta or {}),
        ),
        principal=Principal(
            user=user_id("local", user),
            agent=agent_id("local", agent),
            scopes=frozenset({"mcp:write"}),
            audience="http://127.0.0.1:8000/mcp",
            token_id="t-1",
            expires_at=4_000_000_000,
        ),
        tool=Tool(
            id=tool_id(entry.name, tool),
            server=entry.name,
            name=tool,
            exposed=tool,
            risk=risk,
            state=ReviewState.APPROVED,
            digest=f"digest of {tool}",
            definition=definition,
            resources=(),
        ),
        arguments=arguments or {},
        decision=allow(),
        method=method,
        params=params,
    )


class Heard:
    """A client that keeps what it is told, and cannot be asked."""

    asked: Sequence[str] = ()

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def notify(self, message: Mapping[str, Any], /) -> None:
        self.messages.append(dict(message))

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        raise Declined(f"the client cannot be asked {method}")


# --- the SDK server -------------------------------------------------------------------------------

_OBJECT: dict[str, Any] = {"type": "object"}
TOOLS = {
    "echo": {"type": "object", "properties": {"text": {"type": "string"}}},
    "add": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    "slow": _OBJECT,
    "progress": {"type": "object", "properties": {"steps": {"type": "integer"}}},
    "log": _OBJECT,
    "error": _OBJECT,
    "refuse": _OBJECT,
    "big": {"type": "object", "properties": {"bytes": {"type": "integer"}}},
    "crash": _OBJECT,
    "structured": _OBJECT,
    "region": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
    "environment": _OBJECT,
    "ask": _OBJECT,
    "meta": _OBJECT,
    "question": _OBJECT,
    "naïve tool": _OBJECT,
    "link": {"type": "object", "properties": {"uri": {"type": "string"}}},
}


def sdk_server(record: Record, *, page_size: int = 4) -> Server[dict[str, Any]]:
    """Every behaviour a gateway's upstream may have, by tool name."""

    async def list_tools(
        _ctx: ServerRequestContext[dict[str, Any]], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        record.note("tools/list")
        start = int(params.cursor) if params is not None and params.cursor else 0
        page = list(TOOLS.items())[start : start + page_size]
        more = start + page_size < len(TOOLS)
        return types.ListToolsResult(
            tools=[types.Tool(name=name, input_schema=schema) for name, schema in page],
            next_cursor=str(start + page_size) if more else None,
            ttl_ms=0,
            cache_scope="private",
        )

    async def call_tool(
        ctx: ServerRequestContext[dict[str, Any]], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        record.note(params.name)
        return await _BEHAVIOUR[params.name](ctx, dict(params.arguments or {}), record)

    return Server(
        "sample",
        version="1.2.3",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=TOOLS.get,
        **offers(record),
    )


def _text(text: str, **more: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], **more)


_Arguments: TypeAlias = dict[str, Any]
_Context: TypeAlias = ServerRequestContext[dict[str, Any]]


async def _echo(_ctx: _Context, arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text(str(arguments.get("text", "")))


async def _link(_ctx: _Context, arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.ResourceLink(type="resource_link", uri=str(arguments["uri"]), name="a link")]
    )


async def _add(_ctx: _Context, arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text(str(arguments["a"] + arguments["b"]))


async def _slow(_ctx: _Context, _arguments: _Arguments, record: Record) -> types.CallToolResult:
    try:
        await until(lambda: record.released, seconds=120)
    except anyio.get_cancelled_exc_class():
        record.note("cancelled")
        raise
    return _text("done")


async def _progress(ctx: _Context, arguments: _Arguments, _record: Record) -> types.CallToolResult:
    steps = int(arguments.get("steps", 3))
    for step in range(1, steps + 1):
        await ctx.session.report_progress(step, steps, f"step {step}")
    return _text("done")


async def _log(ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    await ctx.session.send_notification(
        types.LoggingMessageNotification(params=types.LoggingMessageNotificationParams(level="info", data="hello")),
        related_request_id=ctx.request_id,
    )
    return _text("done")


async def _error(_ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text("it went wrong", is_error=True)


async def _refuse(_ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    raise MCPError(code=4711, message="refused", data={"why": "because"})


async def _big(_ctx: _Context, arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text("x" * int(arguments["bytes"]))


async def _crash(_ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    os._exit(3)


async def _structured(_ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text("{}", structured_content={"answer": 42})


async def _region(_ctx: _Context, arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text(str(arguments.get("region")))


async def _environment(_ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text(json.dumps({"names": sorted(os.environ), "pid": os.getpid()}))


async def _ask(ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    """Asks the client something, as legacy servers may; what comes back is the result."""
    try:
        await ctx.session.send_request(
            types.ListRootsRequest(),
            types.ListRootsResult,
            metadata=ServerMessageMetadata(related_request_id=ctx.request_id),
            request_read_timeout_seconds=5,
        )
    except MCPError as exc:
        return _text(f"refused {exc.error.code}")
    return _text("answered")


async def _meta(ctx: _Context, _arguments: _Arguments, _record: Record) -> types.CallToolResult:
    return _text(json.dumps(ctx.meta or {}, default=str))


async def _question(ctx: _Context, arguments: _Arguments, record: Record) -> types.CallToolResult:
    try:
        return _text(await ask(ctx, arguments))
    except anyio.get_cancelled_exc_class():
        record.note("cancelled")
        raise


_Behaviour: TypeAlias = Callable[[_Context, _Arguments, Record], Awaitable[types.CallToolResult]]
_BEHAVIOUR: dict[str, _Behaviour] = {
    "echo": _echo,
    "add": _add,
    "slow": _slow,
    "progress": _progress,
    "log": _log,
    "error": _error,
    "refuse": _refuse,
    "big": _big,
    "crash": _crash,
    "structured": _structured,
    "region": _region,
    "environment": _environment,
    "ask": _ask,
    "meta": _meta,
    "question": _question,
    "naïve tool": _echo,
    "link": _link,
}


@asynccontextmanager
async def running_upstream(
    directory: Path, *, era: Era = "both", name: str = "sample", json_response: bool = False, **changed: Any
) -> AsyncGenerator[RunningUpstream, None]:
    """The SDK server over HTTP on a free loopback port, in a thread with a loop of its own."""
    upstream = RunningUpstream(http_entry(name, "http://127.0.0.1:1/mcp"), Record(directory), era=era)
    app = _Era(upstream, sdk_server(upstream.record).streamable_http_app(json_response=json_response))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        upstream.url = f"http://127.0.0.1:{port}/mcp"
        upstream.entry = http_entry(name, upstream.url, **changed)
        yield upstream
    finally:
        upstream.record.release()
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join, 20)


class _Era:
    """Makes the dual-era SDK server behave like a server of one era, and records what reaches it."""

    def __init__(self, upstream: RunningUpstream, app: ASGIApp) -> None:
        self._upstream = upstream
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        self._upstream.requests.append({k.decode("latin-1"): v.decode("latin-1") for k, v in headers.items()})
        modern = headers.get(b"mcp-protocol-version") == MODERN
        if modern and self._upstream.era == "legacy":
            await _refusal(send, 400, -32600, "Bad Request: Missing session ID")
        elif not modern and self._upstream.era == "modern":
            await _refusal(send, 400, -32022, "Unsupported protocol version")
        elif self._upstream.forget_sessions and b"mcp-session-id" in headers:
            self._upstream.forget_sessions = False
            await _refusal(send, 404, -32600, "Session not found")
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        method = json.loads(body).get("method") if body else scope["method"]
        self._upstream.record.note(f"http {method}")
        if body and b'"crash"' in body:
            self._upstream.record.note("crash")
            cast("Any", send).__self__.transport.abort()
            return
        await self._app(scope, _again(body, receive), send)


async def _refusal(send: Send, status: int, code: int, message: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": "server-error", "error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    first = True

    async def replay() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


@asynccontextmanager
async def stdio_upstream(
    directory: Path, *, name: str = "sample", **changed: Any
) -> AsyncGenerator[RunningUpstream, None]:
    """The same server as a child process, which whoever uses the entry starts and ends."""
    record = Record(directory)
    entry = stdio_entry(name, (sys.executable, "-m", "tests.support.upstreams", str(directory)), **changed)
    try:
        yield RunningUpstream(entry, record)
    finally:
        record.release()


@contextmanager
def upstream_process(directory: Path) -> Generator[str]:
    """The same server over HTTP as a process of its own, for load: gives its URL."""
    port = free_port()
    with running([sys.executable, "-m", "tests.support.upstreams", str(directory), str(port)], ready=listening(port)):
        yield f"http://127.0.0.1:{port}/mcp"


async def _serve_stdio(directory: Path) -> None:
    record = Record(directory)
    record.note("started")
    server = sdk_server(record)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


# --- the scripted server --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request that reached a scripted upstream."""

    method: str
    headers: dict[str, str]
    body: Any
    target: str = ""
    """Path and query."""

    @property
    def id(self) -> Any:
        return self.body.get("id") if isinstance(self.body, dict) else None  # pyright: ignore[reportUnknownVariableType]


Script: TypeAlias = Callable[[Asked, SocketStream], Awaitable[None]]


@dataclass(slots=True)
class ScriptedUpstream:
    url: str
    asked: list[Asked] = field(default_factory=list[Asked])
    arrived: anyio.Event = field(default_factory=anyio.Event)
    closed: anyio.Event = field(default_factory=anyio.Event)
    """The peer closed a connection in the middle of a script."""

    def entry(self, **changed: Any) -> Upstream:
        settings = {"name": "scripted", "url": self.url, "protocol": "modern", **changed}
        return http_entry(settings.pop("name"), settings.pop("url"), **settings)


@asynccontextmanager
async def scripted_upstream(script: Script) -> AsyncGenerator[ScriptedUpstream, None]:
    """An HTTP/1.1 server that hands each request's connection to `script`."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    upstream = ScriptedUpstream(f"http://127.0.0.1:{port}/mcp")

    async def connection(stream: SocketStream) -> None:
        async with stream:
            try:
                while (asked := await _read_request(stream)) is not None:
                    upstream.asked.append(asked)
                    upstream.arrived.set()
                    await script(asked, stream)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                upstream.closed.set()

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, connection)
        try:
            yield upstream
        finally:
            tasks.cancel_scope.cancel()


async def _read_request(stream: SocketStream) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            data += await stream.receive()
        except anyio.EndOfStream:
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await stream.receive()
    return Asked(first.split()[0], headers, json.loads(body) if body else None, first.split()[1])


def http_head(status: int, kind: str = "application/json", length: int | None = None, extra: str = "") -> bytes:
    framing = f"content-length: {length}" if length is not None else "connection: close"
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{extra}{framing}\r\n\r\n".encode()


async def respond(
    stream: SocketStream, body: bytes, *, status: int = 200, kind: str = "application/json", extra: str = ""
) -> None:
    await stream.send(http_head(status, kind, len(body), extra) + body)


def result_for(asked: Asked, **changed: Any) -> dict[str, Any]:
    result = {"content": [{"type": "text", "text": "hi"}], "resultType": "complete", "vendor/x": {"kept": None}}
    return {"jsonrpc": "2.0", "id": asked.id, "result": result, **changed}


def answering(make: Callable[[Asked], object], *, status: int = 200, extra: str = "") -> Script:
    """Answers every request with the JSON `make` makes; bytes are sent as they are."""

    async def script(asked: Asked, stream: SocketStream) -> None:
        made = make(asked)
        body = made if isinstance(made, bytes) else json.dumps(made).encode()
        await respond(stream, body, status=status, extra=extra)

    return script


def events(make: Callable[[Asked], Iterable[object]]) -> Script:
    """Answers with an event stream that ends after its last message."""

    async def script(asked: Asked, stream: SocketStream) -> None:
        body = b"".join(b"data: " + json.dumps(message).encode() + b"\n\n" for message in make(asked))
        await respond(stream, body, kind="text/event-stream")

    return script


async def hang(_asked: Asked, stream: SocketStream) -> None:
    """Says nothing until the peer goes."""
    await stream.receive()
    raise anyio.EndOfStream


async def drip(_asked: Asked, stream: SocketStream) -> None:
    """One byte now and then, for ever."""
    await stream.send(http_head(200))
    while True:
        await stream.send(b" ")
        await anyio.sleep(0.02)


async def endless(_asked: Asked, stream: SocketStream) -> None:
    """A body of two gigabytes, made as it is sent."""
    await stream.send(http_head(200))
    block = b'"' + b"x" * 65_535
    for _ in range(32 * 1024):
        await stream.send(block)


async def reset(_asked: Asked, stream: SocketStream) -> None:
    """RST before any answer."""
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise anyio.EndOfStream


async def reset_midway(asked: Asked, stream: SocketStream) -> None:
    """RST in the middle of the JSON."""
    await stream.send(http_head(200, length=1_000) + b'{"jsonrpc": "2.0", ')
    await reset(asked, stream)


async def cut_stream(_asked: Asked, stream: SocketStream) -> None:
    """An event stream that ends before the answer."""
    await respond(stream, b": nothing here\n\n", kind="text/event-stream")


async def not_http(_asked: Asked, stream: SocketStream) -> None:
    await stream.send(b"\x00\x01 this is not HTTP\r\n\r\n")
    raise anyio.EndOfStream


def _serve_http(directory: Path, port: int) -> None:
    app = sdk_server(Record(directory)).streamable_http_app()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", ws="none")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        if sys.argv[2:]:
            _serve_http(Path(sys.argv[1]), int(sys.argv[2]))
        else:
            anyio.run(_serve_stdio, Path(sys.argv[1]))
