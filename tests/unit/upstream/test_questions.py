"""An upstream that asks too much, wrongly, or what is not its to ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.errors import OutcomeUnknown, UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.upstream import Limits, Upstreams
from mcp_gateway.upstream.deadline import within
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.questions import Questions
from tests.support.asking import CAPABILITIES, Answering, politely
from tests.support.upstreams import (
    Heard,
    events,
    http_entry,
    permit_for,
    result_for,
    running_upstream,
    scripted_upstream,
    stdio_upstream,
)

pytestmark = pytest.mark.anyio
ENTRY = http_entry("sample", "http://127.0.0.1:1/mcp")
ANSWER: dict[str, Any] = {"jsonrpc": "2.0", "id": "ours", "result": {}}


def asks(asked: object = 1, method: str = "roots/list", **fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked, "method": method, **fields}


def withdraws(asked: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": asked}}


class Upstream:
    """Says what it is told to say; a function in between is waited for."""

    def __init__(self, *says: Any) -> None:
        self._says = list(says)
        self.told: list[dict[str, Any]] = []

    async def receive(self) -> Message:
        while self._says:
            said = self._says.pop(0)
            if isinstance(said, dict):
                return said  # pyright: ignore[reportUnknownVariableType]
            await said()
        raise OutcomeUnknown("the upstream's stream ended before the answer")

    async def send(self, line: bytes) -> None:
        self.told.append(json.loads(line))

    async def until_told(self, times: int = 1) -> None:
        with anyio.fail_after(10):
            while len(self.told) < times:
                await anyio.sleep(0.001)


async def conversed(upstream: Upstream, client: Caller, limits: Limits | None = None) -> list[Message]:
    """What was heard until the answer came."""
    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)

    questions = Questions(upstream.send, limits or Limits(), caller=client, told=CAPABILITIES)
    with anyio.fail_after(10):
        assert await questions.answer(upstream.receive, hear) == ANSWER
    return heard


class Forever(Answering):
    """Thinks and thinks."""

    def __init__(self) -> None:
        super().__init__(politely)
        self.thinking = 0
        self.changed = anyio.Event()

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        self.questions.append((method, params))
        self._count(1)
        try:
            await anyio.sleep_forever()
        finally:
            self._count(-1)
        return {}

    def _count(self, change: int) -> None:
        self.thinking += change
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, thinking: int) -> None:
        with anyio.fail_after(10):
            while self.thinking != thinking:
                await self.changed.wait()


async def test_progress_is_heard_while_the_client_thinks_and_the_answer_withdraws_the_question() -> None:
    client = Forever()
    note: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
    upstream = Upstream(asks(), lambda: client.until(1), note, note, ANSWER)
    assert await conversed(upstream, client) == [note, note]
    assert client.thinking == 0 and upstream.told == []


async def test_a_withdrawn_question_is_taken_from_the_client_and_gets_no_reply() -> None:
    client = Forever()
    upstream = Upstream(
        asks("a"),
        lambda: client.until(1),
        withdraws("b"),
        withdraws(["a"]),
        withdraws("a"),
        lambda: client.until(0),
        ANSWER,
    )
    await conversed(upstream, client)
    assert upstream.told == []


async def test_an_id_may_be_used_again_when_its_question_is_over() -> None:
    client = Answering(politely)
    upstream = Upstream()
    upstream._says = [asks(7), upstream.until_told, asks(7), lambda: upstream.until_told(2), ANSWER]  # pyright: ignore[reportPrivateUsage]
    await conversed(upstream, client)
    assert [told["id"] for told in upstream.told] == [7, 7]


@pytest.mark.parametrize(
    "questions",
    [
        [asks(1), asks(1)],
        [asks("x" * 300)],
        [asks(None)],
        [asks(True)],
        [asks(1.5)],
        [asks(["a"])],
        [asks(number) for number in range(5)],
    ],
)
async def test_questions_that_cannot_be_told_apart_or_never_end_break_the_call(questions: list[Any]) -> None:
    client = Forever()
    with pytest.raises(UpstreamProtocolError):
        await conversed(Upstream(*questions, ANSWER), client, Limits(questions=4))
    assert client.thinking == 0


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (asks(method="tools/call"), -32601),
        (asks(method="elicitation/create", params=[]), -32602),
        (asks(method="sampling/createMessage", params={"tools": []}), -32602),
        (asks(method="x" * 10_000), -32601),
    ],
)
async def test_what_no_client_is_asked_is_refused_without_asking(question: dict[str, Any], code: int) -> None:
    client = Answering(politely)
    upstream = Upstream(question, ANSWER)
    await conversed(upstream, client)
    assert client.questions == [] and [told["error"]["code"] for told in upstream.told] == [code]


async def test_a_ping_is_answered_during_a_call_without_bothering_the_client() -> None:
    client = Answering(politely)
    upstream = Upstream(asks("p", "ping"), ANSWER)
    await conversed(upstream, client)
    assert upstream.told == [{"jsonrpc": "2.0", "id": "p", "result": {}}] and client.questions == []


async def test_an_answer_json_cannot_carry_is_no_answer() -> None:
    async def answer(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"x": object()}

    upstream = Upstream()
    upstream._says = [asks(), upstream.until_told, ANSWER]  # pyright: ignore[reportPrivateUsage]
    await conversed(upstream, Answering(answer))
    assert upstream.told[0]["error"]["code"] == -32603


async def test_a_reply_that_cannot_be_delivered_leaves_the_call_to_its_stream() -> None:
    upstream = Upstream(asks(method="tools/call"), ANSWER)

    async def undelivered(line: bytes) -> None:
        raise UpstreamUnavailable("no connection")

    upstream.send = undelivered
    await conversed(upstream, Answering(politely))


async def test_a_stream_that_ends_with_questions_open_says_so_once() -> None:
    client = Forever()
    with pytest.raises(OutcomeUnknown):
        await conversed(Upstream(asks(), lambda: client.until(1)), client)
    assert client.thinking == 0


@pytest.mark.parametrize(
    ("question", "needed"),
    [
        (asks(method="sampling/createMessage"), {"sampling": {}}),
        (asks(method="sampling/createMessage", params={"tools": []}), {"sampling": {"tools": {}}}),
        (asks(method="elicitation/create", params={"mode": "url"}), {"elicitation": {"url": {}}}),
        (asks(method="tools/call"), None),
    ],
)
@pytest.mark.parametrize("era", list(Era))
async def test_a_modern_client_hears_what_it_would_have_to_declare(
    question: dict[str, Any], needed: dict[str, Any] | None, era: Era
) -> None:
    told: dict[str, Any] = {"roots": {}, "elicitation": {}}
    permit = permit_for(ENTRY, "echo", era=era, capabilities=told)
    failed: dict[str, Any] = {"jsonrpc": "2.0", "id": "ours", "error": {"code": -32601, "message": "cannot ask"}}
    upstream, client = Upstream(question, failed), Answering(politely)
    questions = Questions(upstream.send, Limits(), permit=permit, caller=client, told=told)
    with anyio.fail_after(10):
        answer = await questions.answer(upstream.receive, client.notify)
    if needed is None or era is Era.LEGACY:
        assert answer == failed
    else:
        assert answer["error"]["code"] == -32021
        assert answer["error"]["data"] == {"requiredCapabilities": needed}


async def test_people_who_think_leave_connections_to_others(tmp_path: Path) -> None:
    thinking = Forever()
    late: Answer | None = None
    async with (
        running_upstream(tmp_path, era="legacy") as upstream,
        Upstreams(tmp_path, limits=Limits(connections=6)) as upstreams,
    ):
        upstreams.configure([upstream.entry])

        def asking(user: str) -> Permit:
            arguments = {"kinds": ["roots/list"]}
            return permit_for(upstream.entry, "question", arguments, user=user, capabilities=CAPABILITIES)

        async with anyio.create_task_group() as tasks:
            for number, user in enumerate(("a", "b", "c"), 1):
                tasks.start_soon(upstreams.forward, asking(user), thinking)
                await thinking.until(number)
            late = await upstreams.forward(asking("d"), Answering(politely))
            tasks.cancel_scope.cancel()
        again = await upstreams.forward(asking("d"), Answering(politely))
    assert late is not None and _text_of(late) == [{"refused": -32603}]
    assert _text_of(again) == [await politely("roots/list", {})]


def _text_of(answer: Answer) -> Any:
    assert answer.result is not None
    return json.loads(answer.result["content"][0]["text"])


async def test_who_shares_a_session_is_not_told_to_declare_what_it_did() -> None:
    permit = permit_for(ENTRY, "echo", era=Era.MODERN, capabilities=CAPABILITIES)
    failed: dict[str, Any] = {"jsonrpc": "2.0", "id": "ours", "error": {"code": -32601, "message": "cannot ask"}}
    upstream, client = Upstream(asks(), failed), Answering(politely)
    questions = Questions(upstream.send, Limits(), permit=permit, caller=client)
    assert await questions.answer(upstream.receive, client.notify) == failed


async def test_the_deadline_moves_only_while_a_question_is_open() -> None:
    seen: list[float] = []

    async def look(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append(anyio.current_effective_deadline() - anyio.current_time())
        return {}

    async def call(permit: Permit, caller: Caller) -> Answer:
        for _ in range(2):
            await caller.ask("roots/list", {})
            await look("", {})
        return Answer({}, None, permit.request.era)

    permit = permit_for(ENTRY, "echo", capabilities=CAPABILITIES)
    await within(100, permit, Answering(look), call, patience=1_000)
    asked, between, again, after = (round(left, -1) for left in seen)
    assert (asked, between, again, after) == (1_100, 100, 1_100, 100)


async def test_in_one_process_with_two_calls_nobody_is_asked(tmp_path: Path) -> None:
    client = Answering(politely)
    answer: Answer | None = None
    async with stdio_upstream(tmp_path) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        async with anyio.create_task_group() as tasks:
            slow = permit_for(upstream.entry, "slow", capabilities=CAPABILITIES)
            tasks.start_soon(upstreams.forward, slow, client)
            await upstream.record.until("slow")
            permit = permit_for(upstream.entry, "question", {"kinds": ["roots/list"]}, capabilities=CAPABILITIES)
            answer = await upstreams.forward(permit, client)
            upstream.record.release()
    assert answer is not None and answer.result is not None
    assert json.loads(answer.result["content"][0]["text"]) == [{"refused": -32601}]
    assert client.questions == []


@pytest.mark.parametrize("shared", [False, True])
async def test_whether_a_call_may_be_asked_something_midway_is_known_beforehand(tmp_path: Path, shared: bool) -> None:
    sessions = "shared" if shared else "per_principal"
    async with (
        running_upstream(tmp_path, era="legacy", name="old", sessions=sessions) as old,
        running_upstream(tmp_path, era="modern", name="new", sessions=sessions) as new,
        Upstreams(tmp_path) as upstreams,
    ):
        upstreams.configure([old.entry, new.entry])
        before = [upstreams.asks(name) for name in ("old", "new", "unknown")]
        for one in (old, new):
            await upstreams.forward(permit_for(one.entry, "echo"), Heard())
        after = [upstreams.asks(name) for name in ("old", "new", "unknown")]
    assert before == [not shared, not shared, False]  # not known yet
    assert after == [not shared, False, False]


async def test_a_question_of_a_modern_upstream_breaks_its_call(tmp_path: Path) -> None:
    client = Answering(politely)
    script = events(lambda asked: [asks(), result_for(asked)])
    async with scripted_upstream(script) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry := upstream.entry()])
        with pytest.raises(UpstreamFailure) as caught:
            await upstreams.forward(permit_for(entry, "echo", capabilities=CAPABILITIES), client)
    assert caught.value.code == "upstream.protocol_error" and client.questions == []
