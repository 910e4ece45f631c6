"""Open event streams: told once of what changed, silent never for long, ended in time, bounded, and each for itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from mcp_gateway.errors import AuthorizationUnavailable, LimitExceeded, Unauthenticated
from mcp_gateway.transport.looking import Looking
from mcp_gateway.transport.stream import Stream
from mcp_gateway.transport.streams import PER_PRINCIPAL, Streams
from mcp_gateway.watch import Seen, Watched
from tests.unit.transport.streaming import Line, Said, principal, stream

pytestmark = pytest.mark.anyio

WITHIN_SECONDS = 15
URI = "notes://today"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(WITHIN_SECONDS):
        while not holds():
            await anyio.sleep(0.01)


class Crowd:
    """Streams that clients hold open; those that ended are kept with why."""

    def __init__(self, watch: Said | None = None, **settings: object) -> None:
        self.watch = watch or Said()
        self.streams = Streams(self.watch, **settings)  # pyright: ignore[reportArgumentType] the tests' own settings
        self.ended: list[Stream] = []

    async def hold(self, line: Line, made: Callable[[], Stream], opened: Callable[[Stream], None]) -> None:
        mine = made()
        try:
            with self.streams.entered(mine):
                opened(mine)
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if not mine.flight.was_ended():
                raise
        self.ended.append(mine)

    @asynccontextmanager
    async def open(self, *lines: Line, user: str = "mira", session: str | None = None, expires_at: int | None = None):
        who = principal(user) if expires_at is None else principal(user, expires_at=expires_at)
        opened: list[Stream] = []
        async with anyio.create_task_group() as tasks:
            for line in lines:
                tasks.start_soon(self.hold, line, lambda line=line: stream(line, who, session=session), opened.append)
            await until(lambda: len(opened) == len(lines))
            for one in opened:
                one.seen["tools"] = Seen(0, None)
                one.looked = self.streams.moves
            yield opened
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def running(crowd: Crowd) -> AsyncGenerator[Crowd]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crowd.streams.run)
        tasks.start_soon(Looking(crowd.streams).run)
        yield crowd
        tasks.cancel_scope.cancel()


async def test_what_changes_together_is_told_once_and_only_to_whom_it_changed() -> None:
    hers, his = Line(), Line()
    async with running(Crowd()) as crowd, crowd.open(hers), crowd.open(his, user="noor"):
        crowd.watch.marks["user:local/mira"] = 1
        for _ in range(3):
            crowd.streams.stir()
        await until(lambda: hers.sent)
        crowd.watch.marks["user:local/noor"] = 1
        crowd.streams.stir()
        await until(lambda: his.sent)
        assert hers.text.count("notifications/tools/list_changed") == 1


async def test_a_look_that_failed_is_taken_again() -> None:
    line = Line()
    async with running(Crowd()) as crowd, crowd.open(line):
        crowd.watch.marks["user:local/mira"] = 1
        crowd.watch.failing.append(AuthorizationUnavailable("the store is away"))
        crowd.streams.stir()
        await until(lambda: "list_changed" in line.text)
        assert crowd.watch.failing == []


async def test_what_a_server_announces_is_passed_on_to_whom_sees_any_of_it_and_not_without_end() -> None:
    hers, his = Line(), Line()
    async with running(Crowd()) as crowd, crowd.open(hers), crowd.open(his, user="noor"):
        crowd.watch.sights.add("user:local/mira board")
        for _ in range(3):
            crowd.streams.announced("board", "tools")
        crowd.streams.announced("board", "prompts")
        await until(lambda: hers.sent)
        crowd.watch.marks["user:local/noor"] = 1
        crowd.streams.stir()
        await until(lambda: his.sent)
        assert (hers.text + his.text).count("notifications/tools/list_changed") == 2
        assert "prompts" not in hers.text


async def test_an_update_is_told_only_if_it_may_be_read_at_that_moment() -> None:
    line = Line()
    async with running(Crowd()) as crowd, crowd.open(line) as (mine,):
        for uri in (URI, "notes://secret"):
            crowd.streams.subscribers.add(mine, f"board+{uri}", Watched("board", uri))
        crowd.watch.unreadable.add("board+notes://secret")
        for uri in ("notes://secret", URI, URI):
            crowd.streams.updated("board", uri)
        crowd.streams.updated("another", URI)
        await until(lambda: line.sent)
        assert line.text.count("resources/updated") == 1
        assert f"board+{URI}" in line.text


async def test_silence_is_broken_by_a_comment() -> None:
    line = Line()
    async with running(Crowd()) as crowd, crowd.open(line) as (mine,):
        mine.speak_at = 0.0
        await until(lambda: line.sent)
        assert line.text == ": \n\n"


async def test_a_stream_ends_with_its_token_and_with_its_session() -> None:
    lines = Line(), Line()
    gone: set[str] = set()
    async with running(Crowd(session_ended=gone.__contains__)) as crowd:
        async with crowd.open(lines[0], expires_at=1):
            await until(lambda: crowd.ended)
        async with crowd.open(lines[1], session="a-session"):
            gone.add("a-session")
            await crowd.streams.follow([])
            await until(lambda: len(crowd.ended) == 2)
        assert [one.graceful for one in crowd.ended] == [True, True]
        assert len(crowd.streams) == 0


async def test_whoever_lost_the_right_is_cut_off_with_the_reason() -> None:
    line = Line()
    async with running(Crowd()) as crowd, crowd.open(line):
        crowd.watch.over["user:local/mira"] = Unauthenticated(code="token.revoked", recorded="user.disabled")
        await crowd.streams.follow([])
        await until(lambda: crowd.ended)
        refusal = crowd.ended[0].flight.refusal
        assert refusal is not None and refusal.recorded == "user.disabled"
        assert not crowd.ended[0].graceful


async def test_a_connection_that_broke_ends_its_own_stream_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    broken, whole = Line(), Line()
    broken.broken = True
    async with running(Crowd()) as crowd, crowd.open(broken, whole) as opened:
        for one in opened:
            crowd.streams.tell(one, "tools")
        await until(lambda: crowd.ended and whole.sent)
        assert len(crowd.streams) == 1
        assert "an event stream is over" in caplog.text


async def test_streams_are_bounded_and_a_place_is_free_again() -> None:
    crowd = Crowd(limit=PER_PRINCIPAL + 1)
    async with crowd.open(*[Line() for _ in range(PER_PRINCIPAL)]):
        with pytest.raises(LimitExceeded) as refused, crowd.streams.entered(stream(Line())):
            pass
        assert refused.value.code == "limit.streams"
        async with crowd.open(Line(), user="noor"):
            with pytest.raises(LimitExceeded) as refused, crowd.streams.entered(stream(Line(), principal("olaf"))):
                pass
            assert refused.value.code == "limit.overload"
    with crowd.streams.entered(stream(Line())):
        assert len(crowd.streams) == 1


async def test_after_the_end_no_stream_begins() -> None:
    crowd = Crowd()
    async with crowd.open(Line()):
        crowd.streams.close()
        await until(lambda: crowd.ended)
        assert crowd.ended[0].graceful
    with pytest.raises(LimitExceeded), crowd.streams.entered(stream(Line())):
        pass
