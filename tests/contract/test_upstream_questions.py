"""What a legacy upstream asks while a call runs reaches the call's own client, and the answers come back."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcp_gateway.errors import Declined, UpstreamTimeout
from mcp_gateway.model.call import Answer, Permit
from mcp_gateway.upstream import Limits, Upstreams
from tests.support.asking import CAPABILITIES, Answering, Ask, politely
from tests.support.sse_upstreams import sse_upstream
from tests.support.upstreams import RunningUpstream, permit_for, running_upstream, stdio_upstream

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[tuple[Upstreams, RunningUpstream]]]
KINDS = ["elicitation/create", "sampling/createMessage", "roots/list"]


@pytest.fixture(params=["http", "sse", "stdio"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    return over(request.param, tmp_path)


@pytest.fixture
def start_http(tmp_path: Path) -> Start:
    """For short deadlines, within which no process can start for sure."""
    return over("http", tmp_path)


def over(transport: str, tmp_path: Path) -> Start:
    @asynccontextmanager
    async def begin(
        limits: Limits | None = None, **changed: Any
    ) -> AsyncGenerator[tuple[Upstreams, RunningUpstream], None]:
        run = stdio_upstream(tmp_path, **changed)
        if transport == "http":
            run = running_upstream(tmp_path, era="legacy", **changed)
        elif transport == "sse":
            run = sse_upstream(tmp_path, **changed)
        upstreams = Upstreams(tmp_path, limits=limits)
        async with run as upstream, upstreams:
            upstreams.configure([upstream.entry])
            yield upstreams, upstream

    return begin


def asking(
    upstream: RunningUpstream, *kinds: str, capabilities: Mapping[str, Any] = CAPABILITIES, **changed: Any
) -> Permit:
    arguments = {"kinds": list(kinds), "progress": "progress_token" in changed}
    return permit_for(upstream.entry, "question", arguments, capabilities=capabilities, **changed)


def found(answer: Answer) -> list[Any]:
    assert answer.result is not None
    return json.loads(answer.result["content"][0]["text"])


async def test_every_kind_of_question_is_answered_by_the_calls_own_client(start: Start) -> None:
    client = Answering(politely)
    async with start() as (upstreams, upstream):
        answer = await upstreams.forward(asking(upstream, *KINDS, progress_token="p"), client)
    assert [method for method, _ in client.questions] == KINDS
    assert client.questions[0][1]["message"] == "Which colour?"
    assert found(answer) == [await politely(kind, {}) for kind in KINDS]
    assert [message["params"]["progress"] for message in client.messages] == [1, 2, 3]


@pytest.mark.parametrize("code", [-32601, -1, -32603])
async def test_what_the_client_declines_is_declined_upstream_with_its_code(start: Start, code: int) -> None:
    async def decline(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        raise Declined("no", jsonrpc=code)

    async with start() as (upstreams, upstream):
        answer = await upstreams.forward(asking(upstream, *KINDS), Answering(decline))
    assert found(answer) == [{"refused": code}] * 3


async def test_a_client_that_declared_nothing_is_never_asked(start: Start) -> None:
    client = Answering(politely)
    async with start() as (upstreams, upstream):
        answer = await upstreams.forward(asking(upstream, *KINDS, capabilities={}), client)
    assert client.questions == []
    assert all("refused" in one for one in found(answer))


async def test_only_what_was_declared_is_asked(start: Start) -> None:
    client = Answering(politely)
    async with start() as (upstreams, upstream):
        answer = await upstreams.forward(asking(upstream, *KINDS, capabilities={"roots": {}}), client)
    assert [method for method, _ in client.questions] == ["roots/list"]
    assert [("refused" in one) for one in found(answer)] == [True, True, False]


async def test_who_shares_a_session_is_never_asked(start: Start) -> None:
    client = Answering(politely)
    async with start(sessions="shared") as (upstreams, upstream):
        await upstreams.forward(asking(upstream, *KINDS), client)
    assert client.questions == []


async def test_a_client_that_never_answers_costs_its_question_only(start: Start) -> None:
    async with start(Limits(question_seconds=0.2)) as (upstreams, upstream):
        answer = await upstreams.forward(asking(upstream, "roots/list"), Answering(_never))
    assert found(answer) == [{"refused": -32603}]


async def test_the_calls_deadline_stands_still_while_somebody_thinks(start_http: Start) -> None:
    async with start_http(Limits(question_seconds=3.0), timeout_seconds=2.0) as (upstreams, upstream):
        await upstreams.probe(upstream.entry)
        await upstreams.forward(asking(upstream), Answering(politely))  # the session is open
        answer = await upstreams.forward(asking(upstream, "roots/list"), Answering(_never))
    assert found(answer) == [{"refused": -32603}]


async def test_no_call_waits_for_answers_for_ever(start_http: Start) -> None:
    async with start_http(Limits(patience_seconds=0.5), timeout_seconds=2.0) as (upstreams, upstream):
        with pytest.raises(UpstreamTimeout):
            await upstreams.forward(asking(upstream, "roots/list"), Answering(_never))
        await upstream.record.until("cancelled")


async def test_a_cancelled_call_withdraws_its_question(start: Start) -> None:
    withdrawn = anyio.Event()
    asked = anyio.Event()

    async def wait(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.set()
        try:
            return await _never(method, params)
        finally:
            withdrawn.set()

    async with start() as (upstreams, upstream):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstreams.forward, asking(upstream, "roots/list"), Answering(wait))
            with anyio.fail_after(20):
                await asked.wait()
            tasks.cancel_scope.cancel()
        await upstream.record.until("cancelled")
    assert withdrawn.is_set()


async def test_two_callers_asked_at_once_get_their_own_questions(start: Start) -> None:
    def named(user: str) -> Ask:
        async def answer(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
            await anyio.lowlevel.checkpoint()
            return {"roots": [{"uri": f"file:///home/{user}"}]}

        return answer

    answers: dict[str, Any] = {}
    async with start() as (upstreams, upstream):

        async def call(user: str) -> None:
            permit = asking(upstream, "roots/list", "roots/list", user=user)
            answers[user] = found(await upstreams.forward(permit, Answering(named(user))))

        async with anyio.create_task_group() as tasks:
            for user in ("mira", "noor", "ole"):
                tasks.start_soon(call, user)
    assert answers == {user: [{"roots": [{"uri": f"file:///home/{user}"}]}] * 2 for user in answers}
    assert len(answers) == 3


async def _never(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    await anyio.sleep_forever()
    raise AssertionError
