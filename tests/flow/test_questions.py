"""What upstreams ask reaches the user and the model through any client: both eras on both sides, real SDKs at the ends."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from tests.support.asked_clients import ModernAsked
from tests.support.asking import CAPABILITIES
from tests.support.questions import AGENT, ERAS, OTHER_AGENT, Era, Person, Stage, exposed, sdk_client, stage, text_of

pytestmark = pytest.mark.anyio

CELLS = [pytest.param(client, upstream, id=f"{client}-{upstream}") for client in ERAS for upstream in ERAS]
ROUND = "test_input_required_result_"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    with stage(tmp_path_factory.mktemp("questions") / "gateway") as made:
        yield made


async def ask(
    made: Stage, client: Era, upstream: Era, tool: str, person: Person | None, arguments: dict[str, Any] | None = None
) -> str:
    """Call `tool` of the server of one era with a client of another; the text of its answer, or its error code."""
    async with sdk_client(made.gateway.endpoint(), made.token(), client, person) as session:
        try:
            return text_of(await session.call_tool(await exposed(session, upstream, tool), arguments or {}))
        except MCPError as exc:
            return str(exc.error.code)


@pytest.mark.parametrize(("client", "upstream"), CELLS)
async def test_every_kind_of_question_is_answered_in_every_cell(made: Stage, client: Era, upstream: Era) -> None:
    person = Person()
    assert await ask(made, client, upstream, f"{ROUND}elicitation", person) == "Hello, Mira!"
    assert await ask(made, client, upstream, f"{ROUND}sampling", person) == "The model says: Paris"
    assert await ask(made, client, upstream, f"{ROUND}list_roots", person) == "Roots: file:///home/mira"
    assert person.asked == [f"[{upstream}] What is your name?", "sampling", "roots"]


@pytest.mark.parametrize(("client", "upstream"), CELLS)
async def test_several_questions_and_several_rounds_end_in_one_answer(made: Stage, client: Era, upstream: Era) -> None:
    person = Person()
    assert await ask(made, client, upstream, f"{ROUND}multiple_inputs", person) == "All three answers arrived."
    assert await ask(made, client, upstream, f"{ROUND}multi_round", person) == "Mira likes blue."
    assert await ask(made, client, upstream, f"{ROUND}request_state", person) == "state-ok"
    assert len(person.asked) == 6


@pytest.mark.parametrize(("client", "upstream"), CELLS)
async def test_a_refusal_of_the_user_is_an_answer_too(made: Stage, client: Era, upstream: Era) -> None:
    for action in ("decline", "cancel"):
        said = await ask(made, client, upstream, "test_elicitation", Person(action), {"message": "Really?"})
        assert said.startswith(f"Elicitation completed: action={action}")


@pytest.mark.parametrize(("client", "upstream"), CELLS)
async def test_a_prompt_may_ask_as_a_tool_does(made: Stage, client: Era, upstream: Era) -> None:
    async with sdk_client(made.gateway.endpoint(), made.token(), client, Person()) as session:
        prompt = await session.get_prompt(f"{upstream}__{ROUND}prompt", {})
    assert "In the context of tests." in prompt.messages[0].model_dump_json()


@pytest.mark.parametrize(("client", "upstream"), CELLS)
async def test_who_declared_nothing_is_never_asked(made: Stage, client: Era, upstream: Era) -> None:
    said = await ask(made, client, upstream, f"{ROUND}elicitation", None)
    if client == "modern":
        assert said == "-32021", "whatever the upstream's era, it hears what it would have to declare"
    else:
        assert said == {"modern": "-32600", "legacy": "-32601"}[upstream]


async def test_at_a_servers_own_endpoint_its_question_comes_as_it_was_put(made: Stage) -> None:
    for client in ERAS:
        for upstream in ERAS:
            person = Person()
            token = await anyio.to_thread.run_sync(made.token, "docs-assistant", upstream)
            async with sdk_client(made.gateway.endpoint(upstream), token, client, person) as session:
                result = await session.call_tool(f"{ROUND}elicitation", {})
            assert text_of(result) == "Hello, Mira!"
            assert person.asked == ["What is your name?"]


@pytest.mark.parametrize(("client", "upstream"), CELLS)
async def test_the_audit_names_what_was_asked_and_what_came_of_it_and_never_the_words(
    made: Stage, client: Era, upstream: Era
) -> None:
    name = f"a very private name {client} {upstream}"
    assert await ask(made, client, upstream, f"{ROUND}elicitation", Person(name=name)) == f"Hello, {name}!"
    records = await anyio.to_thread.run_sync(made.records, f"{upstream}/{ROUND}elicitation")
    outcomes = [record for record in records if record["kind"] == "outcome"]
    named: list[dict[str, Any]] = [record.get("named") or {} for record in outcomes]
    assert [told["answers"] for told in named if "answers" in told][-1] == ["elicitation/create: accept"]
    assert outcomes[-1]["outcome"] == "ok"
    assert name not in str(records) and "What is your name" not in str(records)


async def test_a_state_is_good_for_its_own_request_and_holds_the_upstreams_out_of_sight(made: Stage) -> None:
    url = made.gateway.endpoint("modern")
    own = await anyio.to_thread.run_sync(made.token, AGENT, "modern")
    others = await anyio.to_thread.run_sync(made.token, OTHER_AGENT, "modern")
    tool, other_tool = f"{ROUND}multi_round", f"{ROUND}request_state"
    async with httpx2.AsyncClient(timeout=60) as http:
        mine, other = ModernAsked(http, url, own, CAPABILITIES), ModernAsked(http, url, others, CAPABILITIES)
        asked = (await mine.call(tool, {})).result
        answers = {"step1": {"action": "accept", "content": {"name": "Mira"}}}
        back: dict[str, Any] = {"inputResponses": answers, "requestState": asked["requestState"]}
        altered = {**back, "requestState": "A" + asked["requestState"][1:]}
        attempts = [
            await other.call(tool, {}, **back),
            await mine.call(other_tool, {}, **back),
            await mine.call(tool, {"more": 1}, **back),
            await mine.call(tool, {}, **altered),
            await mine.call(tool, {}, inputResponses=answers, requestState="made up"),
        ]
        assert {(tried.status, tried.reason) for tried in attempts} == {(400, "state.invalid")}
        second = (await mine.call(tool, {}, **back)).result
        assert list(second["inputRequests"]) == ["step2"]
        last = {"step2": {"action": "accept", "content": {"color": "blue"}}}
        done = (await mine.call(tool, {}, inputResponses=last, requestState=second["requestState"])).result
        assert done["content"][0]["text"] == "Mira likes blue."
        assert "." not in asked["requestState"], "the fixture's own is text, a dot and a signature"


async def test_answers_that_nobody_asked_for_are_the_upstreams_to_judge(made: Stage) -> None:
    token = await anyio.to_thread.run_sync(made.token, AGENT, "modern")
    async with httpx2.AsyncClient(timeout=60) as http:
        client = ModernAsked(http, made.gateway.endpoint("modern"), token, CAPABILITIES)
        name = {"action": "accept", "content": {"name": "Alice"}}
        early = await client.call(f"{ROUND}elicitation", {}, inputResponses={"user_name": name, "more": name})
        assert early.result["content"][0]["text"] == "Hello, Alice!"
        wrong = await client.call(f"{ROUND}elicitation", {}, inputResponses={"wrong": name})
        assert wrong.result["resultType"] == "input_required"


async def test_a_task_asks_only_what_its_client_declared_and_says_which_server_asks(made: Stage) -> None:
    tasks: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    async with httpx2.AsyncClient(timeout=60) as http:
        client = ModernAsked(http, made.gateway.endpoint(), made.token(), {**CAPABILITIES, **tasks})
        begun = (await client.call("modern__multi_input", {})).result
        about = {"taskId": begun["taskId"]}
        told = (await client.request("tasks/get", about, begun["taskId"])).result
        assert told["status"] == "input_required"
        asked = [request["params"]["message"] for request in told["inputRequests"].values()]
        assert asked and all(message.startswith("[modern] ") for message in asked)
        client.capabilities = tasks
        refused = await client.request("tasks/get", about, begun["taskId"])
        assert (refused.status, refused.reason) == (400, "request.missing_capability")
