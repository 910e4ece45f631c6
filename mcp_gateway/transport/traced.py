"""The door while tracing is on: the same answers, and a span for each request from its first byte to its last.

A trace begins, or is joined, once its client is known and the message read; what is refused before that belongs to a
trace of its own. Nothing a client writes freely is in a span's name or attributes.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping, MutableMapping
from time import perf_counter_ns
from typing import Any, Protocol

from mcp_gateway.errors import GatewayError
from mcp_gateway.protocol import LEGACY_VERSIONS, MODERN_VERSIONS
from mcp_gateway.telemetry.tracing import WALK, Tracer, Walk
from mcp_gateway.transport.classify import VERSION_HEADER
from mcp_gateway.transport.door import respond
from mcp_gateway.transport.exchange import Exchange, Parts
from mcp_gateway.transport.inflight import Receive
from mcp_gateway.transport.reply import AT_ONCE, AtOnce, Headers, Reply, Send

_METHODS = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
        "logging/setLevel",
        "subscriptions/listen",
        "tasks/get",
        "tasks/update",
        "tasks/cancel",
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
    }
)
_VERSIONS = frozenset({*MODERN_VERSIONS, *LEGACY_VERSIONS})
_OTHER = "_OTHER"
"""As OpenTelemetry's conventions call what is not known by name."""
_MAX_ID = 64


class Answerer(Protocol):
    """Answers one HTTP request to an MCP endpoint."""

    def __call__(
        self, parts: Parts, scope: MutableMapping[str, Any], receive: Receive, send: Send, *, endpoint: str | None
    ) -> Awaitable[None]: ...


def answering(tracer: Tracer) -> Answerer:
    async def answer(
        parts: Parts, scope: MutableMapping[str, Any], receive: Receive, send: Send, *, endpoint: str | None
    ) -> None:
        walk = tracer.begin()
        reply = _Reply(send, os.urandom(12).hex(), walk, at_once=scope.get(AT_ONCE))
        exchange = Exchange(parts, reply, endpoint)
        exchange.join = walk.join
        token = WALK.set(walk)
        try:
            await respond(exchange, scope, receive)
        except BaseException:
            walk.error = walk.error or "cancelled"
            raise
        finally:
            WALK.reset(token)
            if walk.sampled:
                _describe(walk, exchange, reply, scope["method"])
            walk.finish()

    return answer


class _Reply(Reply):
    """Notes what was answered, as far as a trace may tell."""

    __slots__ = ("began_streaming", "walk")

    def __init__(self, send: Send, request_id: str, walk: Walk, *, at_once: AtOnce | None) -> None:
        super().__init__(send, request_id, at_once=at_once)
        self.walk = walk
        self.began_streaming = 0

    async def begin(self) -> None:
        self.began_streaming = perf_counter_ns()
        await super().begin()

    async def error(self, error: GatewayError, *, status: int | None = None, headers: Headers = ()) -> None:
        self.walk.error = error.code
        await super().error(error, status=status, headers=headers)

    async def upstream_error(self, error: Mapping[str, Any], *, status: int) -> None:
        self.walk.error = _code(error.get("code"))
        self.walk.attributes["rpc.response.status_code"] = self.walk.error
        await super().upstream_error(error, status=status)

    async def plain(self, status: int, content: Mapping[str, Any], headers: Headers = ()) -> None:
        self.walk.error = str(content.get("error", status))
        await super().plain(status, content, headers)


def _describe(walk: Walk, exchange: Exchange, reply: _Reply, http_method: str) -> None:
    message: Mapping[str, Any] = getattr(exchange, "message", None) or {}
    attributes = walk.attributes
    attributes["mcp_gateway.request_id"] = reply.request_id
    attributes["network.transport"], attributes["network.protocol.name"] = "tcp", "http"
    if exchange.endpoint is not None and exchange.parts.gateway.has_endpoint(exchange.endpoint):
        attributes["mcp_gateway.endpoint"] = exchange.endpoint
    version = getattr(exchange, "headers", {}).get(VERSION_HEADER)
    if version in _VERSIONS:
        attributes["mcp.protocol.version"] = version
    if "method" in message:
        method = message["method"] if message["method"] in _METHODS else _OTHER
        attributes["mcp.method.name"] = method
        attributes["mcp_gateway.era"] = exchange.era.value
        walk.name = f"{method} {walk.target}" if walk.target else method
    else:
        walk.name = f"HTTP {http_method}" if http_method in ("GET", "POST", "DELETE") else "HTTP"
    if reply.message_id is not None:
        attributes["jsonrpc.request.id"] = str(reply.message_id)[:_MAX_ID]
    if not reply.finished and not walk.error:
        walk.error = "client.gone"
    if reply.began_streaming:
        walk.span("stream", reply.began_streaming, error=walk.error)


def _code(code: object) -> str:
    return str(code) if isinstance(code, int) else _OTHER
