"""Changes of an upstream on their way to the clients that listen: through review, and only to those who may know."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.events import EventStream, event_stream
from tests.support.gateway import Installation, http_entry, install
from tests.support.telling import BOARD, Era, Telling, telling_upstream
from tests.support.upstreams import until
from tests.support.wire import META, MODERN, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
SUBSCRIBED = {"toolsListChanged": True, "resourceSubscriptions": [BOARD, "room://7", "secret://plan"]}
UPDATED = "notifications/resources/updated"


class Stage:
    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, upstream: Telling) -> None:
        self.gateway = gateway
        self.http = http
        self.upstream = upstream

    async def cli(self, *arguments: str) -> str:
        return await anyio.to_thread.run_sync(partial(self.gateway.cli, *arguments))

    async def headers(self, *, user: str = "mira", server: str | None = "board") -> dict[str, str]:
        token = await anyio.to_thread.run_sync(lambda: self.gateway.token(user=user, agent=AGENT, server=server))
        return {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}

    @asynccontextmanager
    async def listen(
        self, notifications: Mapping[str, Any], *, user: str = "mira", server: str | None = "board"
    ) -> AsyncGenerator[tuple[EventStream, dict[str, Any]]]:
        """A stream and what was acknowledged."""
        params = {"notifications": notifications, "_meta": META}
        body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
        headers = {
            **await self.headers(user=user, server=server),
            "mcp-protocol-version": MODERN,
            "mcp-method": "subscriptions/listen",
        }
        url = self.gateway.endpoint(server)
        async with event_stream(self.http, "POST", url, headers=headers, body=body) as stream:
            yield stream, (await stream.message())["params"]["notifications"]

    async def watchable(self) -> None:
        """Until the gateway listens to the upstream."""
        client = ModernClient(self.http, self.gateway.endpoint("board"), (await self.headers())["authorization"][7:])
        with anyio.fail_after(20):
            while not (await client.request("server/discover")).result["capabilities"]["resources"].get("subscribe"):
                await anyio.sleep(0.05)


@asynccontextmanager
async def staged(folder: Path, era: Era = "modern", **entry: Any) -> AsyncGenerator[Stage]:
    def prepared(url: str) -> Installation:
        gateway = install(folder / "gateway", registry={"board": http_entry("board", url, **entry)})
        for user in ("mira", "noor"):
            gateway.add_user(user, calls="board")
            gateway.let_agent_act(AGENT, user, server="board")
        return gateway

    async with telling_upstream(era) as upstream, httpx2.AsyncClient(timeout=20) as http:
        gateway = await anyio.to_thread.run_sync(prepared, upstream.url)
        process = gateway.serving()
        await anyio.to_thread.run_sync(process.__enter__)
        try:
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("board", count=2))
            stage = Stage(gateway, http, upstream)
            await stage.watchable()
            yield stage
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(process.__exit__, None, None, None)


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_change_of_the_upstream_reaches_who_watches_and_may_read(tmp_path: Path, era: Era) -> None:
    async with staged(tmp_path, era) as stage, stage.listen(SUBSCRIBED) as (mira, acknowledged):
        assert acknowledged == {"toolsListChanged": True, "resourceSubscriptions": [BOARD, "room://7"]}
        async with stage.listen({"resourceSubscriptions": [BOARD]}, user="noor") as (noor, _):
            watched = [BOARD, "room://7"]
            await until(lambda: watched in stage.upstream.listens or sorted(stage.upstream.subscribed) == watched)
            await stage.upstream.touch("room://7")
            assert (await mira.message())["params"]["uri"] == "room://7"
            await stage.cli("access", "remove", "user:mira", "caller", "server:board")
            assert (await mira.message())["method"] == "notifications/tools/list_changed"
            await stage.upstream.touch(BOARD)
            assert (await noor.message())["params"]["uri"] == BOARD
            assert await mira.silent(), "she may not read it any more"
        recorded = json.loads(await stage.cli("audit", "tail", "-n", "50", "--json"))
        decided = [record for record in recorded if record.get("verb") == "resources/subscribe"]
        assert {record["effect"] for record in decided} == {"allow", "deny"}


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_new_tool_of_a_trusted_upstream_is_listed_and_told_of(tmp_path: Path, era: Era) -> None:
    async with staged(tmp_path, era) as stage, stage.listen({"toolsListChanged": True}) as (stream, _):
        await until(lambda: stage.upstream.listens or stage.upstream.gets)
        await stage.upstream.grow("another")
        assert (await stream.message())["method"] == "notifications/tools/list_changed"
        token = (await stage.headers())["authorization"][7:]
        assert "another" in await ModernClient(stage.http, stage.gateway.endpoint("board"), token).names()


async def test_what_an_upstream_announces_is_passed_on_even_if_it_looks_the_same_here(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.listen({"toolsListChanged": True}) as (stream, _):
        await until(lambda: stage.upstream.listens)
        await stage.upstream.announce()
        assert (await stream.message())["method"] == "notifications/tools/list_changed"


async def test_streams_of_a_server_that_is_removed_end(tmp_path: Path) -> None:
    asked = {"toolsListChanged": True}
    async with (
        staged(tmp_path) as stage,
        stage.listen(asked) as (stream, _),
        stage.listen(asked, server=None) as (merged, _),
    ):
        (stage.gateway.folder / "registry" / "board.yaml").unlink()
        assert (await merged.message())["method"] == "notifications/tools/list_changed"
        messages = [await stream.message()]
        while "error" not in messages[-1]:
            messages.append(await stream.message())
        assert messages[-1]["error"]["data"]["reason"] == "access.ended"


async def test_what_waits_for_review_is_not_listed_whatever_is_announced(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.listen({"toolsListChanged": True}) as (stream, _):
        registry = stage.gateway.folder / "registry" / "board.yaml"
        entry = json.loads(registry.read_text())
        registry.write_text(json.dumps({**entry, "trust": "review"}))
        asked = len(stage.upstream.asked)
        await until(lambda: len(stage.upstream.asked) > asked)
        await stage.upstream.grow("another")
        await until(lambda: len(stage.upstream.asked) > asked + 1)
        assert (await stream.message())["method"] == "notifications/tools/list_changed"
        token = (await stage.headers())["authorization"][7:]
        assert "another" not in await ModernClient(stage.http, stage.gateway.endpoint("board"), token).names()


async def test_a_session_watches_resources_by_the_names_of_all_servers(tmp_path: Path) -> None:
    told: list[str] = []

    async def hear(message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            told.append(str(message.params.uri))

    async with staged(tmp_path, "legacy") as stage:
        headers = await stage.headers(server=None)
        async with (
            httpx2.AsyncClient(headers={"authorization": headers["authorization"]}, timeout=20) as http,
            Client(
                streamable_http_client(stage.gateway.endpoint(), http_client=http), mode="legacy", message_handler=hear
            ) as client,
        ):
            assert client.server_capabilities.resources is not None
            assert client.server_capabilities.resources.subscribe
            exposed = f"board+{BOARD}"
            subscription = types.SubscribeRequest(params=types.SubscribeRequestParams(uri=exposed))
            await client.session.send_request(subscription, types.EmptyResult)
            await until(lambda: stage.upstream.subscribed == [BOARD])
            await stage.upstream.touch(BOARD)
            await until(lambda: told == [exposed])
            end = types.UnsubscribeRequest(params=types.UnsubscribeRequestParams(uri=exposed))
            await client.session.send_request(end, types.EmptyResult)
            await until(lambda: stage.upstream.subscribed == [])


async def test_what_an_upstream_says_too_often_is_looked_at_now_and_then(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await until(lambda: stage.upstream.listens)
        asked = stage.upstream.asked.count("tools/list")
        began = anyio.current_time()
        for number in range(300):
            await stage.upstream.grow(f"tool-{number}")
        await until(lambda: stage.upstream.asked.count("tools/list") > asked)
        looks = stage.upstream.asked.count("tools/list") - asked
        assert looks <= 6 + (anyio.current_time() - began) / 2
