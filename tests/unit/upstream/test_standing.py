"""Questions that name no call, on the stream of the session: the only call's, or nobody's."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from mcp_gateway.model.call import Answer, Permit
from mcp_gateway.upstream import Limits, Upstreams
from tests.support.asking import CAPABILITIES, Answering, politely
from tests.support.upstreams import (
    Asked,
    Heard,
    RunningUpstream,
    http_head,
    permit_for,
    respond,
    result_for,
    running_upstream,
    scripted_upstream,
)

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def legacy(
    directory: Path, limits: Limits | None = None, **changed: Any
) -> AsyncGenerator[tuple[Upstreams, RunningUpstream], None]:
    upstreams = Upstreams(directory, limits=limits)
    async with running_upstream(directory, era="legacy", **changed) as upstream, upstreams:
        upstreams.configure([upstream.entry])
        yield upstreams, upstream


def asking(upstream: RunningUpstream) -> Permit:
    arguments = {"kinds": ["elicitation/create", "roots/list"], "unrelated": True}
    return permit_for(upstream.entry, "question", arguments, capabilities=CAPABILITIES)


def found(answer: Answer) -> list[Any]:
    assert answer.result is not None
    return json.loads(answer.result["content"][0]["text"])


async def test_the_only_call_of_a_session_is_asked_what_names_no_call(tmp_path: Path) -> None:
    client = Answering(politely)
    async with legacy(tmp_path) as (upstreams, upstream):
        answer = await upstreams.forward(asking(upstream), client)
    assert [method for method, _ in client.questions] == ["elicitation/create", "roots/list"]
    assert found(answer) == [await politely(method, {}) for method, _ in client.questions]


async def test_of_two_calls_none_is_asked_what_names_no_call(tmp_path: Path) -> None:
    client = Answering(politely)
    answer: Answer | None = None
    async with legacy(tmp_path) as (upstreams, upstream), anyio.create_task_group() as tasks:
        slow = permit_for(upstream.entry, "slow", capabilities=CAPABILITIES)
        tasks.start_soon(upstreams.forward, slow, client)
        await upstream.record.until("slow")
        answer = await upstreams.forward(asking(upstream), client)
        upstream.record.release()
    assert answer is not None and found(answer) == [{"refused": -32601}] * 2
    assert client.questions == []


async def test_anothers_call_under_way_does_not_matter(tmp_path: Path) -> None:
    client, other = Answering(politely), Answering(politely)
    async with legacy(tmp_path) as (upstreams, upstream), anyio.create_task_group() as tasks:
        slow = permit_for(upstream.entry, "slow", capabilities=CAPABILITIES, user="noor")
        tasks.start_soon(upstreams.forward, slow, other)
        await upstream.record.until("slow")
        await upstreams.forward(asking(upstream), client)
        upstream.record.release()
    assert len(client.questions) == 2 and other.questions == []


async def test_who_cannot_be_asked_and_who_shares_has_no_such_stream(tmp_path: Path) -> None:
    for sessions, capabilities in (("per_principal", {}), ("shared", CAPABILITIES)):
        async with legacy(tmp_path, sessions=sessions) as (upstreams, upstream):
            await upstreams.probe(upstream.entry)
            await upstreams.forward(permit_for(upstream.entry, "echo", capabilities=capabilities), Heard())
            assert upstream.record.count("http GET") == 0


async def test_such_streams_take_only_their_share_of_the_connections(tmp_path: Path) -> None:
    async with legacy(tmp_path, Limits(connections=8)) as (upstreams, upstream):
        for user in ("a", "b", "c", "d"):
            permit = permit_for(upstream.entry, "echo", capabilities=CAPABILITIES, user=user)
            await upstreams.forward(permit, Heard())
        assert upstream.record.count("http GET") == 2


async def test_a_call_that_ends_withdraws_what_it_was_still_asked(tmp_path: Path) -> None:
    asked, withdrawn = anyio.Event(), anyio.Event()

    async def think(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            withdrawn.set()
        return {}

    async with legacy(tmp_path) as (upstreams, upstream):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstreams.forward, asking(upstream), Answering(think))
            with anyio.fail_after(20):
                await asked.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(20):
            await withdrawn.wait()


class Pushing:
    """A legacy server that says `says` on the session's stream while a call is under way, and then answers it."""

    def __init__(self, says: list[bytes], *, replies: int) -> None:
        self._says = says
        self._replies = replies
        self._call: Asked | None = None
        self._called, self._answerable = anyio.Event(), anyio.Event()
        self.replied: list[Any] = []

    async def __call__(self, asked: Asked, stream: SocketStream) -> None:
        method = asked.body.get("method") if asked.body else None
        match asked.method, method:
            case "GET", _:
                await self._push(stream)
            case "POST", "initialize":
                hello: dict[str, Any] = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
                body = json.dumps({"jsonrpc": "2.0", "id": asked.id, "result": hello}).encode()
                await respond(stream, body, extra="mcp-session-id: s-1\r\n")
            case "POST", "tools/call":
                self._call = asked
                self._called.set()
                with anyio.fail_after(20):
                    await self._answerable.wait()
                await respond(stream, json.dumps(result_for(asked)).encode())
            case "POST", None:
                self.replied.append(asked.body)
                self._settle()
                await respond(stream, b"", status=202)
            case _:
                await respond(stream, b"", status=202)

    async def _push(self, stream: SocketStream) -> None:
        await stream.send(http_head(200, "text/event-stream"))
        with anyio.fail_after(20):
            await self._called.wait()
        assert self._call is not None
        for said in self._says:
            await stream.send(b"data: " + said.replace(b"CALL", str(self._call.id).encode()) + b"\n\n")
        self._settle()
        await anyio.sleep_forever()

    def _settle(self) -> None:
        if len(self.replied) >= self._replies:
            self._answerable.set()


@pytest.mark.parametrize(
    ("says", "codes"),
    [
        ([b"not json", b"[]", b'{"jsonrpc": "2.0", "id": "CALL", "result": {"content": [], "stolen": true}}'], []),
        ([b'{"jsonrpc": "2.0", "id": "CALL", "error": {"code": 1, "message": "no"}}'], []),
        ([b'{"jsonrpc": "2.0", "id": null, "method": "roots/list"}'], [-32600]),
        ([b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}'], [-32601]),
        ([b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'], [None]),
    ],
)
async def test_what_does_not_belong_on_the_sessions_stream_changes_no_call(
    tmp_path: Path, says: list[bytes], codes: list[int | None]
) -> None:
    client = Answering(politely)
    server = Pushing(says, replies=len(codes))
    async with scripted_upstream(server) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry := upstream.entry(protocol="legacy")])
        answer = await upstreams.forward(permit_for(entry, "echo", capabilities=CAPABILITIES), client)
    assert answer.result is not None and "stolen" not in answer.result
    assert [reply.get("error", {}).get("code") for reply in server.replied] == codes
    assert client.questions == []
