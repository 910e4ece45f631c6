"""Tasks of an upstream through the gateway: known by a sealed handle, and decided like the call that began them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from mcp_gateway.transport.tasks import EXTENSION
from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import ROOT, free_port, listening, running
from tests.support.wire import META, Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
FOLLOWS_TASKS: dict[str, Any] = {**META, "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
READS_ARGUMENTS = """\
rules:
  - id: short-labels
    description: Nobody computes what is archived.
    when: {servers: [one], tools: [slow_compute]}
    require: "!has(arguments.archived)"
    audit: []
"""


class Stage:
    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, grant: str) -> None:
        self.gateway = gateway
        self.grant = grant
        self._http = http

    async def client(self, user: str = "mira") -> ModernClient:
        def token() -> str:
            return self.gateway.token(user=user, agent=AGENT, server="one")

        return ModernClient(self._http, self.gateway.endpoint("one"), await anyio.to_thread.run_sync(token))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    port = free_port()
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    (tmp_path / "policies" / "rules.yaml").write_text(READS_ARGUMENTS, encoding="utf-8")

    def prepared() -> tuple[Installation, str]:
        tools = {"slow_compute": {"risk": "read"}}
        entry = http_entry("one", f"http://127.0.0.1:{port}/mcp", tools=tools)
        gateway = install(tmp_path / "gateway", registry={"one": entry}, policies=str(tmp_path / "policies"))
        gateway.add_user("mira", calls="one")
        gateway.add_user("noor", calls="one")
        gateway.let_agent_act(AGENT, "noor", server="one")
        return gateway, gateway.let_agent_act(AGENT, "mira", server="one")

    command = [sys.executable, "-m", "examples.conformance", "--port", str(port)]
    with running(command, ready=listening(port), seconds=30):
        gateway, grant = await anyio.to_thread.run_sync(prepared)
        async with httpx2.AsyncClient(timeout=20) as http:
            with gateway.serving():
                await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("one", count=10))
                yield Stage(gateway, http, grant)


async def send(client: ModernClient, method: str, params: dict[str, Any], *, name: str) -> Answered:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
    message["params"] = {**params, "_meta": FOLLOWS_TASKS}
    return await client.send(json.dumps(message).encode(), {"mcp-method": method, "mcp-name": name})


async def begun(client: ModernClient, label: str) -> str:
    arguments = {"seconds": 0.2, "label": label}
    answer = await send(client, "tools/call", {"name": "slow_compute", "arguments": arguments}, name="slow_compute")
    assert answer.result["resultType"] == "task", answer.body
    return str(answer.result["taskId"])


async def asked(client: ModernClient, task: str, method: str = "tasks/get") -> Answered:
    return await send(client, method, {"taskId": task}, name=task)


async def test_a_task_is_followed_to_its_result_under_a_handle_of_ours(stage: Stage) -> None:
    client = await stage.client()
    task = await begun(client, "sums")
    with anyio.fail_after(20):
        while (told := (await asked(client, task)).result)["status"] == "working":
            await anyio.sleep(0.05)
    assert (told["status"], told["taskId"]) == ("completed", task)
    assert "sums" in told["result"]["content"][0]["text"]
    stranger = await stage.client("noor")
    assert (await asked(stranger, task)).reason == (await asked(client, "made-up")).reason == "task.unknown"


async def test_a_task_is_worth_no_more_than_the_right_to_its_call(stage: Stage) -> None:
    client = await stage.client()
    task = await begun(client, "sums")
    await anyio.to_thread.run_sync(lambda: stage.gateway.cli("grant", "revoke", stage.grant, "--yes"))
    for method in ("tasks/get", "tasks/cancel"):
        assert (await asked(client, task, method)).reason == "tool.unavailable"


async def test_a_task_whose_arguments_no_handle_holds_is_refused_where_a_rule_reads_them(stage: Stage) -> None:
    client = await stage.client()
    task = await begun(client, "x" * 3_000)
    assert (await asked(client, task)).reason == "resource.denied"
