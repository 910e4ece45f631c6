"""One HTTP answer: plain JSON, or an event stream from the first notification on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import orjson

from mcp_gateway.errors import PUBLIC, AccessDenied, BadRequest, GatewayError, InvalidArguments
from mcp_gateway.model.reasons import sentence

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AtOnce: TypeAlias = Callable[[bytes, bytes], bool]
"""Sends a whole answer; False when it has to be sent as ASGI has it. Its head comes without its last line."""
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

AT_ONCE = "mcp_gateway.at_once"
"""Where a server that can puts an `AtOnce` into the scope."""

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_OK = b"HTTP/1.1 200 OK\r\n%b: %b\r\n%b: %b\r\ncontent-length: %%d\r\n" % (*_JSON, *_NO_STORE)
_STREAM: Headers = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # MCP 2026-07-28 streamable-http: buffering proxies would hold progress back.
    (b"x-accel-buffering", b"no"),
)


class Reply:
    """Answers one request exactly once. `message_id` is the JSON-RPC id, None before the body was read."""

    __slots__ = ("_at_once", "_send", "accepts_stream", "finished", "message_id", "request_id", "streaming")

    def __init__(self, send: Send, request_id: str, *, at_once: AtOnce | None = None) -> None:
        self._send = send
        self._at_once = at_once
        self.request_id = request_id
        self.message_id: str | int | None = None
        self.accepts_stream = False
        self.streaming = False
        self.finished = False

    async def notify(self, message: Mapping[str, Any]) -> None:
        """Send a notification or question of this request; a client that takes no streams does without."""
        if not self.accepts_stream or self.finished:
            return
        if not self.streaming:
            await self.begin()
        event = b"event: message\ndata: " + orjson.dumps({"jsonrpc": "2.0", **message}) + b"\n\n"
        await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def keep_alive(self) -> None:
        """A comment in the stream, which clients skip."""
        if self.streaming and not self.finished:
            await self._send({"type": "http.response.body", "body": b": \n\n", "more_body": True})

    async def begin(self) -> None:
        """Make the answer an event stream."""
        self.streaming = True
        await self._send({"type": "http.response.start", "status": 200, "headers": list(_STREAM)})

    async def write(self, event: bytes) -> None:
        """Bytes of the event stream, as they are; nothing once it is over."""
        if not self.finished:
            await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def end(self) -> None:
        """Close an event stream that has no answer."""
        if not self.finished:
            self.finished = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def result(self, result: Mapping[str, Any], headers: Headers = ()) -> None:
        await self.body(orjson.dumps({"jsonrpc": "2.0", "id": self.message_id, "result": result}), headers=headers)

    async def raw_result(self, result: bytes) -> None:
        """A result that is already JSON."""
        await self.body(b'{"jsonrpc":"2.0","id":' + orjson.dumps(self.message_id) + b',"result":' + result + b"}")

    async def upstream_error(self, error: Mapping[str, Any], *, status: int) -> None:
        """A JSON-RPC error the upstream answered with, as it stands."""
        body = orjson.dumps({"jsonrpc": "2.0", "id": self.message_id, "error": error})
        await self.body(body, status=status)

    async def error(self, error: GatewayError, *, status: int | None = None, headers: Headers = ()) -> None:
        public = PUBLIC[error.code]
        if public.retry_after_seconds is not None:
            headers = (*headers, (b"retry-after", str(public.retry_after_seconds).encode()))
        body = orjson.dumps({"jsonrpc": "2.0", "id": self.message_id, "error": error_object(error, self.request_id)})
        await self.body(body, status=status or public.http, headers=headers)

    async def body(self, body: bytes, *, status: int = 200, headers: Headers = ()) -> None:
        """The last thing sent: as JSON, or as the final event of the stream."""
        if self.finished:
            return  # sending failed halfway: a second answer would only fail again
        self.finished = True
        if self.streaming:
            event = b"event: message\ndata: " + body + b"\n\n"
            await self._send({"type": "http.response.body", "body": event, "more_body": False})
            return
        # Two messages, as ASGI has it, cost a call more than its token and its decision.
        if self._at_once is not None and status == 200 and not headers and self._at_once(_OK % len(body), body):
            return
        length = (b"content-length", str(len(body)).encode())
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [_JSON, _NO_STORE, length, *headers]}
        )
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def plain(self, status: int, content: Mapping[str, Any], headers: Headers = ()) -> None:
        """JSON that is not JSON-RPC, for a refusal before any message was read."""
        await self.body(orjson.dumps(content), status=status, headers=headers)

    async def empty(self, status: int, headers: Headers = ()) -> None:
        self.finished = True
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *headers]}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def error_object(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The JSON-RPC error a caller sees: code, public sentence, reason and request id; no rule, no value."""
    message, code = sentence(error.code), PUBLIC[error.code].jsonrpc
    data: dict[str, Any] = {"reason": error.code, "request_id": request_id}
    if isinstance(error, BadRequest):
        message = error.detail
        code = error.jsonrpc if error.jsonrpc is not None else code
        data = {**error.data, **data}
    elif isinstance(error, InvalidArguments):
        message = str(error)
    elif isinstance(error, AccessDenied) and error.uri is not None:
        data = {"uri": error.uri, **data}
    return {"code": code, "message": message, "data": data}
