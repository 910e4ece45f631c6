"""Questions to a client: what it must have declared, whose answer counts, and every way to go without one."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.errors import Declined, LimitExceeded
from mcp_gateway.transport import asking, conversation
from mcp_gateway.transport.asking import MAX_QUESTIONS, can_be_asked, lacking, presented
from mcp_gateway.transport.conversation import Conversation, Questions
from mcp_gateway.transport.inflight import Flight, InFlight
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.turnstile import STRANGERS
from mcp_gateway.transport.waits import Waits

pytestmark = pytest.mark.anyio

FORM: Mapping[str, Any] = {"message": "Your name?", "requestedSchema": {"type": "object", "properties": {}}}
ABLE: Mapping[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}


def open_questions(*, limit: int = 10, per_server: int = 10, per_principal: int = 100) -> Questions:
    return Questions(Waits(InFlight(10), limit=limit, per_server=per_server), per_principal=per_principal)


class Line:
    """A call's stream to its client, and what was sent on it."""

    def __init__(self, questions: Questions, session: str = "s", capabilities: Mapping[str, Any] = ABLE) -> None:
        self.raw: list[bytes] = []
        self.flight = Flight()
        self.reply = Reply(self._send, "r-1")
        self.reply.accepts_stream = True
        self.questions = questions
        self.conversation = Conversation(
            questions,
            self.reply,
            self.flight,
            session=session,
            who=("mira", "docs"),
            server="echo",
            capabilities=capabilities,
        )

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.raw.append(message.get("body", b""))

    async def ask(self, method: str = "elicitation/create", params: Mapping[str, Any] = FORM) -> Mapping[str, Any]:
        return await self.conversation.ask(method, params, server=None)

    @property
    def _messages(self) -> list[dict[str, Any]]:
        return [orjson.loads(event.split(b"data: ")[1]) for event in self.raw if b"data: " in event]

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The questions."""
        return [message for message in self._messages if "id" in message]

    @property
    def withdrawn(self) -> list[str]:
        """Ids of questions that the client was told to forget."""
        return [message["params"]["requestId"] for message in self._messages if "id" not in message]

    async def until_asked(self, times: int = 1) -> dict[str, Any]:
        with anyio.fail_after(10):
            while len(self.sent) < times:
                await anyio.sleep(0.001)
        return self.sent[-1]


@pytest.mark.parametrize(
    ("said", "method", "params", "missing"),
    [
        ({"elicitation": {}}, "elicitation/create", FORM, None),
        ({"elicitation": {"form": {}}}, "elicitation/create", {**FORM, "mode": "form"}, None),
        ({"elicitation": {"url": {}}}, "elicitation/create", FORM, {"elicitation": {}}),
        ({"elicitation": {}}, "elicitation/create", {"mode": "url"}, {"elicitation": {"url": {}}}),
        ({"elicitation": {"url": {}}}, "elicitation/create", {"mode": "url"}, None),
        ({"elicitation": True}, "elicitation/create", FORM, {"elicitation": {}}),
        ({"sampling": {}}, "sampling/createMessage", {}, None),
        ({"sampling": {}}, "sampling/createMessage", {"tools": []}, {"sampling": {"tools": {}}}),
        ({"sampling": {"tools": {}}}, "sampling/createMessage", {"tools": []}, None),
        ({}, "roots/list", {}, {"roots": {}}),
        ({"roots": {"listChanged": True}}, "roots/list", {}, None),
    ],
)
def test_a_question_needs_what_the_client_declared(
    said: Mapping[str, Any], method: str, params: Mapping[str, Any], missing: Mapping[str, Any] | None
) -> None:
    assert lacking(said, method, params) == missing


@pytest.mark.parametrize(
    ("method", "params"),
    [("tools/list", {}), ("elicitation/create", {"mode": "fax"}), ("elicitation/create", {"mode": {}})],
)
def test_what_nobody_may_be_asked_is_declined(method: str, params: Mapping[str, Any]) -> None:
    with pytest.raises(Declined):
        lacking(ABLE, method, params)


def test_only_a_declared_capability_makes_a_client_one_that_can_be_asked() -> None:
    assert can_be_asked({"roots": {}})
    assert not can_be_asked({})
    assert not can_be_asked({"extensions": {"io.modelcontextprotocol/tasks": {}}, "roots": None})


def test_an_elicitation_names_its_server_and_drops_what_the_client_cannot_relate() -> None:
    params = {**FORM, "task": {"ttl": 1}, "_meta": {"progressToken": 1, "vendor": 2}, "vendor/x": None}
    shown = presented("elicitation/create", params, "echo")
    assert shown == {**FORM, "message": "[echo] Your name?", "_meta": {"vendor": 2}, "vendor/x": None}
    assert presented("elicitation/create", FORM, None) == FORM
    assert presented("sampling/createMessage", {"message": "x"}, "echo") == {"message": "x"}


async def test_an_answer_in_the_same_session_is_the_result() -> None:
    line = Line(open_questions())
    answers: list[Mapping[str, Any]] = []

    async def ask() -> None:
        answers.append(await line.ask())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        asked = await line.until_asked()
        assert (asked["method"], asked["params"], asked["jsonrpc"]) == ("elicitation/create", FORM, "2.0")
        line.questions.answer("s", {"id": asked["id"], "result": {"action": "accept", "content": {"n": 1}}})
        line.questions.answer("s", {"id": asked["id"], "result": {"action": "decline"}})
    assert answers == [{"action": "accept", "content": {"n": 1}}]
    assert len(line.questions.waits) == 0
    assert line.conversation.asked == ["elicitation/create: accept"]
    assert len(line.questions) == 0


async def test_nobody_elses_answer_counts() -> None:
    questions = open_questions()
    mine, other = Line(questions, "mine"), Line(questions, "other")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mine.ask)
        tasks.start_soon(other.ask)
        asked = await mine.until_asked()
        theirs = await other.until_asked()
        assert asked["id"] != theirs["id"]
        for session, answered in (("other", asked["id"]), ("mine", theirs["id"]), ("mine", 1), ("mine", "made up")):
            questions.answer(session, {"id": answered, "result": {"action": "accept"}})
        await anyio.wait_all_tasks_blocked()
        assert len(questions) == 2, "both still wait"
        tasks.cancel_scope.cancel()
    assert len(questions) == 0
    assert mine.withdrawn == [mine.sent[0]["id"]]
    assert mine.conversation.asked == ["elicitation/create: abandoned"]


async def test_calls_that_wait_for_a_person_take_no_place_from_calls_that_work() -> None:
    inflight = InFlight(1)
    line = Line(Questions(Waits(inflight)))
    inflight.enter(line.flight)
    with pytest.raises(LimitExceeded):
        inflight.enter(Flight())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.ask)
        tasks.start_soon(line.ask)
        await line.until_asked(2)
        another = Flight()
        inflight.enter(another)
        with pytest.raises(LimitExceeded):
            inflight.enter(Flight())
        inflight.leave(another)
        tasks.cancel_scope.cancel()
    with pytest.raises(LimitExceeded):
        inflight.enter(Flight())
    assert inflight.shedding.turned_away == {STRANGERS: 3}


async def test_the_clients_error_reaches_the_upstream_as_its_code_alone() -> None:
    line = Line(open_questions())
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            with pytest.raises(Declined) as refusal:
                await line.ask("sampling/createMessage", {"messages": []})
            assert refusal.value.jsonrpc == -1
            assert "secret" not in str(refusal.value)

        tasks.start_soon(ask)
        asked = await line.until_asked()
        line.questions.answer("s", {"id": asked["id"], "error": {"code": -1, "message": "secret"}})
    assert line.conversation.asked == ["sampling/createMessage: declined"]


async def test_a_client_that_never_answers_or_leaves_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(conversation, "_KEEP_ALIVE_SECONDS", 0.01)
    silent = Line(open_questions())
    with pytest.raises(Declined):
        await silent.ask()
    assert b": \n\n" in silent.raw, "the stream was kept alive meanwhile"
    assert silent.withdrawn == [silent.sent[0]["id"]]
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 60)
    leaving = Line(open_questions())
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            with pytest.raises(Declined):
                await leaving.ask()

        tasks.start_soon(ask)
        await leaving.until_asked()
        leaving.flight.gone()
    with pytest.raises(Declined):
        await leaving.ask()
    assert len(leaving.sent) == 1, "who has left is not asked again"
    assert leaving.withdrawn == [], "nor told anything"


async def test_a_session_that_ends_takes_its_questions_along() -> None:
    questions = open_questions()
    ending, staying = Line(questions, "ending"), Line(questions, "staying")
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            with pytest.raises(Declined):
                await ending.ask()

        tasks.start_soon(staying.ask)
        tasks.start_soon(ask)
        await ending.until_asked()
        await staying.until_asked()
        questions.end("ending")
        with anyio.fail_after(10):
            while len(questions) > 1:
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    assert ending.conversation.asked == ["elicitation/create: declined"]


async def test_what_cannot_be_asked_is_not_sent() -> None:
    deaf = Line(open_questions())
    deaf.reply.accepts_stream = False
    unable = Line(open_questions(), capabilities={})
    full, busy = Line(open_questions(limit=0)), Line(open_questions(per_server=0))
    greedy = Line(open_questions(per_principal=0))
    for line in (deaf, unable, full, busy, greedy):
        with pytest.raises(Declined):
            await line.ask()
        assert line.sent == []
        assert len(line.questions.waits) == 0
    with pytest.raises(Declined):
        await Line(open_questions()).ask("elicitation/create", {**FORM, "message": "x" * 1_100_000})
    with pytest.raises(Declined):
        await Line(open_questions()).ask("a method of the upstream's own making", {})


async def test_a_call_asks_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0)
    line = Line(open_questions())
    for _ in range(MAX_QUESTIONS + 1):
        with pytest.raises(Declined):
            await line.ask("roots/list", {})
    assert len(line.sent) == MAX_QUESTIONS
