"""The MCP endpoints: `/mcp` and `/mcp/<server>`, both eras, over one policy core. Decides nothing.

Order of refusal: shape of the HTTP request, Host and Origin, token, body, era, session, method.
Authentication comes before version and session, because clients probe for it with either missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from typing import Any

import anyio

from mcp_gateway.errors import BadRequest, GatewayError, InsufficientScope, Unauthenticated
from mcp_gateway.model.call import Era
from mcp_gateway.transport import legacy, modern
from mcp_gateway.transport.challenge import endpoint_path, unauthenticated_body
from mcp_gateway.transport.classify import era_of
from mcp_gateway.transport.edge import read_headers
from mcp_gateway.transport.exchange import Exchange, Parts
from mcp_gateway.transport.inflight import Flight, Receive
from mcp_gateway.transport.reply import Reply, Send
from mcp_gateway.transport.strict_json import parse_message

log = logging.getLogger(__name__)


async def answer(
    parts: Parts, scope: MutableMapping[str, Any], receive: Receive, send: Send, *, endpoint: str | None
) -> None:
    """Answer one HTTP request to an MCP endpoint, whatever happens."""
    reply = Reply(send, os.urandom(12).hex())
    exchange = Exchange(parts, reply, endpoint)
    try:
        await _answer(exchange, scope, receive)
    except Unauthenticated as exc:
        body = unauthenticated_body(exc, origin=exchange.origin, request_id=reply.request_id)
        await reply.plain(401, body, exchange.challenge(exc))
    except InsufficientScope as exc:
        await reply.error(exc, headers=exchange.challenge(exc))
    except GatewayError as exc:
        await reply.error(exc, status=exchange.status_of(exc))
    except Exception:
        # The one place that catches everything: a trace for operators, nothing of it for the caller.
        log.exception("request %s failed", reply.request_id)
        await reply.error(GatewayError())


async def _answer(exchange: Exchange, scope: MutableMapping[str, Any], receive: Receive) -> None:
    parts = exchange.parts
    exchange.headers = headers = read_headers(scope["headers"])
    exchange.origin = parts.origins.of_request(headers)
    if not parts.gateway.has_endpoint(exchange.endpoint):
        raise BadRequest("there is no such MCP endpoint", code="request.unknown_path")
    exchange.principal = await parts.gateway.authenticate(
        exchange.reply.request_id, headers.get("authorization"), exchange.origin + endpoint_path(exchange.endpoint)
    )
    match scope["method"]:
        case "POST":
            await _post(exchange, receive)
        case "DELETE":
            await parts.sessions.delete(headers.get("mcp-session-id"), exchange.principal)
            await exchange.reply.empty(204)
        case _:
            # Nothing is pushed outside a request, so there is no stream to GET (405: MCP 2025-11-25 transports).
            await exchange.reply.empty(405, [(b"allow", b"POST, DELETE")])


async def _post(exchange: Exchange, receive: Receive) -> None:
    headers, inflight = exchange.headers, exchange.parts.inflight
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("content-type must be application/json", code="request.media_type")
    exchange.reply.accepts_stream = "text/event-stream" in headers.get("accept", "")
    with anyio.CancelScope() as scope:
        exchange.flight = flight = Flight(scope)
        inflight.enter(flight)
        try:
            exchange.message = message = parse_message(await _body(exchange, receive))
            exchange.era = era_of(message, headers)
            if "id" in message:
                exchange.reply.message_id = message["id"]
                await _request(exchange, receive)
            else:
                await _notification(exchange)
        finally:
            inflight.leave(flight)
    if scope.cancelled_caught:
        _refuse_cancelled(exchange)


async def _request(exchange: Exchange, receive: Receive) -> None:
    if exchange.era is Era.MODERN:
        exchange.flight.watch(receive)
        await modern.answer(exchange)
    else:
        # A legacy client that leaves has not cancelled (MCP 2025-11-25 transports), so nobody watches.
        exchange.flight.arrived()
        await legacy.answer(exchange)


async def _notification(exchange: Exchange) -> None:
    if exchange.era is Era.LEGACY:
        session = exchange.session()
        if exchange.message["method"] == "notifications/cancelled":
            exchange.parts.inflight.cancel((session.digest, exchange.params.get("requestId", "")))
    await exchange.reply.empty(202)


async def _body(exchange: Exchange, receive: Receive) -> bytes:
    limit = exchange.parts.max_body_bytes
    length = exchange.headers.get("content-length", "0")
    if not length.isdigit() or int(length[:20]) > limit:
        raise BadRequest(f"the body is larger than {limit} bytes", code="request.too_large")
    event = await receive()
    body: bytes = event.get("body", b"")
    if event.get("more_body", False):
        body = await _rest_of_body(exchange, receive, bytearray(body))
    if len(body) > limit:
        raise BadRequest(f"the body is larger than {limit} bytes", code="request.too_large")
    return body


async def _rest_of_body(exchange: Exchange, receive: Receive, body: bytearray) -> bytes:
    while len(body) <= exchange.parts.max_body_bytes:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise BadRequest("the client left before its request was complete")
        body += event.get("body", b"")
        exchange.flight.heard()
        if not event.get("more_body", False):
            break
    return bytes(body)


def _refuse_cancelled(exchange: Exchange) -> None:
    if exchange.flight.too_slow:
        raise BadRequest("the request did not arrive in time", code="request.too_slow")
    if not exchange.flight.client_gone and not exchange.reply.finished:
        raise BadRequest("the request was cancelled", code="request.cancelled")
