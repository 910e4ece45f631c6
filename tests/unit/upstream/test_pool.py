"""HTTP/1.1 to an upstream on the wire: what is read, what is refused, which connections are used again."""

from __future__ import annotations

import gzip
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketAttribute, SocketStream

from mcp_gateway.upstream.pool import Pool
from mcp_gateway.upstream.response import (
    Broken,
    Malformed,
    NotConnected,
    PoolIsFull,
    TimedOut,
    WireError,
    idle_seconds_of,
)
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio

Answer: TypeAlias = Callable[[SocketStream], Awaitable[None]]
REQUEST = b"POST /mcp HTTP/1.1\r\nhost: upstream\r\ncontent-length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
GZIPPED = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"ok")


@dataclass(slots=True)
class Server:
    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    ended: int = 0


@asynccontextmanager
async def server(answer: Answer) -> AsyncGenerator[Server]:
    """Hands the connection of each request to `answer`."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    made = Server(listener.extra(SocketAttribute.local_port))

    async def serve(stream: SocketStream) -> None:
        made.connections += 1
        async with stream:
            try:
                while True:
                    made.requests.append(await stream.receive())
                    await answer(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                made.ended += 1

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield made
        tasks.cancel_scope.cancel()


def says(*pieces: bytes, close: bool = False) -> Answer:
    async def answer(stream: SocketStream) -> None:
        for piece in pieces:
            await stream.send(piece)
            await anyio.lowlevel.checkpoint()
        if close:
            await stream.aclose()

    return answer


async def silence(stream: SocketStream) -> None:
    await stream.receive()


def pool_to(port: int, *, limit: int = 4, connect_seconds: float = 5.0) -> Pool:
    return Pool("127.0.0.1", port, server_name=None, limit=limit, connect_seconds=connect_seconds)


async def exchanged(
    pool: Pool, request: bytes = REQUEST, *, seconds: float = 20.0, bodiless: bool = False
) -> tuple[int, bytes]:
    connection = pool.take() or await pool.acquire()
    try:
        connection.begin(request, seconds=seconds, bodiless=bodiless)
        response = await connection.head()
        body = b""
        while (chunk := await response.read_chunk()) is not None:
            body += chunk
        return response.status, body
    finally:
        pool.give_back(connection)


async def failure(answer: Answer, *, seconds: float = 20.0) -> type[WireError]:
    async with server(answer) as upstream:
        with pytest.raises(WireError) as raised:
            await exchanged(pool_to(upstream.port), seconds=seconds)
        return type(raised.value)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.005)


async def test_one_connection_carries_one_request_after_another() -> None:
    async with server(says(OK)) as upstream:
        pool = pool_to(upstream.port)
        assert [await exchanged(pool) for _ in range(3)] == [(200, b"ok")] * 3
        assert (upstream.connections, upstream.requests) == (1, [REQUEST] * 3)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\ntransfer-", b"encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\n\r\n"), b"ok"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n", OK), b"ok"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",), b""),
    ],
)
async def test_an_answer_is_read_as_it_was_framed_and_the_connection_is_used_again(
    pieces: tuple[bytes, ...], body: bytes
) -> None:
    async with server(says(*pieces)) as upstream:
        pool = pool_to(upstream.port)
        assert (await exchanged(pool))[1] == (await exchanged(pool))[1] == body
        assert upstream.connections == 1


@pytest.mark.parametrize("first", [0.4, 3600.0])
async def test_each_exchange_on_a_connection_has_a_deadline_of_its_own(first: float) -> None:
    async def once(stream: SocketStream) -> None:
        if len(upstream.requests) == 1:
            await stream.send(OK)

    async with server(once) as upstream:
        pool = pool_to(upstream.port)
        assert await exchanged(pool, seconds=first) == (200, b"ok")
        await anyio.sleep(0.2)
        begun = anyio.current_time()
        with anyio.fail_after(10), pytest.raises(TimedOut):
            await exchanged(pool, seconds=0.6)
        assert anyio.current_time() - begun > 0.55
        assert (upstream.connections, len(upstream.requests)) == (1, 2)


async def test_the_end_of_the_connection_ends_a_body_without_length() -> None:
    async with server(says(b"HTTP/1.1 200 OK\r\n\r\nsome", b" more", close=True)) as upstream:
        assert await exchanged(pool_to(upstream.port)) == (200, b"some more")


@pytest.mark.parametrize(
    "answer",
    [
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"),
        says(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nextra"),
        says(OK + b"surplus"),
        says(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ],
)
async def test_a_connection_that_said_more_or_wants_to_end_is_not_used_again(answer: Answer) -> None:
    async with server(answer) as upstream:
        pool = pool_to(upstream.port)
        assert [await exchanged(pool) for _ in range(2)] == [(200, b"ok")] * 2
        assert upstream.connections == 2


async def test_what_a_server_says_unasked_is_no_answer_to_the_next_request() -> None:
    async def twice(stream: SocketStream) -> None:
        await stream.send(OK)
        await anyio.sleep(0.05)
        with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
            await stream.send(OK.replace(b"ok", b"no"))
            await stream.receive()
        raise anyio.EndOfStream

    async with server(twice) as upstream:
        pool = pool_to(upstream.port)
        assert await exchanged(pool) == (200, b"ok")
        await until(lambda: upstream.ended == 1)
        assert await exchanged(pool) == (200, b"ok")
        assert upstream.connections == 2


async def test_packed_bodies_are_unpacked_and_other_packings_refused() -> None:
    packed = gzip.compress(b"x" * 1_000_000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    async with server(says(head % len(packed) + packed)) as upstream:
        pool = pool_to(upstream.port)
        assert await exchanged(pool) == (200, b"x" * 1_000_000)
        assert len((await exchanged(pool))[1]) == 1_000_000
        assert upstream.connections == 1
    assert await failure(says(head % 20 + packed[:20])) is Malformed
    assert await failure(says(head % 4 + b"nope")) is Malformed
    assert await failure(says(OK.replace(b"OK\r\n", b"OK\r\ncontent-encoding: br\r\n"))) is Malformed


@pytest.mark.parametrize(
    "answer",
    [
        says(b"SSH-2.0-OpenSSH_9\r\n"),
        says(b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        says(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000),
        says(*[b"HTTP/1.1 103 Early\r\nlink: " + b"x" * 8_000 + b"\r\n\r\n"] * 12),
        says(CHUNKED + b"2\r\nok\r\n0\r\n", *[b"x: " + b"y" * 8_000 + b"\r\n"] * 12),
        says(GZIPPED + b"behind", close=True),
        says(GZIPPED, b"behind", close=True),
    ],
)
async def test_what_is_not_plain_http_is_refused(answer: Answer) -> None:
    assert await failure(answer) is Malformed


@pytest.mark.parametrize(
    "answer",
    [
        says(close=True),
        says(b"HTTP/1.1 200 OK\r\ncontent-le", close=True),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", close=True),
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", close=True),
    ],
)
async def test_an_answer_cut_short_is_no_answer(answer: Answer) -> None:
    assert await failure(answer) is Broken


async def test_a_deadline_covers_the_last_byte_too() -> None:
    assert await failure(silence, seconds=0.05) is TimedOut

    async def halfway(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")
        await stream.receive()

    assert await failure(halfway, seconds=0.05) is TimedOut


async def test_a_cancelled_request_ends_its_connection_at_once_and_frees_its_place() -> None:
    async with server(silence) as upstream:
        pool = pool_to(upstream.port, limit=1)
        for number in range(3):
            with anyio.move_on_after(0.05):
                await exchanged(pool)
            await until(lambda number=number: upstream.ended == number + 1)


async def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    async with server(says(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")) as upstream:
        head = b"HEAD / HTTP/1.1\r\nhost: upstream\r\n\r\n"
        assert await exchanged(pool_to(upstream.port), head, bodiless=True) == (200, b"")


async def test_where_nobody_listens_nothing_was_sent() -> None:
    with pytest.raises(NotConnected):
        await exchanged(pool_to(free_port()))


async def test_more_requests_than_connections_wait_for_one_and_then_say_so() -> None:
    async with server(says(OK)) as upstream:
        pool = pool_to(upstream.port, limit=2)
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(exchanged, pool)
        assert (upstream.connections, len(upstream.requests)) == (2, 50)
    async with server(silence) as upstream:
        pool = pool_to(upstream.port, limit=1, connect_seconds=0.1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(exchanged, pool)
            await until(lambda: upstream.connections == 1)
            with pytest.raises(PoolIsFull):
                await exchanged(pool)
            tasks.cancel_scope.cancel()


async def test_a_server_that_closes_its_idle_connections_costs_no_request() -> None:
    async with server(says(OK, close=True)) as upstream:
        pool = pool_to(upstream.port)
        for number in range(20):
            assert await exchanged(pool) == (200, b"ok")
            await until(lambda number=number: upstream.ended == number + 1)
            await anyio.sleep(0.01)
        assert upstream.connections == 20


async def test_a_connection_is_not_used_again_near_the_time_at_which_its_server_closes_it() -> None:
    async with server(says(OK.replace(b"OK\r\n", b"OK\r\nkeep-alive: timeout=1, max=100\r\n"))) as upstream:
        pool = pool_to(upstream.port)
        for _ in range(2):
            assert await exchanged(pool) == (200, b"ok")
        assert upstream.connections == 1
        await anyio.sleep(0.3)
        assert await exchanged(pool) == (200, b"ok")
        assert upstream.connections == 2


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"timeout=30", 28.5),
        (b"max=5, Timeout = 10", 8.5),
        (b"timeout=1", 0.0),
        (b"timeout=99999", 60.0),
        (b"mytimeout=30", 3.5),
        (b"timeout=soon", 3.5),
        (b"timeout=99999999999", 3.5),
        (b"", 3.5),
    ],
)
def test_a_server_says_how_long_it_keeps_an_idle_connection(said: bytes, seconds: float) -> None:
    assert idle_seconds_of(said) == seconds


def test_a_server_that_says_nothing_is_taken_to_close_after_five_seconds() -> None:
    assert idle_seconds_of(b"") < 5


async def test_a_closed_pool_keeps_nothing_open_and_finishes_what_is_under_way() -> None:
    release = anyio.Event()

    async def later(stream: SocketStream) -> None:
        await release.wait()
        await stream.send(OK)

    async with server(later) as upstream:
        pool = pool_to(upstream.port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(exchanged, pool)
            await until(lambda: len(upstream.requests) == 1)
            pool.close()
            release.set()
        await until(lambda: upstream.ended == 1)


async def test_a_reader_that_is_slow_holds_the_upstream_back_and_loses_nothing() -> None:
    size = 8_000_000

    async def large(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            await stream.send(b"x" * 100_000)

    async with server(large) as upstream:
        pool = pool_to(upstream.port)
        connection = await pool.acquire()
        connection.begin(REQUEST, seconds=20)
        response = await connection.head()
        await anyio.sleep(0.1)
        seen = 0
        while (chunk := await response.read_chunk()) is not None:
            seen += len(chunk)
        pool.give_back(connection)
        assert seen == size


async def test_a_body_of_many_tiny_pieces_is_not_kept_as_many() -> None:
    async with server(says(CHUNKED + b"2\r\nok\r\n" * 20_000 + b"0\r\n\r\n")) as upstream:
        pool = pool_to(upstream.port)
        connection = await pool.acquire()
        connection.begin(REQUEST, seconds=20)
        response = await connection.head()
        pieces: list[bytes] = []
        while (chunk := await response.read_chunk()) is not None:
            pieces.append(chunk)
        pool.give_back(connection)
        assert b"".join(pieces) == b"ok" * 20_000
        assert len(pieces) < 1_000
