"""Questions that name no call, on the stream of the session: the only call's, or nobody's."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.model.call import Answer, Permit
from mcp_gateway.upstream import Limits, Upstreams
from tests.support.asking import CAPABILITIES, Answering, politely
from tests.support.upstreams import Heard, RunningUpstream, permit_for, running_upstream

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
