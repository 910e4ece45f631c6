"""The requests by which clients listen: `subscriptions/listen` (2026-07-28), and the stream, the watched resources
and the log level of a session (2025-11-25). Each is decided and recorded like any other request.

Nothing is replayed: who comes again is told that a list changed meanwhile, not how often.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio

from mcp_gateway.errors import AccessDenied, BadRequest, InsufficientScope, LimitExceeded
from mcp_gateway.model.call import Request
from mcp_gateway.protocol import LEGACY_VERSIONS, MODERN_VERSIONS
from mcp_gateway.transport.classify import VERSION_HEADER
from mcp_gateway.transport.exchange import Exchange
from mcp_gateway.transport.inflight import Flight, Receive
from mcp_gateway.transport.session_states import LEVELS, State
from mcp_gateway.transport.sessions import Session
from mcp_gateway.transport.stream import LISTS, Stream
from mcp_gateway.transport.streams import end
from mcp_gateway.transport.subscribers import PER_STREAM

_ASKED = {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}
_PRIMED_SINCE = "2025-11-25"
"""Older clients cannot read an event without content."""
_MAX_URI = 8_192
_ENDING_SECONDS = 2.0
_INVALID_PARAMS = -32602


@dataclass(frozen=True, slots=True)
class _Filter:
    """What a modern client asks to be told."""

    lists: Sequence[str]
    uris: Sequence[str]

    def acknowledged(self, uris: Sequence[str]) -> dict[str, Any]:
        """The part of it that is honoured: all lists, and the resources that may be read."""
        honoured: dict[str, Any] = {key: True for key, name in _ASKED.items() if name in self.lists}
        return {**honoured, "resourceSubscriptions": list(uris)} if uris else honoured


def capabilities(exchange: Exchange, base: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what clients can be told: that any list changed, and of resources where an upstream tells of them."""
    told = {name: {**base.get(name, {}), "listChanged": True} for name in LISTS}
    if exchange.parts.streams.watch.offers(exchange.endpoint):
        told["resources"]["subscribe"] = True
    return {**base, **told}


async def listen(exchange: Exchange, request: Request) -> None:
    """Answer `subscriptions/listen`: a stream that lasts until somebody ends it."""
    wanted = _filter(exchange.params)
    if not exchange.reply.accepts_stream:
        raise _must_accept_events()
    subscription = exchange.reply.message_id
    assert subscription is not None
    stream = Stream(request, exchange.principal, exchange.reply, exchange.flight)
    stream.tag(subscription)
    streams = exchange.parts.streams
    with streams.entered(stream):
        await streams.watch.listen(request, exchange.principal, wanted.lists)
        with _quiet(stream):
            await _watch_each(exchange, stream, wanted.uris)
            await _look(exchange, stream, wanted.lists)
            await exchange.reply.begin()
            honoured = wanted.acknowledged(list(stream.uris))
            await stream.notify("notifications/subscriptions/acknowledged", {"notifications": honoured})
        await _last(exchange, stream, exchange.parts.inflight.settle(exchange.flight))
    await _finish(exchange, stream)


async def open_stream(exchange: Exchange, receive: Receive) -> None:
    """Answer GET: the stream of a session for what belongs to no request (MCP 2025-11-25 basic/transports)."""
    version = exchange.headers.get(VERSION_HEADER)
    if version in MODERN_VERSIONS:
        await exchange.reply.empty(405, [(b"allow", b"POST")])
        return
    session = own_session(exchange)
    if "text/event-stream" not in exchange.headers.get("accept", ""):
        raise _must_accept_events()
    exchange.message = {}
    exchange.flight = flight = Flight()
    exchange.parts.inflight.hold(flight)
    try:
        agreed = version if version in LEGACY_VERSIONS else session.protocol_version
        await _session_stream(exchange, exchange.request(agreed, session), session, receive)
    finally:
        exchange.parts.inflight.leave(flight)


async def _session_stream(exchange: Exchange, request: Request, session: Session, receive: Receive) -> None:
    state = exchange.parts.states.of(session, exchange.principal)
    stream = Stream(request, exchange.principal, exchange.reply, exchange.flight)
    stream.uris = state.uris
    streams = exchange.parts.streams
    if state.stream is not None:
        end(state.stream)  # a connection that broke unnoticed must not lock its session out
    with streams.entered(stream), _of(state, stream):
        await streams.watch.listen(request, exchange.principal, list(LISTS))
        with _quiet(stream):
            await _look(exchange, stream, list(LISTS))
            await exchange.reply.begin()
            if request.protocol_version >= _PRIMED_SINCE:
                await stream.prime()
        for name, seen in state.seen.items():
            if seen.mark != stream.seen[name].mark:
                streams.tell(stream, name)
        await _last(exchange, stream, receive)
    await _finish(exchange, stream)


async def subscribe(exchange: Exchange, request: Request, session: Session) -> None:
    """Answer `resources/subscribe`; what is watched counts while the session's stream is open."""
    state = _state(exchange, session)
    uri = _uri(exchange.params.get("uri"))
    streams = exchange.parts.streams
    watched = await streams.watch.subscribe(request, exchange.principal, uri)
    if state.stream is not None:
        streams.subscribers.add(state.stream, uri, watched)
    elif uri not in state.uris and len(state.uris) >= PER_STREAM:
        raise LimitExceeded(f"{PER_STREAM} resources are watched already", code="limit.subscriptions")
    state.uris[uri] = watched
    await exchange.reply.result({})


async def unsubscribe(exchange: Exchange, request: Request, session: Session) -> None:
    """Answer `resources/unsubscribe`; whoever watches less needs no right for it."""
    state = _state(exchange, session)
    uri = _uri(exchange.params.get("uri"))
    if state.stream is not None:
        exchange.parts.streams.subscribers.remove(state.stream, uri)
    state.uris.pop(uri, None)
    await exchange.parts.streams.watch.unsubscribe(request, exchange.principal, uri)
    await exchange.reply.result({})


async def set_level(exchange: Exchange, session: Session) -> None:
    """Answer `logging/setLevel`."""
    level: object = exchange.params.get("level")
    if level not in LEVELS:
        raise BadRequest(f"params.level must be one of {', '.join(LEVELS)}", jsonrpc=_INVALID_PARAMS)
    _state(exchange, session).level = str(level)
    await exchange.reply.result({})


def forget_session(exchange: Exchange, digest: str) -> None:
    """The session is over, and with it its stream."""
    state = exchange.parts.states.drop(digest)
    if state is not None and state.stream is not None:
        end(state.stream)


def own_session(exchange: Exchange) -> Session:
    """A session that this process made: what it said so far is known here. Another one is answered as unknown."""
    session = exchange.session()
    if not exchange.parts.sessions.is_own(session):
        raise BadRequest("the session is unknown; initialize again", code="session.unknown")
    return session


def _state(exchange: Exchange, session: Session) -> State:
    if not exchange.parts.sessions.is_own(session):
        raise BadRequest("the session is unknown; initialize again", code="session.unknown")
    return exchange.parts.states.of(session, exchange.principal)


@contextmanager
def _quiet(stream: Stream) -> Generator[None]:
    """Nobody else writes until the block ends: the first frame has to be the first."""
    stream.writer = guard = anyio.CancelScope()
    try:
        yield
    finally:
        if stream.writer is guard:
            stream.writer = None


@contextmanager
def _of(state: State, stream: Stream) -> Generator[None]:
    state.stream = stream
    try:
        yield
    finally:
        if state.stream is stream:
            state.stream = None
            state.seen = stream.seen


async def _watch_each(exchange: Exchange, stream: Stream, uris: Sequence[str]) -> None:
    """Each is decided by itself; one that is refused is only not acknowledged."""
    streams = exchange.parts.streams
    for uri in uris:
        try:
            watched = await streams.watch.subscribe(stream.request, exchange.principal, uri)
        except (AccessDenied, InsufficientScope):
            continue
        except BadRequest as exc:
            if exc.code != "resource.not_watchable":
                raise
            continue
        streams.subscribers.add(stream, uri, watched)


async def _look(exchange: Exchange, stream: Stream, lists: Sequence[str]) -> None:
    """What the client knows by now; if anything moved meanwhile, that is looked at again."""
    streams = exchange.parts.streams
    since = streams.moves
    for name in lists:
        stream.seen[name] = await streams.watch.seen(stream.request, exchange.principal, LISTS[name])
    stream.look_next()
    stream.looked = since
    if streams.moves != since:
        streams.stirred.set()


async def _last(exchange: Exchange, stream: Stream, receive: Receive | None) -> None:
    """Until the client leaves or somebody ends the stream."""
    if stream.pending:
        exchange.parts.streams.tell(stream, next(iter(stream.pending)))
    exchange.message = cast("Mapping[str, Any]", {})
    try:
        if receive is None:
            await anyio.sleep_forever()  # the request's own watcher looks out for the client
        else:
            while (await receive())["type"] != "http.disconnect":
                pass
    except anyio.get_cancelled_exc_class():
        if not stream.flight.was_ended():
            raise


async def _finish(exchange: Exchange, stream: Stream) -> None:
    if stream.flight.refusal is not None:
        await exchange.refuse_ended(stream.flight.refusal)
    if stream.graceful:
        with anyio.move_on_after(_ENDING_SECONDS):
            await stream.finish()


def _filter(params: Mapping[str, Any]) -> _Filter:
    asked: object = params.get("notifications")
    if not isinstance(asked, dict):
        raise BadRequest("params.notifications must be an object", jsonrpc=_INVALID_PARAMS)
    fields = cast("Mapping[str, Any]", asked)
    for key in _ASKED:
        if not isinstance(fields.get(key, False), bool):
            raise BadRequest(f"params.notifications.{key} must be true or false", jsonrpc=_INVALID_PARAMS)
    uris: object = fields.get("resourceSubscriptions", [])
    if not isinstance(uris, list):
        raise BadRequest("params.notifications.resourceSubscriptions must be an array", jsonrpc=_INVALID_PARAMS)
    watched = list(dict.fromkeys(_uri(uri) for uri in cast("list[object]", uris)))
    if len(watched) > PER_STREAM:
        raise LimitExceeded(f"a stream watches at most {PER_STREAM} resources", code="limit.subscriptions")
    return _Filter([name for key, name in _ASKED.items() if fields.get(key)], watched)


def _uri(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_URI:
        raise BadRequest(f"a resource's URI must be text of at most {_MAX_URI} characters", jsonrpc=_INVALID_PARAMS)
    return value


def _must_accept_events() -> BadRequest:
    return BadRequest("the Accept header must allow text/event-stream", code="request.not_acceptable")
