"""One tree of spans from a client through the gateway to its upstream, and a collector that changes nothing for calls."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.collector import Collector, Seen, collecting
from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import Running
from tests.support.upstreams import until, upstream_process
from tests.support.wire import META, Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
SERVERS = ("newer", "older", "local")
SPAN = "00f067aa0ba902b7"


@dataclass(frozen=True, slots=True)
class Traced:
    gateway: Installation
    collector: Collector


@contextmanager
def traced(folder: Path, **traces: Any) -> Generator[Traced]:
    """A gateway that is traced, before upstreams of either era over HTTP and one over stdio."""
    with collecting() as collector, upstream_process(folder) as url:
        registry = {
            "newer": http_entry("newer", url, protocol="modern"),
            "older": http_entry("older", url, protocol="legacy"),
            "local": json.dumps(_local(folder)),
        }
        chosen = {"export": "otlp", "endpoint": collector.url, **traces}
        gateway = install(folder / "gateway", registry=registry, traces=chosen)
        gateway.add_user("mira", calls="newer")
        for server in SERVERS:
            gateway.cli("access", "add", "user:mira", "caller", f"server:{server}")
            gateway.let_agent_act(AGENT, "mira", server=server)
        with gateway.serving():
            for server in SERVERS:
                gateway.wait_for_tools(server, count=17)
            yield Traced(gateway, collector)


def _local(folder: Path) -> dict[str, Any]:
    whole = json.loads(http_entry("local", "http://127.0.0.1:1"))
    command = [sys.executable, "-m", "tests.support.upstreams", str(folder)]
    return {**whole, "transport": {"type": "stdio", "command": command}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[Traced]:
    with traced(tmp_path_factory.mktemp("traced")) as made:
        yield made


@pytest.fixture
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=30) as client:
        yield client


def client(world: Traced, http: httpx2.AsyncClient, server: str) -> ModernClient:
    token = world.gateway.token(user="mira", agent=AGENT, server=server)
    return ModernClient(http, world.gateway.endpoint(server), token)


async def call(
    client: ModernClient,
    tool: str,
    *,
    meta: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Answered:
    params = {"name": tool, "arguments": arguments or {}, "_meta": {**META, **(meta or {})}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return await client.send(
        json.dumps(message).encode(), {"mcp-method": "tools/call", "mcp-name": tool, **(headers or {})}
    )


def new_trace() -> tuple[str, str]:
    """Its id, and a traceparent that says it is recorded."""
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{SPAN}-01"


def seen_upstream(answer: Answered) -> dict[str, Any]:
    return json.loads(answer.result["content"][0]["text"])


def ancestors(spans: Mapping[str, Seen], span: Seen) -> list[str]:
    by_id = {one.id: one for one in spans.values()}
    names: list[str] = []
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


@pytest.mark.parametrize("server", SERVERS)
async def test_a_call_is_one_tree_from_its_client_to_its_upstream(
    world: Traced, http: httpx2.AsyncClient, server: str
) -> None:
    trace, parent = new_trace()
    answer = await call(client(world, http, server), "meta", meta={"traceparent": parent, "tracestate": "vendor=1"})
    told = seen_upstream(answer)
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "audit outcome")
    servers = [span for span in spans.values() if span.kind == "server"]
    asked = [span for span in world.collector.spans if span.trace == trace and span.kind == "client"]
    assert [span.parent for span in servers] == [SPAN]
    assert told["traceparent"] == f"00-{trace}-{asked[0].id}-01" and told["tracestate"] == "vendor=1"
    tree = {span.name: ancestors(spans, span) for span in spans.values() if span.kind == "internal"}
    root = "tools/call meta"
    inside = {name: parents for name, parents in tree.items() if name not in ("stream", "relationships")}
    assert inside == {
        "authenticate": [root],
        "decide": [root],
        "guards": [root],
        "audit intent": ["guards", root],
        "audit outcome": [root],
    }
    assert servers[0].attributes["mcp.method.name"] == "tools/call"
    assert servers[0].attributes["gen_ai.tool.name"] == "meta" and servers[0].attributes["mcp_gateway.server"] == server
    assert spans["decide"].attributes["mcp_gateway.effect"] == "allow"
    assert not any(span.failed for span in spans.values())
    assert all(servers[0].began <= span.began <= span.ended for span in spans.values())


async def test_without_a_trace_of_the_client_one_begins_and_the_upstream_hears_of_it(
    world: Traced, http: httpx2.AsyncClient
) -> None:
    told = seen_upstream(await call(client(world, http, "newer"), "meta"))
    trace = told["traceparent"].split("-")[1]
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "audit outcome")
    assert [span.parent for span in spans.values() if span.kind == "server"] == [""]
    whole = json.dumps([dict(span.attributes) for span in spans.values()])
    assert "mira" not in whole and AGENT not in whole


async def test_the_headers_count_where_the_message_says_nothing(world: Traced, http: httpx2.AsyncClient) -> None:
    trace, parent = new_trace()
    told = seen_upstream(
        await call(client(world, http, "newer"), "meta", headers={"traceparent": parent, "baggage": "user=mira"})
    )
    assert told["traceparent"].split("-")[1] == trace and "baggage" not in told


async def test_a_denial_is_in_the_trace_with_its_reason_and_asks_no_upstream(
    world: Traced, http: httpx2.AsyncClient
) -> None:
    trace, parent = new_trace()
    stranger = client(world, http, "newer")
    stranger.token = world.gateway.token(user="mira", agent="another-agent", server="newer")
    answer = await call(stranger, "meta", meta={"traceparent": parent})
    assert answer.reason == "tool.unavailable"
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "audit outcome")
    root = next(span for span in spans.values() if span.kind == "server")
    assert root.failed and root.attributes["error.type"] == "tool.unavailable"
    assert spans["decide"].attributes["mcp_gateway.effect"] == "deny"
    assert "agent.not_delegated" in spans["decide"].attributes["mcp_gateway.reasons"]
    assert not {"guards", "audit intent"} & spans.keys()
    assert not [span for span in world.collector.spans if span.trace == trace and span.kind == "client"]


async def test_a_failing_tool_and_a_streamed_answer_are_seen_as_what_they_are(
    world: Traced, http: httpx2.AsyncClient
) -> None:
    trace, parent = new_trace()
    await call(client(world, http, "older"), "error", meta={"traceparent": parent})
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "audit outcome")
    assert spans["tools/call error"].attributes["error.type"] == "tool_error"
    trace, parent = new_trace()
    await call(client(world, http, "newer"), "progress", meta={"traceparent": parent, "progressToken": 1})
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "stream")
    assert spans["stream"].parent == spans["tools/call progress"].id
    trace, parent = new_trace()
    await call(client(world, http, "newer"), "refuse", meta={"traceparent": parent})
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "audit outcome")
    assert spans["tools/call refuse"].attributes["rpc.response.status_code"] == "4711"


async def test_a_call_its_client_left_is_traced_to_its_end(world: Traced, http: httpx2.AsyncClient) -> None:
    trace, parent = new_trace()
    left = client(world, http, "newer")
    with anyio.move_on_after(1.0):
        await call(left, "slow", meta={"traceparent": parent})
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "audit outcome")
    asked = [span for span in world.collector.spans if span.trace == trace and span.kind == "client"]
    assert [span.attributes["error.type"] for span in asked] == ["cancelled"]
    assert spans["tools/call slow"].failed


async def test_a_list_and_a_refused_token_have_spans_of_their_own(world: Traced, http: httpx2.AsyncClient) -> None:
    trace, parent = new_trace()
    await client(world, http, "newer").request("tools/list", headers={"traceparent": parent})
    spans = await anyio.to_thread.run_sync(world.collector.wait_for, trace, "tools/list")
    assert spans["decide"].attributes["mcp_gateway.shown"] == 17
    trace, parent = new_trace()
    nobody = ModernClient(http, world.gateway.endpoint("newer"), None)
    assert (await call(nobody, "meta", meta={"traceparent": parent}, headers={"traceparent": parent})).status == 401

    def refused() -> list[Seen]:
        return [span for span in world.collector.spans if span.attributes.get("error.type") == "token.missing"]

    await until(lambda: any(span.kind == "server" for span in refused()))
    assert trace not in {span.trace for span in refused()}, "a stranger's trace is not joined"


_HOSTILE = st.one_of(
    st.text(max_size=200),
    st.integers(-(2**53), 2**53),
    st.none(),
    st.lists(st.text(max_size=5), max_size=2),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.from_regex(r"\A[0-9a-fA-F]{1,3}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-.{0,9})?\Z"),
)
_HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=600)


async def test_no_trace_a_client_can_think_of_breaks_its_call(world: Traced, http: httpx2.AsyncClient) -> None:
    asking = client(world, http, "newer")
    rounds: list[tuple[Any, Any, str, str]] = []

    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(_HOSTILE, _HOSTILE, _HEADER, _HEADER)
    def gather(parent: Any, state: Any, header: str, other: str) -> None:
        rounds.append((parent, state, header, other))

    gather()
    for parent, state, header, other in rounds:
        meta = {"traceparent": parent, "tracestate": state, "baggage": state}
        answer = await call(
            asking, "meta", meta=meta, headers={"traceparent": header.strip(), "tracestate": other.strip()}
        )
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", seen_upstream(answer)["traceparent"])


@contextmanager
def serving_one(folder: Path, **traces: Any) -> Generator[tuple[Installation, Running]]:
    with upstream_process(folder) as url:
        made = install(
            folder / "gateway", registry={"newer": http_entry("newer", url, protocol="modern")}, traces=traces
        )
        made.add_user("mira", calls="newer")
        made.let_agent_act(AGENT, "mira", server="newer")
        with made.serving() as running:
            made.wait_for_tools("newer", count=17)
            yield made, running


async def test_while_tracing_is_off_a_trace_is_passed_on_as_it_is(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    with serving_one(tmp_path, baggage=True) as (gateway, _):
        asking = client(Traced(gateway, Collector()), http, "newer")
        _, parent = new_trace()
        told = seen_upstream(await call(asking, "meta", meta={"traceparent": parent, "baggage": "a=b"}))
        assert (told["traceparent"], told["baggage"]) == (parent, "a=b")
        assert "traceparent" not in seen_upstream(await call(asking, "meta"))
        assert "traceparent" not in seen_upstream(await call(asking, "meta", meta={"traceparent": parent + "-x"}))


async def test_a_linked_trace_is_not_joined_people_are_named_where_set_and_a_hanging_collector_hurts_no_call(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with collecting() as collector:
        chosen = {
            "export": "otlp",
            "endpoint": collector.url,
            "clients": "link",
            "identities": True,
            "queue_spans": 256,
        }
        with serving_one(tmp_path, **chosen) as (gateway, running):
            asking = client(Traced(gateway, collector), http, "newer")
            trace, parent = new_trace()
            told = seen_upstream(await call(asking, "meta", meta={"traceparent": parent}))
            own = told["traceparent"].split("-")[1]
            assert own != trace
            spans = await anyio.to_thread.run_sync(collector.wait_for, own, "audit outcome")
            root = next(span for span in spans.values() if span.kind == "server")
            assert root.links == [(trace, SPAN)]
            assert root.attributes["enduser.id"] == "user:local/mira"

            await call(asking, "echo", arguments={"text": "a value nobody may see"})
            await until(lambda: any(span.name == "tools/call echo" for span in collector.spans))
            assert "nobody may see" not in json.dumps([dict(span.attributes) for span in collector.spans])

            collector.hangs = True
            for number in range(60):
                answer = await call(asking, "echo", arguments={"text": str(number)})
                assert answer.result["content"][0]["text"] == str(number)
            assert await anyio.to_thread.run_sync(running.stop) == 0
            assert "spans were dropped" in running.output()
