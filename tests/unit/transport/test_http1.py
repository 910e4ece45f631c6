"""HTTP/1.1 on the wire: bounds on heads and connections, what is one too many, and clients that ask for another protocol."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import anyio
import orjson
import pytest
import uvicorn
from anyio.abc import SocketStream

from mcp_gateway.transport import http1
from mcp_gateway.transport.http1 import Http1
from mcp_gateway.transport.reply import AT_ONCE
from mcp_gateway.transport.shedding import Shedding
from mcp_gateway.transport.turnstile import Turnstile
from tests.support.upstreams import until

pytestmark = pytest.mark.anyio

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
RELEASED = threading.Event()
POST = b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"


def said_at_once(scope: MutableMapping[str, Any], answer: bytes) -> bool:
    return scope[AT_ONCE](b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n" % len(answer), answer)


async def echo(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answers what it read; `/deaf` without reading, `/later` a stream, `/once`, `/early` and `/watched` in one step."""
    if scope["path"] == "/later":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not RELEASED.is_set():
            await anyio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"event", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = b""
    if scope["path"] == "/header":
        body = dict(scope["headers"])[b"x-said"]
    while scope["path"] not in ("/deaf", "/early"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    answer = scope["method"].encode() + b" " + scope["raw_path"] + b" " + body
    if scope["path"] == "/watched":

        async def rest() -> None:
            await receive()  # until the client leaves or the answer is complete

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rest)
            await anyio.sleep(0.05)
            assert said_at_once(scope, answer)
        return
    if scope["path"] == "/early":
        assert said_at_once(scope, answer)
        await receive()
        return
    if scope["path"] == "/once" and said_at_once(scope, answer):
        return
    length = (b"content-length", str(len(answer)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": answer})


@asynccontextmanager
async def serving(*, most: int = 100, turnstile: Turnstile | None = None) -> AsyncGenerator[uvicorn.Server]:
    protocol = cast("Any", partial(Http1, most=most, turnstile=turnstile))
    server = uvicorn.Server(
        uvicorn.Config(echo, host="127.0.0.1", port=0, http=protocol, log_level="critical", lifespan="off", ws="none")
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server._serve)  # pyright: ignore[reportPrivateUsage] # without its signal handlers
        await until(lambda: server.started)
        yield server
        server.should_exit = True
        server.force_exit = True


async def connected(server: uvicorn.Server) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])


async def said_until_closed(stream: SocketStream) -> bytes:
    said = b""
    with anyio.fail_after(20):
        try:
            while True:
                said += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return said


async def answers(server: uvicorn.Server, *requests: bytes) -> list[bytes]:
    """What each of the requests on one connection is answered."""
    async with await connected(server) as stream:
        found: list[bytes] = []
        for request in requests:
            await stream.send(request)
            with anyio.fail_after(10):
                head, _, body = (await stream.receive()).partition(b"\r\n\r\n")
                if b"content-length: 0" not in head and not body:
                    body = await stream.receive()
            found.append(body)
        return found


async def test_requests_on_one_connection_are_answered_in_turn() -> None:
    async with serving() as server:
        assert await answers(server, POST, b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", POST) == [
            b"POST /mcp {}",
            b"GET /x ",
            b"POST /mcp {}",
        ]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"content-length: 2\r\n", b"{}"),
        (b"transfer-encoding: chunked\r\n", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
        (b"", b""),
    ],
)
async def test_a_client_that_would_like_http2_is_answered_in_http1_each_time(framing: bytes, body: bytes) -> None:
    asks = b"POST /mcp HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"
    answer = b"POST /mcp " + (b"{}" if body else b"")
    async with serving() as server:
        assert await answers(server, asks + framing + b"\r\n" + body, POST, asks + framing + b"\r\n" + body) == [
            answer,
            b"POST /mcp {}",
            answer,
        ]


async def test_the_body_of_one_who_asked_for_http2_may_come_in_pieces() -> None:
    asks = b"POST /mcp HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\n"
    async with serving() as server, await connected(server) as stream:
        for piece in (asks, b"ab", b"cde", POST):
            await stream.send(piece)
            await anyio.sleep(0.02)
        said = b""
        with anyio.fail_after(10):
            while said.count(b"HTTP/1.1 200") < 2 or not said.endswith(b"{}"):
                said += await stream.receive()
        assert b"POST /mcp abcde" in said


@pytest.mark.parametrize(
    "endless",
    [b"GET / HTTP/1.1\r\nx: ", b"GET /", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: "],
)
async def test_a_head_without_end_is_cut_off(endless: bytes) -> None:
    async with serving() as server, await connected(server) as stream:
        await stream.send(endless)
        with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)):
            for _ in range(1_000):
                await stream.send(b"x" * 10_000)
        with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
            while True:
                await stream.receive()


async def test_the_head_of_a_stream_does_not_wait_for_its_first_event() -> None:
    async with serving() as server, await connected(server) as stream:
        await stream.send(b"GET /later HTTP/1.1\r\nhost: a\r\n\r\n")
        with anyio.fail_after(10):
            assert (await stream.receive()).endswith(b"transfer-encoding: chunked\r\n\r\n")
        RELEASED.set()
        with anyio.fail_after(10):
            assert (await stream.receive()).startswith(b"5\r\nevent\r\n")


async def test_an_answer_in_one_step_is_one_packet_with_a_date_and_its_connection_goes_on() -> None:
    once = POST.replace(b"/mcp", b"/once")
    async with serving() as server, await connected(server) as stream:
        for _ in range(3):
            await stream.send(once)
            with anyio.fail_after(10):
                head, _, body = (await stream.receive()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\ndate: " in head and body == b"POST /once {}"
        assert server.server_state.total_requests == 3


async def test_answers_in_one_step_are_given_in_turn_and_a_client_that_wants_no_more_is_let_go() -> None:
    once, usual = POST.replace(b"/mcp", b"/once"), POST.replace(b"{}", b"[]")
    last = once.replace(b"host: a\r\n", b"host: a\r\nconnection: close\r\n")
    async with serving() as server, await connected(server) as stream:
        await stream.send(once + usual + once + last)
        said = await said_until_closed(stream)
    bodies = [piece.rpartition(b"\r\n\r\n")[2] for piece in said.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"POST /once {}", b"POST /mcp []", b"POST /once {}", b"POST /once {}"]
    assert said.count(b"\r\nconnection: close\r\n") == 1


async def test_answers_in_one_step_that_nobody_reads_do_not_pile_up() -> None:
    once = POST.replace(b"/mcp", b"/once").replace(b"length: 2", b"length: 9000").replace(b"{}", b"x" * 9000)
    async with serving() as server, await connected(server) as stream:
        stream.extra(anyio.abc.SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        [made] = await connections(server)
        transport = made.transport._transport  # pyright: ignore
        with anyio.move_on_after(3):
            while True:
                await stream.send(once * 20)
        assert 0 < transport.get_write_buffer_size() < 200_000


async def test_whoever_waits_for_more_of_a_request_hears_that_it_was_answered_in_one_step() -> None:
    async with serving() as server, await connected(server) as stream:
        await stream.send(POST.replace(b"/mcp", b"/watched"))
        with anyio.fail_after(10):
            assert (await stream.receive()).endswith(b"POST /watched {}")
        # Long before the connection would be closed as idle, which would wake whoever waits, too.
        await until(lambda: not server.server_state.tasks, seconds=3)


async def test_no_leave_to_send_the_body_comes_behind_the_answer() -> None:
    expecting = b"POST /early HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    async with serving() as server, await connected(server) as stream:
        await stream.send(expecting)
        with anyio.fail_after(10):
            assert (await stream.receive()).endswith(b"POST /early ")
        with anyio.move_on_after(0.3):
            assert await stream.receive() == b""


@pytest.mark.parametrize("path", [b"/once", b"/mcp"])
async def test_a_head_that_was_begun_is_not_cut_by_the_idle_time_and_bytes_that_begin_none_do_not_stop_it(
    path: bytes,
) -> None:
    async with serving() as server, await connected(server) as stream:
        [made] = await connections(server)
        made.timeout_keep_alive = 1
        request = POST.replace(b"/mcp", path)
        await stream.send(request)
        with anyio.fail_after(5):
            assert b"{}" in await stream.receive()
        await stream.send(request[:20])
        await anyio.sleep(1.5)
        await stream.send(request[20:])
        with anyio.fail_after(5):
            assert b"{}" in await stream.receive()
        await stream.send(b"\r\n")
        with anyio.fail_after(5), pytest.raises(anyio.EndOfStream):
            await stream.receive()


@pytest.mark.parametrize("path", [b"/once", b"/mcp"])
async def test_a_client_that_was_answered_and_leaves_leaves_nothing_behind(path: bytes) -> None:
    gc.collect()
    gc.disable()
    try:
        async with serving() as server:
            async with await connected(server) as stream:
                await stream.send(POST.replace(b"/mcp", path))
                with anyio.fail_after(5):
                    assert b"{}" in await stream.receive()
            await until(lambda: not server.server_state.connections)
            await anyio.sleep(0.05)
            assert not [one for one in gc.get_objects() if isinstance(one, Http1)]
    finally:
        gc.enable()


@pytest.mark.parametrize("paths", [(b"/once",), (b"/mcp",), (b"/once", b"/mcp"), (b"/mcp", b"/once")])
async def test_a_connection_is_closed_when_nothing_was_asked_for_so_long_and_not_before(
    paths: tuple[bytes, ...],
) -> None:
    async with serving() as server, await connected(server) as stream:
        [made] = await connections(server)
        made.timeout_keep_alive = 1
        for number in range(4):
            await stream.send(POST.replace(b"/mcp", paths[number % len(paths)]))
            with anyio.fail_after(5):
                assert b"{}" in await stream.receive()
            await anyio.sleep(0.6)
        with anyio.fail_after(5), pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def test_an_answer_under_way_is_not_cut_by_the_idle_time_of_the_one_before() -> None:
    RELEASED.clear()
    async with serving() as server, await connected(server) as stream:
        [made] = await connections(server)
        made.timeout_keep_alive = 1
        await stream.send(POST.replace(b"/mcp", b"/once"))
        with anyio.fail_after(5):
            assert b"{}" in await stream.receive()
        await stream.send(b"GET /later HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        await anyio.sleep(1.5)
        RELEASED.set()
        assert b"event" in await said_until_closed(stream)


async def test_a_short_answer_is_one_packet() -> None:
    async with serving() as server, await connected(server) as stream:
        await stream.send(POST)
        with anyio.fail_after(10):
            assert (await stream.receive()).endswith(b"\r\n\r\nPOST /mcp {}")


async def test_blanks_around_the_value_of_a_header_are_not_part_of_it() -> None:
    async with serving() as server:
        asks = b"GET /header HTTP/1.1\r\nhost: a\r\nX-Said: \t a  b\t \r\n\r\n"
        assert await answers(server, asks) == [b"GET /header a  b"]


async def test_too_many_headers_are_refused_with_431() -> None:
    async with serving() as server, await connected(server) as stream:
        await stream.send(b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x-a: b\r\n" * 9_000)
        assert (await said_until_closed(stream)).startswith(b"HTTP/1.1 431 ")


async def test_a_large_body_is_not_taken_for_a_large_head() -> None:
    async with serving() as server, await connected(server) as stream:
        body = b"x" * 3_000_000
        await stream.send(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3000000\r\n\r\n" + body)
        assert (await said_until_closed(stream)).endswith(body)


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nhost: a\r\n", POST + b"GET / HT"])
async def test_a_head_that_does_not_come_is_not_waited_for(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "HEAD_SECONDS", 0.3)
    async with serving() as server, await connected(server) as stream:
        if begun:
            await stream.send(begun)
        said = await said_until_closed(stream)
        assert (b"HTTP/1.1 408 " in said) == bool(begun), said


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01 TLS?\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\nhost: a\n\n",
    ],
)
async def test_what_is_not_http_is_refused_and_the_connection_closed(garbage: bytes) -> None:
    async with serving() as server, await connected(server) as stream:
        await stream.send(garbage)
        assert (await said_until_closed(stream)).startswith(b"HTTP/1.1 400 ")


async def test_a_body_nobody_reads_does_not_hold_the_connection() -> None:
    async with serving() as server:
        server.config.timeout_keep_alive = 1
        async with await connected(server) as stream:
            await stream.send(b"POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n")
            with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)), anyio.fail_after(15):
                while True:
                    await stream.send(b"x")
                    await anyio.sleep(0.2)


async def test_over_the_bound_a_connection_is_told_to_come_later() -> None:
    async with serving(most=2) as server:
        first, second = await connected(server), await connected(server)
        await until(lambda: len(server.server_state.connections) == 2)
        async with await connected(server) as third:
            said = await said_until_closed(third)
            assert said.startswith(b"HTTP/1.1 503 ") and b"retry-after" in said
        await first.aclose()
        await until(lambda: len(server.server_state.connections) == 1)
        assert await answers(server, POST) == [b"POST /mcp {}"]
        await second.aclose()


def full() -> Shedding:
    """Nobody is let in until it is no longer `tight`."""
    shedding = Shedding()
    shedding.tight, shedding.rate = True, 0.0
    return shedding


async def test_a_request_too_many_is_refused_unread_and_its_connection_goes_on() -> None:
    shedding = full()
    async with serving(turnstile=Turnstile(shedding)) as server, await connected(server) as stream:
        for _ in range(3):
            await stream.send(POST.replace(b"{}", b"{"))
            with anyio.fail_after(10):
                head, _, body = (await stream.receive()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 1\r\n" in head
            refused = orjson.loads(body)
            assert refused["id"] is None and refused["error"]["data"]["reason"] == "limit.overload"
            await stream.send(b"}")  # the rest of the body that nobody waited for
        shedding.tight = False
        await stream.send(POST)
        with anyio.fail_after(10):
            assert b"POST /mcp {}" in await stream.receive()


async def test_what_comes_behind_a_refused_request_waits_for_its_own_answer() -> None:
    async with serving(turnstile=Turnstile(full())) as server, await connected(server) as stream:
        await stream.send(POST + b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        said = await said_until_closed(stream)
    assert said.startswith(b"HTTP/1.1 503 ") and said.endswith(b"GET /x ")


async def test_a_refused_client_that_keeps_no_connection_is_told_so() -> None:
    async with serving(turnstile=Turnstile(full())) as server, await connected(server) as stream:
        await stream.send(POST.replace(b"host: a\r\n", b"host: a\r\nconnection: close\r\n"))
        said = await said_until_closed(stream)
    assert said.startswith(b"HTTP/1.1 503 ") and b"\r\nconnection: close\r\n" in said


async def test_a_client_that_leaves_before_or_after_it_is_refused_leaves_nothing_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        for waiting in (0, 500):  # refusals are paced: with as many before it the next is half a second away
            turnstile = Turnstile(full())
            for _ in range(waiting):
                turnstile.refuses({"method": "POST", "path": "/mcp", "headers": []})
            async with serving(turnstile=turnstile) as server:
                async with await connected(server) as stream:
                    await stream.send(POST)
                    await anyio.sleep(0.1)
                await until(lambda server=server: not server.server_state.connections)
                await anyio.sleep(0.05)
                assert not [one for one in gc.get_objects() if isinstance(one, Http1)]
    finally:
        gc.enable()


async def test_refusals_that_nobody_reads_do_not_pile_up() -> None:
    shedding = full()
    turnstile = Turnstile(shedding)
    async with serving(turnstile=turnstile) as server, await connected(server) as stream:
        raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        [made] = await connections(server)
        transport = made.transport._transport  # pyright: ignore
        with anyio.move_on_after(3):
            while True:
                await stream.send(POST * 100)
                await anyio.sleep(0.01)
        assert transport.get_write_buffer_size() < 200_000


async def test_an_answer_is_not_cut_by_the_timer_of_the_refusal_before_it() -> None:
    shedding = full()
    RELEASED.clear()
    async with serving(turnstile=Turnstile(shedding)) as server, await connected(server) as stream:
        [made] = await connections(server)
        made.timeout_keep_alive = 1
        await stream.send(POST.replace(b"{}", b"{"))
        with anyio.fail_after(5):
            assert (await stream.receive()).startswith(b"HTTP/1.1 503 ")
        shedding.tight = False
        # The rest of the refused body and the next request in one piece.
        await stream.send(b"}GET /later HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        await anyio.sleep(1.5)
        RELEASED.set()
        assert b"event" in await said_until_closed(stream)


async def connections(server: uvicorn.Server) -> list[Http1]:
    await until(lambda: bool(server.server_state.connections))
    return cast("list[Http1]", list(server.server_state.connections))
