"""Questions in wrong hands: other people's answers, late ones, altered states, clients that vanish, too many at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from tests.support.asked_clients import ACCEPT, LegacyAsked, ModernAsked, accepting
from tests.support.asking import CAPABILITIES
from tests.support.gateway import Installation, http_entry, install
from tests.support.upstreams import RunningUpstream, running_upstream, until

pytestmark = pytest.mark.anyio

AGENTS = ("first", "second", "third", "fourth")
ONE: dict[str, Any] = {"kinds": ["elicitation/create"]}
TWO: dict[str, Any] = {"kinds": ["elicitation/create", "elicitation/create"]}
BLUE = '[{"action": "accept", "content": {"colour": "blue"}}]'


class Stage:
    def __init__(self, gateway: Installation, upstream: RunningUpstream, http: httpx2.AsyncClient) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.http = http
        self._tokens: dict[str, str] = {}

    async def token(self, agent: str = "first") -> str:
        if agent not in self._tokens:
            made = await anyio.to_thread.run_sync(lambda: self.gateway.token(user="mira", agent=agent, server="asks"))
            self._tokens[agent] = made
        return self._tokens[agent]

    async def legacy(self, agent: str = "first") -> LegacyAsked:
        client = LegacyAsked(self.http, self.gateway.endpoint("asks"), await self.token(agent))
        await client.initialize()
        return client

    async def modern(self, agent: str = "first", **changed: Any) -> ModernAsked:
        able = {**CAPABILITIES, **changed}
        return ModernAsked(self.http, self.gateway.endpoint("asks"), await self.token(agent), able)

    async def records(self) -> list[dict[str, Any]]:
        tail: list[dict[str, Any]] = await anyio.to_thread.run_sync(self.gateway.json, "audit", "tail", "-n", "40")
        return tail

    async def recorded(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The last record of which that holds, once there is one."""
        with anyio.fail_after(20):
            while True:
                found = [record for record in await self.records() if holds(record)]
                if found:
                    return found[-1]
                await anyio.sleep(0.1)

    async def grant(self, agent: str) -> str:
        """Give `agent` what it needs; the grant's id."""
        return await anyio.to_thread.run_sync(lambda: self.gateway.let_agent_act(agent, "mira", server="asks"))

    async def revoke(self, grant: str) -> None:
        await anyio.to_thread.run_sync(self.gateway.cli, "grant", "revoke", grant)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Installation, RunningUpstream]]:
    folder: Path = tmp_path_factory.mktemp("questions")
    (folder / "upstream").mkdir()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_upstream(folder / "upstream", era="legacy")) as upstream,
    ):
        entry = http_entry("asks", upstream.url, sessions="per_principal")
        limits = {"concurrency_per_principal": 256}
        gateway = install(folder / "gateway", registry={"asks": entry}, limits=limits)
        gateway.add_user("mira", calls="asks")
        for agent in AGENTS:
            gateway.let_agent_act(agent, "mira", server="asks")
        with gateway.serving():
            gateway.wait_for_tools("asks", count=5)
            yield gateway, upstream


@pytest.fixture
async def stage(served: tuple[Installation, RunningUpstream]) -> AsyncGenerator[Stage]:
    limits = httpx2.Limits(max_connections=400, max_keepalive_connections=50)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as http:
        yield Stage(*served, http)


async def test_only_the_session_that_is_asked_answers(stage: Stage) -> None:
    mine, twin, other = await stage.legacy(), await stage.legacy(), await stage.legacy("second")
    async with mine.call("question", ONE, id=1) as here, twin.call("question", ONE, id=1) as there:
        asked, theirs = await anext(here), await anext(there)
        assert asked["method"] == theirs["method"] == "elicitation/create"
        assert asked["id"] != theirs["id"]
        for client in (twin, other):
            # Nobody is told whether a question of that id exists.
            assert await client.answer(asked, {"action": "accept", "content": {"colour": "stolen"}}) == 202
        assert await mine.answer({"id": "made up"}) == 202
        assert await mine.answer({"id": 1}) == 202
        foreign = LegacyAsked(stage.http, stage.gateway.endpoint("asks"), await stage.token("second"))
        foreign.headers |= {"mcp-session-id": mine.headers["mcp-session-id"]}
        assert await foreign.answer(asked, {"action": "accept", "content": {"colour": "stolen"}}) == 404
        assert await mine.answer(asked) == 202
        assert (await anext(here))["result"]["content"][0]["text"] == BLUE
        assert await twin.answer(theirs, {"action": "decline"}) == 202
        assert "decline" in (await anext(there))["result"]["content"][0]["text"]


async def test_a_late_or_second_answer_has_no_effect(stage: Stage) -> None:
    client = await stage.legacy()
    async with client.call("question", TWO) as messages:
        first = await anext(messages)
        assert await client.answer(first) == 202
        second = await anext(messages)
        assert await client.answer(first, {"action": "cancel"}) == 202
        assert await client.answer(second, {"action": "decline"}) == 202
        text: str = (await anext(messages))["result"]["content"][0]["text"]
    assert "accept" in text and "decline" in text and "cancel" not in text
    assert await client.answer(second) == 202


async def test_a_misshapen_answer_is_the_clients_error_and_the_question_stays_open(stage: Stage) -> None:
    client = await stage.legacy()
    async with client.call("question", ONE) as messages:
        asked = await anext(messages)
        wrongs: tuple[dict[str, Any], ...] = (
            {"result": []},
            {"error": "no"},
            {},
            {"result": {}, "error": {"code": 1, "message": ""}},
        )
        for wrong in wrongs:
            assert (await client.post({"id": asked["id"], **wrong})).status_code == 400
        assert await client.answer(asked) == 202
        assert (await anext(messages))["result"]["content"][0]["text"] == BLUE


async def test_a_clients_error_is_the_upstreams_answer_as_a_code(stage: Stage) -> None:
    client = await stage.legacy()
    async with client.call("question", ONE) as messages:
        asked = await anext(messages)
        error = {"code": -1, "message": "something private"}
        assert (await client.post({"id": asked["id"], "error": error})).status_code == 202
        assert (await anext(messages))["result"]["content"][0]["text"] == '[{"refused": -1}]'


async def test_an_answer_after_revocation_never_reaches_the_upstream(stage: Stage) -> None:
    grant = await stage.grant("late")
    client = await stage.legacy("late")
    async with client.call("question", TWO) as messages:
        asked = await anext(messages)
        await stage.revoke(grant)
        assert await client.answer(asked) in (202, 404)
        ended = [message async for message in messages if "id" in message][-1]
    assert ended["error"]["data"]["reason"] == "access.ended"
    await stage.upstream.record.until("cancelled")
    await stage.recorded(lambda record: record.get("kind") == "call.ended")


async def test_a_retry_after_revocation_ends_the_call_that_waits(stage: Stage) -> None:
    grant = await stage.grant("later")
    client = await stage.modern("later")
    before = stage.upstream.record.count("cancelled")
    asked = (await client.call("question", ONE)).result
    await stage.revoke(grant)
    refused = await client.call("question", ONE, **accepting(asked))
    assert refused.body["error"]["code"] == -32602
    await stage.upstream.record.until("cancelled", times=before + 1)


async def test_a_waiting_call_ends_with_the_right_to_it_even_when_nobody_comes_back(stage: Stage) -> None:
    grant = await stage.grant("never")
    client = await stage.modern("never")
    before = stage.upstream.record.count("cancelled")
    assert (await client.call("question", ONE)).result["resultType"] == "input_required"
    await stage.revoke(grant)
    await stage.upstream.record.until("cancelled", times=before + 1)
    outcome = await stage.recorded(
        lambda record: record.get("kind") == "outcome" and "never" in str(record.get("agent"))
    )
    assert outcome["outcome"] in ("cancelled", "unknown")


async def test_the_state_of_a_waiting_call_is_good_once_for_its_own_client(stage: Stage) -> None:
    mine, other = await stage.modern(), await stage.modern("second")
    asked = (await mine.call("question", TWO)).result
    back = accepting(asked)
    assert next(iter(asked["inputRequests"].values()))["params"]["message"] == "Which colour?"
    altered = {**back, "requestState": back["requestState"][:-6] + "AAAAAA"}
    attempts = [
        await other.call("question", TWO, **back),
        await mine.call("question", ONE, **back),
        await mine.call("echo", TWO, **back),
        await mine.call("question", TWO, **altered),
        await mine.call("question", TWO, inputResponses=back["inputResponses"], requestState="made up"),
    ]
    assert [(tried.status, tried.body["error"]["code"]) for tried in attempts] == [(400, -32602)] * len(attempts)
    assert {tried.reason for tried in attempts} == {"state.invalid"}
    turned_away = [record for record in await stage.records() if record.get("code") == "state.invalid"]
    assert len(turned_away) == len(attempts), "and every attempt is on record"
    assert {str(record["named"]["agent"]) for record in turned_away} == {"agent:local/first", "agent:local/second"}
    again = (await mine.call("question", TWO, **back)).result
    assert again["resultType"] == "input_required"
    assert again["requestState"] != asked["requestState"]
    replayed = await mine.call("question", TWO, **back)
    assert replayed.reason == "state.invalid"
    done = (await mine.call("question", TWO, **accepting(again))).result
    assert done["content"][0]["text"].count("blue") == 2
    assert (await mine.call("question", TWO, **accepting(again))).reason == "state.invalid"


async def test_a_retry_without_the_answers_is_asked_again(stage: Stage) -> None:
    client = await stage.modern()
    asked = (await client.call("question", ONE)).result
    again = (await client.call("question", ONE, requestState=asked["requestState"])).result
    assert again["inputRequests"] == asked["inputRequests"]
    wrong = {"inputResponses": {"another": ACCEPT}, "requestState": again["requestState"]}
    once_more = (await client.call("question", ONE, **wrong)).result
    assert (await client.call("question", ONE, **accepting(once_more))).result["content"][0]["text"] == BLUE


async def test_misshapen_answers_of_a_modern_client_are_its_own_error(stage: Stage) -> None:
    client = await stage.modern()
    misshapen: tuple[dict[str, Any], ...] = (
        {"inputResponses": None},
        {"inputResponses": {"a": 12}},
        {"requestState": 1},
    )
    for wrong in misshapen:
        refused = await client.call("question", ONE, **wrong)
        assert (refused.status, refused.body["error"]["code"]) == (400, -32602)


async def test_each_round_is_on_record_with_what_was_asked_and_answered(stage: Stage) -> None:
    client = await stage.modern()
    asked = (await client.call("question", ONE)).result
    await client.call("question", ONE, **accepting(asked))
    records = await stage.records()
    outcomes = [r for r in records if r["kind"] == "outcome" and r["tool"] == "tool:asks/question"][-2:]
    assert [record["outcome"] for record in outcomes] == ["ok", "ok"]
    assert {tuple(record["named"]["answers"]) for record in outcomes} == {("elicitation/create: accept",)}
    resumed = [record["named"]["resumes"] for record in outcomes if "resumes" in record["named"]]
    assert resumed == [record["request"] for record in outcomes if "resumes" not in record["named"]]


async def test_progress_goes_to_the_request_that_waits_with_its_own_token(stage: Stage) -> None:
    client = await stage.modern()
    arguments = {**TWO, "progress": True}
    asked = (await client.call("question", arguments, meta={"progressToken": "first"})).result
    again = await client.call("question", arguments, meta={"progressToken": "second"}, **accepting(asked))
    assert [message["params"]["progressToken"] for message in again.notifications] == ["second"]
    done = await client.call("question", arguments, **accepting(again.result))
    assert done.result["content"][0]["text"].count("blue") == 2
    assert done.notifications == []


async def test_a_legacy_client_that_vanishes_is_not_waited_for(stage: Stage) -> None:
    async with httpx2.AsyncClient(timeout=60) as http:
        client = LegacyAsked(http, stage.gateway.endpoint("asks"), await stage.token())
        await client.initialize()
        async with client.call("question", {**ONE, "mark": "vanishing"}) as messages:
            await anext(messages)
    outcome = await stage.recorded(
        lambda record: "elicitation/create: declined" in ((record.get("named") or {}).get("answers") or ())
    )
    assert outcome["outcome"] == "ok", "the upstream was told, and ended the call by itself"


async def test_a_cancelled_call_takes_its_question_back(stage: Stage) -> None:
    client = await stage.legacy()
    before = stage.upstream.record.count("cancelled")
    async with client.call("question", ONE, id=77) as messages:
        asked = await anext(messages)
        cancel = {"method": "notifications/cancelled", "params": {"requestId": 77}}
        assert (await client.post(cancel)).status_code == 202
        withdrawn = await anext(messages)
        assert withdrawn["method"] == "notifications/cancelled"
        assert withdrawn["params"]["requestId"] == asked["id"]
        assert (await anext(messages))["error"]["data"]["reason"] == "request.cancelled"
    await stage.upstream.record.until("cancelled", times=before + 1)


async def test_a_modern_client_that_leaves_while_it_waits_cancels_the_call(stage: Stage) -> None:
    client = await stage.modern()
    before = stage.upstream.record.count("cancelled")
    calls = stage.upstream.record.count("slow")
    async with httpx2.AsyncClient(timeout=60) as http:
        leaving = ModernAsked(http, client.url, client.token, client.capabilities)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leaving.call, "slow", dict[str, Any]())
            await stage.upstream.record.until("slow", times=calls + 1)
            tasks.cancel_scope.cancel()
    await stage.upstream.record.until("cancelled", times=before + 1)


async def test_only_so_many_calls_of_one_principal_wait_for_their_client(stage: Stage) -> None:
    client = await stage.modern("third")
    answers: list[Any] = []

    async def call() -> None:
        answers.append((await client.call("question", ONE)).result)

    async with anyio.create_task_group() as tasks:
        for _ in range(18):
            tasks.start_soon(call)
    waiting = [answer for answer in answers if answer["resultType"] == "input_required"]
    refused = [answer for answer in answers if answer["resultType"] == "complete"]
    assert len(waiting) == 16
    assert [answer["content"][0]["text"] for answer in refused] == ['[{"refused": -32603}]'] * 2
    for asked in waiting:
        assert (await client.call("question", ONE, **accepting(asked))).result["content"][0]["text"] == BLUE
    assert (await client.call("question", ONE)).result["resultType"] == "input_required"


async def test_two_hundred_questions_at_once_each_reach_their_own_client(stage: Stage) -> None:
    clients = [await stage.legacy(AGENTS[number % 4]) for number in range(20)]
    said: dict[int, str] = {}

    async def converse(number: int) -> None:
        client = clients[number % 20]
        async with client.call("question", ONE, id=number) as messages:
            asked = await anext(messages)
            mine = {"action": "accept", "content": {"colour": f"colour {number}"}}
            assert await client.answer(asked, mine) == 202
            said[number] = (await anext(messages))["result"]["content"][0]["text"]

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(converse, number)
    assert len(said) == 200
    assert all(f'"colour {number}"' in text for number, text in said.items())


async def test_a_gateway_that_stops_ends_the_calls_nobody_will_come_back_for(tmp_path: Path) -> None:
    (tmp_path / "upstream").mkdir()
    async with (
        running_upstream(tmp_path / "upstream", era="legacy") as upstream,
        httpx2.AsyncClient(timeout=30) as http,
    ):

        def prepared() -> Installation:
            entry = http_entry("asks", upstream.url, sessions="per_principal")
            made = install(tmp_path / "gateway", registry={"asks": entry})
            made.add_user("mira", calls="asks")
            made.let_agent_act("first", "mira", server="asks")
            return made

        gateway = await anyio.to_thread.run_sync(prepared)
        with gateway.serving() as running:
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("asks", count=5))
            stage = Stage(gateway, upstream, http)
            client = await stage.modern()
            asked = (await client.call("question", ONE)).result
            assert await anyio.to_thread.run_sync(running.stop) == 0
        await until(lambda: upstream.record.count("cancelled"))
        with gateway.serving():
            refused = await client.call("question", ONE, **accepting(asked))
            assert refused.reason == "state.invalid", "another process knows nothing of it"
