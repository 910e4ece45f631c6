"""Listening clients of both eras in a running gateway: what they are told, when it ends, and that others hear nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
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
from tests.support.processes import Running
from tests.support.upstreams import running_upstream, until
from tests.support.wire import META, MODERN, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
LISTS = {"toolsListChanged": True}
CHANGED = "notifications/tools/list_changed"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Stage:
    """One gateway before one server, `echo`; `mira` and `noor` may use it through an agent."""

    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, process: Running) -> None:
        self.gateway = gateway
        self.http = http
        self.process = process
        self.url = gateway.endpoint("echo")

    async def cli(self, *arguments: str) -> str:
        return await anyio.to_thread.run_sync(partial(self.gateway.cli, *arguments))

    async def token(self, *, user: str = "mira", agent: str = AGENT) -> str:
        return await anyio.to_thread.run_sync(lambda: self.gateway.token(user=user, agent=agent, server="echo"))

    async def usable_token(self, *, user: str = "mira") -> str:
        """One that counts: a token of the same second as a switch counts as made before it."""
        with anyio.fail_after(20):
            while True:
                token = await self.token(user=user)
                if (await ModernClient(self.http, self.url, token).request("tools/list")).status == 200:
                    return token

    def listen(
        self, token: str, notifications: Mapping[str, Any], *, id: str | int = 7
    ) -> AbstractAsyncContextManager[EventStream]:
        params = {"notifications": notifications, "_meta": META}
        body = {"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params}
        headers = {**_headers(token), "mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
        return event_stream(self.http, "POST", self.url, headers=headers, body=body)

    async def session(self, token: str, version: str = "2025-11-25") -> dict[str, str]:
        """The headers of a legacy session."""
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
        answer = await self.ask(_headers(token), "initialize", params)
        return {**_headers(token), "mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": version}

    async def ask(self, headers: Mapping[str, str], method: str, params: Mapping[str, Any]) -> httpx2.Response:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await self.http.post(self.url, json=message, headers=dict(headers))

    def get(self, headers: Mapping[str, str]) -> AbstractAsyncContextManager[EventStream]:
        return event_stream(self.http, "GET", self.url, headers=headers)


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    folder: Path = tmp_path_factory.mktemp("stage")

    def prepared(url: str) -> Installation:
        gateway = install(folder / "gateway", registry={"echo": http_entry("echo", url)})
        for user in ("mira", "noor"):
            gateway.add_user(user, calls="echo")
            gateway.let_agent_act(AGENT, user, server="echo")
        return gateway

    (folder / "upstream").mkdir()
    async with running_upstream(folder / "upstream") as upstream, httpx2.AsyncClient(timeout=20) as http:
        gateway = await anyio.to_thread.run_sync(prepared, upstream.url)
        with gateway.serving() as process:
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("echo", count=5))
            yield Stage(gateway, http, process)


async def test_a_listening_client_is_told_when_what_it_may_see_changes_and_not_otherwise(stage: Stage) -> None:
    async with stage.listen(await stage.token(), LISTS, id="mine") as mira:
        assert mira.response.headers["content-type"] == "text/event-stream"
        assert mira.response.headers["x-accel-buffering"] == "no"
        acknowledged = await mira.message()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert acknowledged["params"] == {"notifications": LISTS, "_meta": {SUBSCRIPTION: "mine"}}
        async with stage.listen(await stage.token(user="noor"), LISTS, id=0) as noor:
            assert (await noor.message())["params"]["_meta"] == {SUBSCRIPTION: 0}
            await stage.cli("access", "add", "user:somebody-else", "caller", "server:echo")
            await stage.cli("access", "remove", "user:mira", "caller", "server:echo")
            told = await mira.message()
            assert told == {"jsonrpc": "2.0", "method": CHANGED, "params": {"_meta": {SUBSCRIPTION: "mine"}}}
            await stage.cli("access", "add", "user:mira", "caller", "server:echo")
            assert (await mira.message())["method"] == CHANGED
            assert await noor.silent(), "what changed was not hers to see"
        assert await mira.silent(), "what others got is nothing to her"


async def test_a_tool_that_is_switched_off_changes_the_list_of_who_could_see_it(stage: Stage) -> None:
    async with stage.listen(await stage.token(), {"toolsListChanged": True}) as stream:
        await stream.message()
        await stage.cli("tool", "disable", "echo/slow", "--reason", "test")
        assert (await stream.message())["method"] == CHANGED
        await stage.cli("tool", "enable", "echo/slow")
        assert (await stream.message())["method"] == CHANGED


async def test_nothing_is_told_that_was_not_asked_for(stage: Stage) -> None:
    async with stage.listen(await stage.token(), {"promptsListChanged": True, "toolsListChanged": False}) as stream:
        assert (await stream.message())["params"]["notifications"] == {"promptsListChanged": True}
        await stage.cli("tool", "disable", "echo/slow", "--reason", "test")
        assert await stream.silent()
    await stage.cli("tool", "enable", "echo/slow")


async def test_a_request_to_listen_that_is_malformed_names_the_field(stage: Stage) -> None:
    token = await stage.token()
    malformed: list[tuple[Any, str]] = [
        ({"toolsListChanged": 1}, "toolsListChanged"),
        ({"resourceSubscriptions": "a:b"}, "resourceSubscriptions"),
        ({"resourceSubscriptions": [7]}, "URI"),
        ([], "notifications"),
    ]
    for wrong, field in malformed:
        async with stage.listen(token, wrong) as stream:
            error = stream.body["error"]
            assert (error["code"], error["data"]["reason"]) == (-32602, "request.malformed")
            assert field in error["message"]
    async with stage.listen(token, {"resourceSubscriptions": [f"a:{n}" for n in range(257)]}) as stream:
        assert (stream.status, stream.reason) == (429, "limit.subscriptions")


async def test_a_principal_holds_a_bounded_number_of_streams(stage: Stage) -> None:
    token = await stage.token()
    limits = httpx2.Limits(max_connections=50)
    async with httpx2.AsyncClient(timeout=20, limits=limits) as http, AsyncExitStack() as stack:
        crowd = Stage(stage.gateway, http, stage.process)
        opened: list[EventStream] = []
        for number in range(32):
            stream = await stack.enter_async_context(crowd.listen(token, LISTS, id=number))
            await stream.message()
            opened.append(stream)
        async with crowd.listen(token, LISTS) as over:
            assert (over.status, over.reason) == (429, "limit.streams")
        async with stage.listen(await stage.token(user="noor"), LISTS) as other:
            assert await other.message()


async def test_a_stream_ends_with_the_right_to_it_and_that_is_on_record(stage: Stage) -> None:
    async with stage.listen(await stage.usable_token(), LISTS) as stream:
        await stream.message()
        await stage.cli("user", "disable", "mira", "--reason", "lost laptop")
        refusal = await stream.message()
        assert (refusal["id"], refusal["error"]["data"]["reason"]) == (7, "access.ended")
        assert await stream.next() is None
    await stage.cli("user", "enable", "mira")
    ended = json.loads(await stage.cli("audit", "tail", "-n", "20", "--kind", "call.ended", "--json"))[-1]
    assert ended["named"]["reasons"] == ["user.disabled"]
    opened = json.loads(await stage.cli("audit", "tail", "-n", "50", "--json"))
    assert "subscriptions/listen" in {record.get("verb") for record in opened}


async def test_a_session_has_one_stream_which_is_primed_and_told_of_changes(stage: Stage) -> None:
    session = await stage.session(await stage.usable_token())
    async with stage.get(session) as first:
        primed = await first.next()
        assert primed is not None and primed.id and primed.retry and primed.message == {}
        await stage.cli("tool", "disable", "echo/slow", "--reason", "test")
        told = await first.next()
        assert told is not None and told.message == {"jsonrpc": "2.0", "method": CHANGED}
        assert told.id != primed.id
        async with stage.get(session) as second:
            assert await second.next() is not None
            assert await first.next() is None, "a second stream takes the place of the first"
    await stage.cli("tool", "enable", "echo/slow")
    with anyio.fail_after(20):
        async with stage.get(session) as third:
            await third.next()
            assert (await third.message())["method"] == CHANGED, "it changed while nobody listened"
            assert (await stage.http.delete(stage.url, headers=session)).status_code == 204
            assert await third.next() is None, "the session is over"


async def test_a_stream_needs_a_session_of_ones_own_and_an_accept_header(stage: Stage) -> None:
    token = await stage.usable_token()
    session = await stage.session(token)
    theirs = {**await stage.session(await stage.token(user="noor")), "authorization": f"Bearer {token}"}
    for headers, expected in (
        (_headers(token), (400, "session.missing")),
        ({**session, "mcp-session-id": "made-up"}, (404, "session.unknown")),
        (theirs, (404, "session.unknown")),
        ({**session, "accept": "application/json"}, (406, "request.not_acceptable")),
        ({**session, "authorization": "Bearer nobody"}, (401, "token.invalid")),
    ):
        async with stage.get(headers) as stream:
            assert (stream.status, stream.reason) == expected
    async with stage.get({**session, "mcp-protocol-version": MODERN}) as stream:
        assert stream.status == 405


async def test_older_clients_get_no_event_without_content(stage: Stage) -> None:
    session = await stage.session(await stage.usable_token(), "2025-06-18")
    async with stage.get(session) as stream:
        await stage.cli("tool", "disable", "echo/slow", "--reason", "test")
        assert (await stream.message())["method"] == CHANGED
    await stage.cli("tool", "enable", "echo/slow")


async def test_a_session_hears_log_messages_from_its_level_on(stage: Stage) -> None:
    session = await stage.session(await stage.usable_token())
    for level, heard in (("warning", 0), ("debug", 1)):
        assert (await stage.ask(session, "logging/setLevel", {"level": level})).json()["result"] == {}
        answer = await stage.ask(session, "tools/call", {"name": "log", "arguments": {}})
        assert answer.text.count("notifications/message") == heard
    wrong = await stage.ask(session, "logging/setLevel", {"level": "loud"})
    assert wrong.json()["error"]["code"] == -32602


async def test_the_sdk_client_of_either_era_hears_that_the_list_changed(stage: Stage) -> None:
    token = await stage.usable_token()
    heard: list[str] = []

    async def told(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.append(message.method)

    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=20) as http,
        Client(streamable_http_client(stage.url, http_client=http), mode="2026-07-28") as modern,
        Client(streamable_http_client(stage.url, http_client=http), mode="legacy", message_handler=told) as legacy,
    ):
        assert (await legacy.list_tools()).tools
        async with modern.listen(tools_list_changed=True) as subscription:
            assert subscription.honored.tools_list_changed
            await stage.cli("tool", "disable", "echo/slow", "--reason", "test")
            with anyio.fail_after(20):
                assert type(await anext(aiter(subscription))).__name__ == "ToolsListChanged"
            await until(lambda: heard)
    await stage.cli("tool", "enable", "echo/slow")


async def test_a_gateway_that_stops_ends_its_streams_as_they_should_end(stage: Stage) -> None:
    session = await stage.session(await stage.usable_token())
    async with stage.listen(await stage.usable_token(), LISTS) as modern, stage.get(session) as legacy:
        await modern.message()
        await legacy.next()
        began = anyio.current_time()
        stage.process.process.terminate()
        last = await modern.message()
        assert last["id"] == 7
        assert last["result"] == {"resultType": "complete", "_meta": {SUBSCRIPTION: 7}}
        assert await modern.next() is None
        assert await legacy.next() is None
        assert anyio.current_time() - began < 20, "streams do not hold up the end"
