"""What every upstream does alike, over modern HTTP, legacy HTTP, HTTP+SSE and stdio, against real MCP servers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.errors import OutcomeUnknown, UpstreamFailure, UpstreamProtocolError, UpstreamTimeout
from mcp_gateway.model.call import Answer, Era
from mcp_gateway.model.tool import Kind
from mcp_gateway.upstream import Limits, Upstreams
from tests.support.offers import NOTES, NOWHERE
from tests.support.sse_upstreams import sse_upstream
from tests.support.upstreams import TOOLS, Heard, RunningUpstream, permit_for, running_upstream, stdio_upstream

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[tuple[Upstreams, RunningUpstream]]]


@pytest.fixture(params=["http-modern", "http-legacy", "http-both-json", "sse-legacy", "sse-found", "stdio"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Starts one upstream and the room in front of it."""
    options: dict[str, dict[str, Any]] = {
        "http-modern": {"era": "modern"},
        "http-legacy": {"era": "legacy"},
        "http-both-json": {"era": "both", "json_response": True},
        "sse-legacy": {},
        "sse-found": {"declared": False},
        "stdio": {},
    }
    run = {"stdio": stdio_upstream, "sse-legacy": sse_upstream, "sse-found": sse_upstream}.get(
        request.param, running_upstream
    )

    @asynccontextmanager
    async def begin(
        limits: Limits | None = None, **changed: Any
    ) -> AsyncGenerator[tuple[Upstreams, RunningUpstream], None]:
        upstreams = Upstreams(tmp_path, limits=limits)
        async with run(tmp_path, **options[request.param], **changed) as upstream, upstreams:
            upstreams.configure([upstream.entry])
            yield upstreams, upstream

    return begin


def text_of(answer: Answer) -> str:
    assert answer.result is not None
    return answer.result["content"][0]["text"]


async def test_a_call_returns_what_the_tool_said(start: Start) -> None:
    async with start() as (upstreams, upstream):
        answer = await upstreams.forward(permit_for(upstream.entry, "add", {"a": 19, "b": 23}), Heard())
    assert text_of(answer) == "42"
    assert answer.error is None


async def test_every_page_of_the_tools_is_listed_as_it_was_sent(start: Start) -> None:
    async with start() as (upstreams, upstream):
        found = await upstreams.list_tools(upstream.entry)
    assert [tool["name"] for tool in found.tools] == list(TOOLS)
    assert found.tools[0]["inputSchema"] == TOOLS["echo"]
    assert found.server_info["name"] == "sample"


async def test_prompts_and_resources_are_listed_and_a_list_the_server_does_not_know_is_empty(start: Start) -> None:
    async with start() as (upstreams, upstream):
        found = await upstreams.list_tools(upstream.entry)
    assert not found.failed
    assert [prompt["name"] for prompt in found.offered[Kind.PROMPT]] == ["greet"]
    assert [resource["uri"] for resource in found.offered[Kind.RESOURCE]] == [NOTES]
    assert found.offered[Kind.TEMPLATE] == (), "it has resources and never heard of templates"


async def test_the_probed_era_is_the_version_that_is_reported(start: Start) -> None:
    async with start() as (upstreams, upstream):
        hello = await upstreams.probe(upstream.entry)
    assert hello.protocol_version == ("2026-07-28" if hello.era is Era.MODERN else "2025-11-25")


async def test_a_list_longer_than_the_bounds_is_refused(start: Start) -> None:
    for limits in (Limits(pages=2), Limits(tools=5)):
        async with start(limits) as (upstreams, upstream):
            found = await upstreams.list_tools(upstream.entry)
        assert isinstance(found.failed[Kind.TOOL], UpstreamProtocolError)
        assert Kind.TOOL not in found.offered


async def test_a_tool_error_and_a_refusal_are_both_answers(start: Start) -> None:
    async with start() as (upstreams, upstream):
        failed = await upstreams.forward(permit_for(upstream.entry, "error"), Heard())
        refused = await upstreams.forward(permit_for(upstream.entry, "refuse"), Heard())
    assert failed.result is not None and failed.result["isError"] is True
    assert refused.error == {"code": 4711, "message": "refused", "data": {"why": "because"}}


async def test_structured_content_and_names_beyond_ascii_travel_unchanged(start: Start) -> None:
    async with start() as (upstreams, upstream):
        structured = await upstreams.forward(permit_for(upstream.entry, "structured"), Heard())
        named = await upstreams.forward(permit_for(upstream.entry, "naïve tool", {"text": "né"}), Heard())
    assert structured.result is not None and structured.result["structuredContent"] == {"answer": 42}
    assert text_of(named) == "né"


async def test_a_parameter_the_schema_mirrors_reaches_the_tool(start: Start) -> None:
    async with start() as (upstreams, upstream):
        answer = await upstreams.forward(permit_for(upstream.entry, "region", {"region": "us-wést"}), Heard())
    assert text_of(answer) == "us-wést"


async def test_progress_carries_the_clients_own_token(start: Start, request: pytest.FixtureRequest) -> None:
    heard = Heard()
    async with start() as (upstreams, upstream):
        permit = permit_for(upstream.entry, "progress", {"steps": 3}, progress_token=7)
        await upstreams.forward(permit, heard)
    if "json" in request.node.name:
        assert heard.messages == []  # such a server has nowhere to put them
        return
    assert [m["params"]["progress"] for m in heard.messages] == [1, 2, 3]
    assert {m["params"]["progressToken"] for m in heard.messages} == {7}


async def test_the_trace_of_a_request_reaches_the_upstream_in_every_way_there_is(
    start: Start, request: pytest.FixtureRequest
) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    said = {"traceparent": traceparent, "tracestate": "rojo=1", "baggage": "user=mira"}
    async with start() as (upstreams, upstream):
        meta = json.loads(text_of(await upstreams.forward(permit_for(upstream.entry, "meta", meta=said), Heard())))
        plain = json.loads(text_of(await upstreams.forward(permit_for(upstream.entry, "meta"), Heard())))
    assert (meta["traceparent"], meta["tracestate"]) == (traceparent, "rojo=1")
    assert "baggage" not in meta and "traceparent" not in plain
    over_http = [one for one in upstream.requests if "traceparent" in one]
    assert len(over_http) == (0 if request.node.callspec.params["start"] == "stdio" else 1)
    assert all((one["traceparent"], one["tracestate"]) == (traceparent, "rojo=1") for one in over_http)
    assert not any("baggage" in one for one in over_http)


async def test_without_a_progress_token_the_upstream_gets_none(start: Start) -> None:
    heard = Heard()
    async with start() as (upstreams, upstream):
        await upstreams.forward(permit_for(upstream.entry, "progress"), heard)
        meta = await upstreams.forward(permit_for(upstream.entry, "meta", meta={"traceparent": "00-a-b-01"}), heard)
    assert heard.messages == []
    assert "progress_token" not in json.loads(text_of(meta)) or json.loads(text_of(meta))["progress_token"] is None


async def test_a_call_past_its_deadline_times_out_and_the_upstream_is_told(
    start: Start, request: pytest.FixtureRequest
) -> None:
    async with start(timeout_seconds=2.0, sessions="shared") as (upstreams, upstream):
        await upstreams.probe(upstream.entry)  # so that no start of a process counts
        with pytest.raises(UpstreamTimeout):
            await upstreams.forward(permit_for(upstream.entry, "slow"), Heard())
        if "json" not in request.node.name:  # the SDK's JSON mode does not notice
            await upstream.record.until("cancelled")


async def test_a_cancelled_call_is_cancelled_upstream_by_its_deadline_and_the_next_one_works(
    start: Start, request: pytest.FixtureRequest
) -> None:
    async with start(timeout_seconds=3.0) as (upstreams, upstream):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstreams.forward, permit_for(upstream.entry, "slow"), Heard())
            await upstream.record.until("slow")
            tasks.cancel_scope.cancel()
        if "json" not in request.node.name:
            await upstream.record.until("cancelled")
        answer = await upstreams.forward(permit_for(upstream.entry, "echo", {"text": "on"}), Heard())
    assert text_of(answer) == "on"


async def test_an_answer_over_the_limit_is_refused_and_the_next_call_works(start: Start) -> None:
    async with start(Limits(response_bytes=200_000)) as (upstreams, upstream):
        with pytest.raises(UpstreamProtocolError):
            await upstreams.forward(permit_for(upstream.entry, "big", {"bytes": 400_000}), Heard())
        fits = await upstreams.forward(permit_for(upstream.entry, "big", {"bytes": 100_000}), Heard())
    assert len(text_of(fits)) == 100_000


async def test_an_upstream_that_breaks_during_a_call_leaves_its_outcome_unknown(start: Start) -> None:
    async with start() as (upstreams, upstream):
        with pytest.raises(OutcomeUnknown):
            await upstreams.forward(permit_for(upstream.entry, "crash"), Heard())
        after = await upstreams.forward(permit_for(upstream.entry, "echo", {"text": "up again"}), Heard())
    assert text_of(after) == "up again"
    assert upstream.record.count("crash") == 1


async def test_calls_at_once_get_their_own_answers(start: Start) -> None:
    answers: dict[int, str] = {}
    async with start() as (upstreams, upstream):

        async def call(number: int) -> None:
            permit = permit_for(upstream.entry, "echo", {"text": str(number)}, user=f"user{number % 3}")
            answers[number] = text_of(await upstreams.forward(permit, Heard()))

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(call, number)
    assert answers == {number: str(number) for number in range(30)}


@pytest.mark.parametrize(
    ("method", "params", "field", "found"),
    [
        ("resources/read", {"uri": "notes://täglich"}, "contents", "what notes://täglich says"),
        ("prompts/get", {"name": "greet", "arguments": {"name": "Mira"}}, "messages", 'greet {\\"name\\": \\"Mira\\"}'),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "name", "value": "Mi"}},
            "completion",
            "Mira",
        ),
    ],
)
async def test_any_method_reaches_the_upstream_as_it_was_permitted(
    start: Start, method: str, params: dict[str, Any], field: str, found: str
) -> None:
    async with start() as (upstreams, upstream):
        permit = permit_for(upstream.entry, "anything", method=method, params=params)
        answer = await upstreams.forward(permit, Heard())
    assert answer.error is None and answer.result is not None
    assert found in json.dumps(answer.result[field], ensure_ascii=False)


async def test_a_resource_that_is_not_there_is_the_upstreams_own_answer(start: Start) -> None:
    async with start() as (upstreams, upstream):
        permit = permit_for(upstream.entry, NOWHERE, method="resources/read", params={"uri": NOWHERE})
        answer = await upstreams.forward(permit, Heard())
    assert answer.error is not None
    assert answer.error["code"] == -32002 and answer.error["data"] == {"uri": NOWHERE}


async def test_a_method_the_upstream_lacks_is_a_plain_answer(start: Start) -> None:
    async with start() as (upstreams, upstream):
        permit = permit_for(upstream.entry, "t-1", method="tasks/get", params={"taskId": "t-1"})
        answer = await upstreams.forward(permit, Heard())
        again = await upstreams.forward(permit_for(upstream.entry, "echo", {"text": "on"}), Heard())
    assert answer.error is not None and answer.error["code"] == -32601
    assert text_of(again) == "on"


async def test_a_legacy_upstream_hears_of_subscriptions_in_the_callers_session(start: Start) -> None:
    async with start() as (upstreams, upstream):
        hello = await upstreams.probe(upstream.entry)
        for method in ("resources/subscribe", "resources/unsubscribe"):
            permit = permit_for(upstream.entry, "notes://today", method=method, params={"uri": "notes://today"})
            answer = await upstreams.forward(permit, Heard())
            assert (answer.error is None) == (hello.era is Era.LEGACY)
    heard = [event for event in upstream.record.events() if "subscribe" in event and not event.startswith("http")]
    assert heard == (["subscribe notes://today", "unsubscribe notes://today"] if hello.era is Era.LEGACY else [])


async def test_an_upstream_that_is_no_longer_configured_is_unavailable(start: Start) -> None:
    async with start() as (upstreams, upstream):
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
        upstreams.configure([])
        with pytest.raises(UpstreamFailure) as caught:
            await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
    assert caught.value.code == "upstream.unavailable"
