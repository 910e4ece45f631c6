"""Two hundred clients that all use the same request id: everybody gets the answer to their own call."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import Installation, http_entry, install
from tests.support.upstreams import upstream_process
from tests.support.wire import META, MODERN

pytestmark = pytest.mark.anyio

AGENTS = [f"agent-{number}" for number in range(8)]
CLIENTS = 200
CALLS_EACH = 50


class Stage:
    def __init__(self, gateway: Installation, tokens: list[str]) -> None:
        self.tokens = tokens
        self.url = gateway.endpoint("echo")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    def prepared(url: str) -> Installation:
        limits = {"concurrency_per_principal": 64}
        waits = {"patience": 0}  # two hundred that never pause are more than one process can do at once
        gateway = install(
            tmp_path / "gateway", registry={"echo": http_entry("echo", url)}, limits=limits, overload=waits
        )
        gateway.add_user("mira", calls="echo")
        for agent in AGENTS:
            gateway.let_agent_act(agent, "mira", server="echo")
        return gateway

    def tokens(gateway: Installation) -> list[str]:
        return [gateway.token(user="mira", agent=agent, server="echo") for agent in AGENTS]

    (tmp_path / "upstream").mkdir()
    with upstream_process(tmp_path / "upstream") as url:
        gateway = await anyio.to_thread.run_sync(prepared, url)
        with gateway.serving():
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("echo", count=5))
            yield Stage(gateway, await anyio.to_thread.run_sync(tokens, gateway))


def headers(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream", **more}


def call(text: str, *, modern: bool) -> dict[str, Any]:
    params: dict[str, Any] = {"name": "echo", "arguments": {"text": text}}
    if modern:
        params["_meta"] = META
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


async def era_headers(http: httpx2.AsyncClient, stage: Stage, token: str, *, modern: bool) -> dict[str, str]:
    if modern:
        named = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "echo"}
        return headers(token, **named)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    begun = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    opened = await http.post(stage.url, json=begun, headers=headers(token))
    return headers(token, **{"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"})


def answer_of(response: httpx2.Response) -> Any:
    if response.headers["content-type"] == "text/event-stream":
        return json.loads([line[6:] for line in response.text.splitlines() if line.startswith("data: ")][-1])
    return response.json()


async def test_ten_thousand_calls_of_two_hundred_clients_with_one_id_are_never_mixed_up(stage: Stage) -> None:
    wrong: list[str] = []

    async def client(number: int) -> None:
        modern = number % 2 == 0
        async with httpx2.AsyncClient(timeout=60, verify=False) as http:
            said = await era_headers(http, stage, stage.tokens[number % len(AGENTS)], modern=modern)
            for turn in range(CALLS_EACH):
                text = f"client {number}, call {turn}"
                response = await http.post(stage.url, json=call(text, modern=modern), headers=said)
                answer = answer_of(response)
                got = answer["result"]["content"][0]["text"] if "result" in answer else json.dumps(answer)
                if answer["id"] != 1 or got != text:
                    wrong.append(f"{text}: {got}")

    async with anyio.create_task_group() as clients:
        for number in range(CLIENTS):
            clients.start_soon(client, number)
    assert wrong == []
