"""What a modern upstream gets for each method, and which of its refusals are for the client."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.errors import UpstreamFailure
from mcp_gateway.model.call import Answer, Era
from mcp_gateway.upstream import Upstreams
from tests.support.asking import CAPABILITIES
from tests.support.upstreams import Asked, Heard, Script, answering, permit_for, respond, result_for, scripted_upstream

pytestmark = pytest.mark.anyio

TASKS = "io.modelcontextprotocol/tasks"


ANSWERING = answering(result_for)


async def sent(directory: Path, script: Script = ANSWERING, **permit: Any) -> tuple[Asked, Answer | str]:
    """What reached the upstream, and its answer or the code of its failure."""
    async with scripted_upstream(script) as upstream, Upstreams(directory) as upstreams:
        upstreams.configure([entry := upstream.entry()])
        found: Answer | str
        try:
            found = await upstreams.forward(permit_for(entry, "echo", **permit), Heard())
        except UpstreamFailure as exc:
            found = exc.code
    return upstream.asked[-1], found


def refusing(status: int, code: int, data: Any = None) -> Script:
    async def script(asked: Asked, stream: Any) -> None:
        error = {"code": code, "message": "no", **({"data": data} if data is not None else {})}
        await respond(stream, json.dumps({"jsonrpc": "2.0", "id": asked.id, "error": error}).encode(), status=status)

    return script


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("resources/read", {"uri": "notes://today"}, "notes://today"),
        ("prompts/get", {"name": "greet", "arguments": {}}, "greet"),
        ("tasks/get", {"taskId": "t-1"}, "t-1"),
        ("tasks/get", {"name": "drop_all", "uri": "notes://x", "taskId": "t-1"}, "t-1"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {}}, None),
        ("prompts/get", {"name": "grüß"}, "=?base64?" + base64.b64encode("grüß".encode()).decode() + "?="),
        ("resources/read", {"uri": "a\r\nx-evil: 1"}, "=?base64?YQ0KeC1ldmlsOiAx?="),
    ],
)
async def test_the_headers_say_what_the_body_does(
    tmp_path: Path, method: str, params: dict[str, Any], name: str | None
) -> None:
    asked, _ = await sent(tmp_path, method=method, params=params)
    assert asked.headers["mcp-method"] == asked.body["method"] == method
    assert asked.headers.get("mcp-name") == name
    assert {key: value for key, value in asked.body["params"].items() if key != "_meta"} == params
    assert not any(header.startswith("mcp-param-") for header in asked.headers)


async def test_a_retry_with_answers_is_a_new_request_of_the_same_call(tmp_path: Path) -> None:
    answers = {"inputResponses": {"a": {"action": "accept"}}, "requestState": "opaque"}
    first, _ = await sent(tmp_path, arguments={"text": "x"})
    retry, _ = await sent(tmp_path, params={"name": "echo", "arguments": {"text": "x"}, **answers})
    assert retry.id != first.id
    assert retry.headers["mcp-name"] == "echo"
    assert {key: retry.body["params"][key] for key in answers} == answers


@pytest.mark.parametrize("era", list(Era))
async def test_the_upstream_is_told_what_this_client_can_be_asked(tmp_path: Path, era: Era) -> None:
    said: dict[str, Any] = {**CAPABILITIES, "roots": {"listChanged": True}, "extensions": {TASKS: {}}}
    asked, _ = await sent(tmp_path, capabilities=said, era=era)
    told = asked.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    assert told == {**CAPABILITIES, "roots": {}, **({"extensions": {TASKS: {}}} if era is Era.MODERN else {})}


async def test_questions_and_tasks_are_answers(tmp_path: Path) -> None:
    for result in (
        {"resultType": "input_required", "inputRequests": {"a": {"method": "roots/list"}}, "requestState": "s"},
        {"resultType": "task", "taskId": "t", "status": "working"},
    ):
        script = answering(lambda asked, result=result: result_for(asked, result=result))
        capabilities: dict[str, Any] = {**CAPABILITIES, "extensions": {TASKS: {}}}
        _, answer = await sent(tmp_path, script, capabilities=capabilities, era=Era.MODERN)
        assert isinstance(answer, Answer) and answer.result == result


@pytest.mark.parametrize(
    ("status", "code", "data"),
    [
        (400, -32021, {"requiredCapabilities": {"sampling": {}}}),
        (404, -32601, None),
        (200, -32602, {"uri": "notes://x"}),
    ],
)
async def test_what_the_client_can_act_on_reaches_it(tmp_path: Path, status: int, code: int, data: Any) -> None:
    _, answer = await sent(tmp_path, refusing(status, code, data), method="resources/read", params={"uri": "notes://x"})
    assert isinstance(answer, Answer) and answer.error is not None
    assert (answer.error["code"], answer.error.get("data")) == (code, data)


@pytest.mark.parametrize(
    ("status", "code"), [(400, -32020), (400, -32021), (400, -32022), (200, -32042), (200, -32099)]
)
async def test_what_is_ours_to_mend_does_not(tmp_path: Path, status: int, code: int) -> None:
    _, answer = await sent(tmp_path, refusing(status, code), method="resources/read", params={"uri": "notes://x"})
    assert answer == "upstream.protocol_error"
