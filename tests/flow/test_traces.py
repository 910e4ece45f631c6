"""One tree of spans from a client through the gateway to its upstream, and a collector that changes nothing for calls."""

from __future__ import annotations

import json
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

from tests.support.collector import Collector, Seen, collecting
from tests.support.gateway import Installation, http_entry, install
from tests.support.upstreams import upstream_process
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
