"""Both protocol eras at one endpoint: sessions that belong to one principal, progress as events, cancellation."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import Installation, http_entry, install
from tests.support.upstreams import RunningUpstream, running_upstream
from tests.support.wire import META, MODERN, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"


class LegacyClient:
    """Speaks the session era on the raw wire."""

    def __init__(self, http: httpx2.AsyncClient, url: str, token: str) -> None:
        self._http = http
        self.url = url
        self.headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}

    async def initialize(self, version: str = "2025-11-25") -> httpx2.Response:
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
        response = await self.request("initialize", params)
        self.headers |= {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": version}
        return response

    async def request(self, method: str, params: Mapping[str, Any] | None = None, *, id: int = 1) -> httpx2.Response:
        return await self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}})

    async def send(self, message: Mapping[str, Any]) -> httpx2.Response:
        return await self._http.post(self.url, json=message, headers=self.headers)

    async def delete(self) -> int:
        return (await self._http.delete(self.url, headers=self.headers)).status_code


class Stage:
    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, upstream: RunningUpstream) -> None:
        self.gateway = gateway
        self.http = http
        self.upstream = upstream
        self.url = gateway.endpoint("echo")

    async def token(self, agent: str = AGENT) -> str:
        return await anyio.to_thread.run_sync(lambda: self.gateway.token(user="mira", agent=agent, server="echo"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    def prepared(url: str) -> Installation:
        gateway = install(tmp_path / "gateway", registry={"echo": http_entry("echo", url)})
        gateway.add_user("mira", calls="echo")
        gateway.let_agent_act(AGENT, "mira", server="echo")
        return gateway

    (tmp_path / "upstream").mkdir()
    async with running_upstream(tmp_path / "upstream") as upstream, httpx2.AsyncClient(timeout=20) as http:
        gateway = await anyio.to_thread.run_sync(prepared, upstream.url)
        with gateway.serving():
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("echo", count=5))
            yield Stage(gateway, http, upstream)


async def test_a_session_is_one_principals_and_ends_for_good(stage: Stage) -> None:
    client = LegacyClient(stage.http, stage.url, await stage.token())
    assert (await client.request("tools/list")).json()["error"]["data"]["reason"] == "session.missing"
    for version, agreed in (("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")):
        assert (await client.initialize(version)).json()["result"]["protocolVersion"] == agreed
        client.headers.pop("mcp-protocol-version")
    await client.initialize()
    assert (await client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})).status_code == 202
    assert (await client.request("ping")).json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    called = await client.request("tools/call", {"name": "echo", "arguments": {"text": "hi"}})
    assert called.json()["result"]["content"][0]["text"] == "hi"
    assert "resultType" not in called.json()["result"], "a field of the other era"

    foreign = LegacyClient(stage.http, stage.url, await stage.token("another-agent"))
    foreign.headers |= {"mcp-session-id": client.headers["mcp-session-id"]}
    made_up = LegacyClient(stage.http, stage.url, await stage.token("another-agent"))
    made_up.headers |= {"mcp-session-id": "made-up"}
    refusals = [await foreign.request("ping"), await made_up.request("ping")]
    assert [answer.status_code for answer in refusals] == [404, 404]
    assert len({answer.json()["error"]["data"]["reason"] for answer in refusals}) == 1

    assert await client.delete() == 204
    assert (await client.request("ping")).status_code == 404
    unknown = LegacyClient(stage.http, stage.url, await stage.token())
    await unknown.initialize()
    method = await unknown.request("resources/write")
    assert (method.status_code, method.json()["error"]["code"]) == (200, -32601)


async def test_progress_turns_the_answer_into_events_with_the_clients_own_token(stage: Stage) -> None:
    client = LegacyClient(stage.http, stage.url, await stage.token())
    await client.initialize()
    params = {"name": "progress", "arguments": {"steps": 3}, "_meta": {"progressToken": "mine"}}
    for answer in (await client.request("tools/call", params), await _modern(stage, params)):
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-accel-buffering"] == "no"
        messages = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        assert {m["params"]["progressToken"] for m in messages[:-1]} == {"mine"}
        assert [m["params"]["progress"] for m in messages[:-1]] == sorted(
            m["params"]["progress"] for m in messages[:-1]
        )
        assert "result" in messages[-1]


async def test_a_legacy_client_cancels_by_notification_and_the_upstream_hears_it(stage: Stage) -> None:
    client = LegacyClient(stage.http, stage.url, await stage.token())
    await client.initialize()
    answers: list[httpx2.Response] = []

    async def slow() -> None:
        answers.append(await client.request("tools/call", {"name": "slow", "arguments": {}}, id=7))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow)
        await stage.upstream.record.until("slow")
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        assert (await client.send(cancelled)).status_code == 202
    assert answers[0].json()["error"]["data"]["reason"] == "request.cancelled"
    tail = await anyio.to_thread.run_sync(stage.gateway.cli, "audit", "tail", "-n", "3", "--json")
    assert "cancelled" in tail or "unknown" in tail


async def test_a_modern_client_cancels_by_leaving_and_its_call_is_on_record(stage: Stage) -> None:
    token = await stage.token()
    async with httpx2.AsyncClient(timeout=20) as http:
        client = ModernClient(http, stage.url, token)
        with anyio.move_on_after(20) as patience:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call, "slow")
                await stage.upstream.record.until("slow")
                tasks.cancel_scope.cancel()
        assert not patience.cancelled_caught

    def recorded() -> bool:
        tail = stage.gateway.cli("audit", "tail", "-n", "3", "--json")
        return '"cancelled"' in tail or '"unknown"' in tail

    with anyio.fail_after(20):
        while not await anyio.to_thread.run_sync(recorded):
            await anyio.sleep(0.1)
    assert (await ModernClient(stage.http, stage.url, token).call("echo", {"text": "still here"})).status == 200


async def test_discovery_names_the_versions_and_only_what_exists(stage: Stage) -> None:
    client = ModernClient(stage.http, stage.url, await stage.token())
    result = (await client.request("server/discover")).result
    assert result["supportedVersions"] == [MODERN]
    told = result["capabilities"]
    assert {name: told[name] for name in ("tools", "prompts", "resources")} == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        # Its upstream tells of no resource that changes.
        "resources": {"listChanged": True},
    }
    assert "logging" not in told, "of the other era"
    listed = (await client.request("tools/list")).result
    assert (listed["cacheScope"], listed["ttlMs"], listed["resultType"]) == ("private", 0, "complete")


async def _modern(stage: Stage, params: Mapping[str, Any]) -> httpx2.Response:
    meta = {**META, **params["_meta"]}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {**params, "_meta": meta}}
    headers = {
        "authorization": f"Bearer {await stage.token()}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": str(params["name"]),
    }
    return await stage.http.post(stage.url, json=message, headers=headers)


async def test_a_cancellation_that_names_no_request_is_a_client_error(stage: Stage) -> None:
    client = LegacyClient(stage.http, stage.url, await stage.token())
    await client.initialize()
    wrong: tuple[Any, ...] = ([], {}, None, True, 1.5)
    for request_id in wrong:
        message: dict[str, Any] = {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": request_id},
        }
        answer = await client.send(message)
        assert (answer.status_code, answer.json()["error"]["data"]["reason"]) == (400, "request.malformed"), request_id
