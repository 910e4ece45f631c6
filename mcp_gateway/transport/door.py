"""The MCP endpoints: `/mcp` and `/mcp/<server>`, both eras, over one policy core. Decides nothing.

Order of refusal: shape of the HTTP request, Host and Origin, token, body, era, session, method.
Authentication comes before version and session, because clients probe for it with either missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, MutableMapping
from typing import Any

import anyio

from mcp_gateway.errors import BadRequest, GatewayError, InsufficientScope, LimitExceeded, Unauthenticated
from mcp_gateway.model.call import Era
from mcp_gateway.protocol import MODERN_VERSIONS
from mcp_gateway.transport import legacy, listening, modern
from mcp_gateway.transport.challenge import endpoint_path, unauthenticated_body
from mcp_gateway.transport.classify import VERSION_HEADER, era_of
from mcp_gateway.transport.edge import read_headers
from mcp_gateway.transport.exchange import Exchange, Parts
from mcp_gateway.transport.inflight import Flight, Receive
from mcp_gateway.transport.reply import AT_ONCE, Reply, Send
from mcp_gateway.transport.strict_json import parse_message
from mcp_gateway.transport.turnstile import PASSED

log = logging.getLogger(__name__)

_HEARD_OUT_BYTES = 33_554_432
"""How much of a body that is too large is read and dropped before the answer."""


def answer(
    parts: Parts, scope: MutableMapping[str, Any], receive: Receive, send: Send, *, endpoint: str | None
) -> Awaitable[None]:
    """Answer one HTTP request to an MCP endpoint."""
    reply = Reply(send, os.urandom(12).hex(), at_once=scope.get(AT_ONCE))
    return respond(Exchange(parts, reply, endpoint), scope, receive)


async def respond(exchange: Exchange, scope: MutableMapping[str, Any], receive: Receive) -> None:
    """Answer, whatever happens."""
    reply = exchange.reply
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
    try:
        await _enter(exchange, scope)
    except (Unauthenticated, BadRequest):
        if scope["method"] == "POST":
            parts.inflight.sent_away()
        raise
    match scope["method"]:
        case "POST":
            await _post(exchange, receive, passed=PASSED in scope)
        case "DELETE":
            ended = await parts.sessions.delete(exchange.headers.get("mcp-session-id"), exchange.principal)
            listening.forget_session(exchange, ended.digest)
            parts.questions.end(ended.digest)
            await exchange.reply.empty(204)
        case "GET":
            await listening.open_stream(exchange, receive)
        case _:
            await exchange.reply.empty(405, [(b"allow", b"GET, POST, DELETE")])


async def _enter(exchange: Exchange, scope: MutableMapping[str, Any]) -> None:
    """Who asks, and where."""
    parts = exchange.parts
    exchange.headers = headers = read_headers(scope["headers"])
    peer = scope.get("client")
    exchange.peer = peer[0] if peer else None
    exchange.origin = parts.origins.of_request(headers)
    if not parts.gateway.has_endpoint(exchange.endpoint):
        raise BadRequest("there is no such MCP endpoint", code="request.unknown_path")
    turnstile, authorization = parts.inflight.turnstile, headers.get("authorization")
    audience = exchange.origin + endpoint_path(exchange.endpoint)
    try:
        principal = await parts.gateway.authenticate(exchange.reply.request_id, authorization, audience)
    except Unauthenticated:
        turnstile.forget(authorization)
        raise
    turnstile.learn(authorization, principal)
    exchange.principal = principal


async def _post(exchange: Exchange, receive: Receive, *, passed: bool) -> None:
    headers, inflight = exchange.headers, exchange.parts.inflight
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("content-type must be application/json", code="request.media_type")
    exchange.reply.accepts_stream = "text/event-stream" in headers.get("accept", "")
    exchange.flight = flight = Flight()
    try:
        inflight.admit(exchange.principal, passed=passed)
        inflight.enter(flight, exchange.principal)
    except LimitExceeded:
        await inflight.turned_away()
        raise
    try:
        exchange.message = message = parse_message(await _body(exchange, receive))
        if flight.has_taken_its_time():
            await exchange.parts.gateway.still_stands(exchange.reply.request_id, exchange.principal)
        if "method" not in message:
            await _response(exchange)
            return
        exchange.reply.message_id = message.get("id")
        exchange.era = era_of(message, headers)
        if "id" in message:
            await _request(exchange, receive)
        else:
            await _notification(exchange)
        return
    except anyio.get_cancelled_exc_class():
        if not flight.was_ended():
            raise
    finally:
        inflight.leave(flight)
    if flight.refusal is not None:
        await exchange.refuse_ended(flight.refusal)
    _refuse_cancelled(exchange)


async def _request(exchange: Exchange, receive: Receive) -> None:
    exchange.flight.request = exchange
    if exchange.era is Era.MODERN:
        exchange.flight.watch(receive)
        await modern.answer(exchange)
    else:
        # A legacy client that leaves has not cancelled (MCP 2025-11-25 transports), so nobody watches.
        exchange.flight.arrived(receive)
        await legacy.answer(exchange)


async def _notification(exchange: Exchange) -> None:
    if exchange.era is Era.LEGACY:
        session = exchange.session()
        if exchange.message["method"] == "notifications/cancelled":
            _cancel(exchange, session.digest)
    await exchange.reply.empty(202)


async def _response(exchange: Exchange) -> None:
    """An answer to what we asked; whether anybody waits for it is not told (MCP 2025-11-25 basic/transports)."""
    if exchange.headers.get(VERSION_HEADER) in MODERN_VERSIONS:
        raise BadRequest("this protocol version has no responses from clients; send the request again with them")
    session = exchange.session()
    answered = exchange.parts.questions.answer(session.digest, exchange.message)
    if not answered and not exchange.parts.sessions.is_own(session):
        # Whoever asked is another process: a client that begins anew begins where it is answered.
        raise BadRequest("the session is unknown; initialize again", code="session.unknown")
    await exchange.reply.empty(202)


def _cancel(exchange: Exchange, session: str) -> None:
    request_id: Any = exchange.params.get("requestId")
    if not isinstance(request_id, (str, int)) or isinstance(request_id, bool):
        raise BadRequest("params.requestId must be text or an integer")
    exchange.parts.inflight.cancel((session, request_id))


async def _body(exchange: Exchange, receive: Receive) -> bytes:
    length = exchange.headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest("content-length must be a number")
    event = await receive()
    body: bytes = event.get("body", b"")
    if event.get("more_body", False):
        body = await _rest_of_body(exchange, receive, bytearray(body))
    if len(body) > exchange.parts.max_body_bytes:
        raise _too_large(exchange)
    return body


async def _rest_of_body(exchange: Exchange, receive: Receive, body: bytearray) -> bytes:
    """Keeps no more than the limit, and reads on a little: a client that is still sending would not hear the refusal."""
    limit, seen = exchange.parts.max_body_bytes, len(body)
    while seen <= limit + _HEARD_OUT_BYTES:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise BadRequest("the client left before its request was complete")
        chunk: bytes = event.get("body", b"")
        seen += len(chunk)
        if len(body) <= limit:
            body += chunk
        exchange.flight.heard()
        if not event.get("more_body", False):
            break
    if seen > limit:
        raise _too_large(exchange)
    return bytes(body)


def _too_large(exchange: Exchange) -> BadRequest:
    return BadRequest(f"the body is larger than {exchange.parts.max_body_bytes} bytes", code="request.too_large")


def _refuse_cancelled(exchange: Exchange) -> None:
    if exchange.flight.too_slow:
        raise BadRequest("the request did not arrive in time", code="request.too_slow")
    if not exchange.flight.client_gone and not exchange.reply.finished:
        raise BadRequest("the request was cancelled", code="request.cancelled")
