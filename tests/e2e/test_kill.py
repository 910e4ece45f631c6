"""kill -9 at random points with calls in flight: nothing acknowledged is without its record.

KILL_ROUNDS sets the number of rounds (default 100; `make soak` does 1,000). The seed is printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import wait_until
from tests.support.wire import MODERN, ModernClient

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("KILL_ROUNDS", "100"))
AGENT = "docs-assistant"
CLIENTS = 8
SEED = int(os.environ.get("KILL_SEED", "20261121"))
_TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("read", "write")]


@dataclass
class CountingUpstream:
    """A minimal MCP server that remembers what it executed."""

    executed: list[int] = field(default_factory=list[int])
    port: int = 0

    async def answer(self, request: Request) -> JSONResponse:
        message = await request.json()
        result: dict[str, Any] = {"resultType": "complete"}
        match message["method"]:
            case "server/discover":
                result |= {
                    "supportedVersions": [MODERN],
                    "capabilities": {"tools": {}},
                    "ttlMs": 0,
                    "cacheScope": "private",
                }
            case "tools/list":
                result |= {"tools": _TOOLS, "ttlMs": 0, "cacheScope": "private"}
            case _:
                self.executed.append(message["params"]["arguments"]["n"])
                result |= {"content": []}
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result})


@pytest.fixture
def upstream() -> Generator[CountingUpstream]:
    counting = CountingUpstream()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    counting.port = listener.getsockname()[1]
    app = Starlette(routes=[Route("/mcp", counting.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, what="the upstream")
    yield counting
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def gateway(tmp_path: Path, upstream: CountingUpstream) -> Installation:
    tools = {"read": {"risk": "read"}, "write": {"risk": "write"}}
    entry = http_entry("counting", f"http://127.0.0.1:{upstream.port}/mcp", tools=tools)
    gateway = install(tmp_path, registry={"counting": entry})
    gateway.add_user("mira", calls="counting")
    gateway.let_agent_act(AGENT, "mira", server="counting", access="write")
    with gateway.serving():
        gateway.wait_for_tools("counting", count=2)
    return gateway


async def test_no_acknowledged_call_is_lost_and_none_is_executed_without_an_intent(
    gateway: Installation, upstream: CountingUpstream
) -> None:
    print(f"seed {SEED}, {ROUNDS} rounds")
    chance = random.Random(SEED)
    numbers = iter(range(1, 10_000_000))
    acknowledged: set[int] = set()
    token = ""
    for played in range(ROUNDS):
        if played % 20 == 0:  # tokens live five minutes
            token = gateway.token(user="mira", agent=AGENT)
        process = gateway.start()
        before = len(acknowledged)
        try:
            async with httpx2.AsyncClient(timeout=30) as http, anyio.create_task_group() as tasks:
                client = ModernClient(http, gateway.endpoint(), token)
                for _ in range(CLIENTS):
                    tasks.start_soon(_call_until_dead, client, numbers, acknowledged)
                with anyio.fail_after(30):
                    while len(acknowledged) == before:
                        await anyio.sleep(0.005)
                await anyio.sleep(chance.uniform(0, 0.2))
                process.kill()
        finally:
            process.kill()

    intents, outcomes = _recorded(gateway.folder / "data" / "audit")
    unrecorded = {n for n in acknowledged if intents.get(_digest(n)) not in outcomes}
    assert len(acknowledged) >= ROUNDS, "the rounds were too short to prove anything"
    assert not unrecorded, "an acknowledged call has no outcome on record"
    assert not {n for n in upstream.executed if _digest(n) not in intents}, "a call was executed without an intent"
    assert gateway.json("grant", "list"), "the store opens"


async def _call_until_dead(client: ModernClient, numbers: Iterator[int], acknowledged: set[int]) -> None:
    while True:
        n = next(numbers)
        tool = "counting__write" if n % 4 == 0 else "counting__read"
        try:
            answer = await client.call(tool, {"n": n})
        except httpx2.TransportError:
            return
        assert "result" in answer.body, answer.body
        acknowledged.add(n)


def _digest(n: int) -> str:
    return hashlib.sha256(orjson.dumps({"n": n})).hexdigest()


def _recorded(directory: Path) -> tuple[dict[str, str], set[str]]:
    """Intents (argument digest → request id) and the request ids that have an outcome."""
    intents: dict[str, str] = {}
    outcomes: set[str] = set()
    for path in directory.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the line the kill tore
            if record["kind"] == "intent":
                intents[record["arguments"]] = record["request"]
            elif record["kind"] == "outcome":
                outcomes.add(record["request"])
    return intents, outcomes
