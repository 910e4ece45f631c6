"""Listening to real upstreams of both eras, over HTTP and as child processes: heard once, found again, never in the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from mcp_gateway.model.tool import Upstream
from mcp_gateway.upstream import Upstreams
from mcp_gateway.upstream.listening import Ears
from tests.support.callers import Nobody
from tests.support.telling import BOARD, Era, telling_command, telling_upstream
from tests.support.upstreams import http_entry, permit_for, running_upstream, scripted_upstream, stdio_entry, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Heard:
    def __init__(self) -> None:
        self.changed: list[tuple[str, str | None]] = []
        self.updated: list[tuple[str, str]] = []

    @property
    def ears(self) -> Ears:
        return Ears(
            lambda server, name: self.changed.append((server, name)),
            lambda server, uri: self.updated.append((server, uri)),
        )


@asynccontextmanager
async def listened(folder: Path, *entries: Upstream) -> AsyncGenerator[tuple[Upstreams, Heard]]:
    heard = Heard()
    async with Upstreams(folder) as upstreams:
        upstreams.configure(entries)
        upstreams.attend(heard.ears)
        yield upstreams, heard


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_list_that_changed_is_heard_in_either_era(tmp_path: Path, era: Era) -> None:
    async with (
        telling_upstream(era) as upstream,
        listened(tmp_path, http_entry("board", upstream.url)) as (upstreams, heard),
    ):
        await until(lambda: upstreams.watchable("board"))
        await until(lambda: upstream.listens if era == "modern" else upstream.gets)
        await upstream.grow("another")
        await until(lambda: heard.changed == [("board", "tools")])


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_watched_resources_are_subscribed_to_and_given_up_again(tmp_path: Path, era: Era) -> None:
    async with (
        telling_upstream(era) as upstream,
        listened(tmp_path, http_entry("board", upstream.url)) as (upstreams, heard),
    ):
        await until(lambda: upstreams.watchable("board"))
        upstreams.watch("board", {BOARD})
        await until(lambda: upstream.listens[-1:] == [[BOARD]] or upstream.subscribed == [BOARD])
        await upstream.touch(BOARD)
        await until(lambda: heard.updated)
        assert set(heard.updated) == {("board", BOARD)}
        upstreams.watch("board", set())
        await until(lambda: upstream.listens[-1] == [] if era == "modern" else upstream.subscribed == [])


async def test_watching_more_never_loses_what_was_watched_before(tmp_path: Path) -> None:
    async with (
        telling_upstream() as upstream,
        listened(tmp_path, http_entry("board", upstream.url)) as (upstreams, heard),
    ):
        await until(lambda: upstreams.watchable("board"))
        upstreams.watch("board", {BOARD})
        await until(lambda: [BOARD] in upstream.listens)
        for number in range(5):
            upstreams.watch("board", {BOARD, f"room://{number}"})
            heard.updated.clear()
            await upstream.touch(BOARD)
            await until(lambda: heard.updated)


async def test_a_connection_that_broke_is_opened_again_and_counts_as_a_change(tmp_path: Path) -> None:
    async with (
        telling_upstream() as upstream,
        listened(tmp_path, http_entry("board", upstream.url)) as (upstreams, heard),
    ):
        upstreams.watch("board", {BOARD})
        await until(lambda: [BOARD] in upstream.listens)
        opened = len(upstream.listens)
        upstream.streams.close()
        await until(lambda: len(upstream.listens) > opened)
        await until(lambda: heard.changed)
        assert heard.updated == [("board", BOARD)]


async def test_an_upstream_that_tells_nothing_is_left_alone(tmp_path: Path) -> None:
    async with (
        running_upstream(tmp_path, era="modern") as upstream,
        listened(tmp_path, upstream.entry) as (upstreams, heard),
    ):
        await until(lambda: upstream.record.count("http server/discover"))
        permit = permit_for(upstream.entry, "echo", {"text": "hi"})
        assert (await upstreams.forward(permit, Nobody())).result
        assert not upstreams.watchable("sample")
        assert upstream.record.count("http subscriptions/listen") == 0
        assert heard.changed == []


async def test_a_process_that_runs_is_heard_and_stays_while_a_resource_is_watched(tmp_path: Path) -> None:
    entry = stdio_entry("board", telling_command(), sessions="shared")
    async with listened(tmp_path, entry) as (upstreams, heard):
        await until(lambda: upstreams.watchable("board"))
        upstreams.watch("board", {BOARD})
        await upstreams.forward(permit_for(entry, "grow", {"name": "another"}), Nobody())
        await until(lambda: heard.changed == [("board", "tools")])
        await upstreams.forward(permit_for(entry, "touch", {"uri": BOARD}), Nobody())
        await until(lambda: heard.updated == [("board", BOARD)])


async def test_an_upstream_that_is_gone_or_mad_is_tried_ever_more_rarely(tmp_path: Path) -> None:
    async def mad(_asked: object, stream: anyio.abc.SocketStream) -> None:
        await stream.send(b"\x00 this is not HTTP\r\n\r\n")
        raise anyio.EndOfStream

    gone = http_entry("gone", "http://127.0.0.1:9/mcp")
    async with scripted_upstream(mad) as upstream, listened(tmp_path, upstream.entry(), gone) as (_, heard):
        await until(lambda: len(upstream.asked) >= 2)
        assert len(upstream.asked) <= 4
        assert heard.changed == []


async def test_an_entry_that_goes_is_no_longer_listened_to(tmp_path: Path) -> None:
    async with (
        telling_upstream() as upstream,
        listened(tmp_path, http_entry("board", upstream.url)) as (upstreams, heard),
    ):
        await until(lambda: upstream.listens)
        upstreams.configure([])
        assert not upstreams.watchable("board")
        with anyio.move_on_after(0.5):
            await upstream.grow("another")
            await until(lambda: heard.changed, seconds=5)
        assert heard.changed == []
