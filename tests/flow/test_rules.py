"""Rules, tool policies and observing in a running gateway: they bind calls and lists, are read again, and go on record."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import Installation, install, sample_tickets
from tests.support.processes import ROOT, Running, tickets_server
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
LIMITED = "project_list"
ACCESS = "io.github.mcp-gateway/access"
_SOON_SECONDS = 15

NOT_ALL = """\
rules:
  - id: not-all
    description: Nobody lists what is archived.
    when: {servers: [tickets], tools: [project_list]}
    require: "!has(arguments.archived) || arguments.archived != 'a very long text'"
    audit: []
"""
INSIDE = """\
rules:
  - id: inside
    description: Only from RANGE.
    when: {servers: [tickets], risks: [read]}
    require: network.address.in_cidr("RANGE") && user.id.startsWith("user:local/")
    audit: [network.address, user.id]
"""


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Installation
    process: Running
    client: ModernClient

    def write(self, name: str, text: str) -> None:
        path = self.policies / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    @property
    def policies(self) -> Path:
        return self.gateway.folder / "policies"

    async def reload(self, *, check: bool = True) -> None:
        await anyio.to_thread.run_sync(partial(self.gateway.cli, "reload", check=check))

    async def record(self, answer: Answered) -> dict[str, Any]:
        """What is on record of a request that was refused."""
        request = answer.body["error"]["data"]["request_id"]
        shown = json.loads(await anyio.to_thread.run_sync(self.gateway.cli, "audit", "show", request, "--json"))
        return next(one for one in shown if one["kind"] == "decision")

    async def let_through(self, tool: str) -> dict[str, Any]:
        """The newest record of a call of `tool` that left."""
        tail = json.loads(await anyio.to_thread.run_sync(self.gateway.cli, "audit", "tail", "-n", "50", "--json"))
        return next(one for one in reversed(tail) if one["kind"] == "intent" and one["tool"] == f"tool:tickets/{tool}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Installation, Running]]:
    with tickets_server() as url:
        folder = tmp_path_factory.mktemp("gateway")
        shutil.copytree(ROOT / "policies", folder / "policies")
        gateway = install(folder, registry={"tickets": sample_tickets(url)}, policies=str(folder / "policies"))
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
        with gateway.serving() as process:
            gateway.wait_for_tools("tickets", count=9)
            yield gateway, process


@pytest.fixture
async def stage(served: tuple[Installation, Running]) -> AsyncGenerator[Stage]:
    gateway, process = served
    async with httpx2.AsyncClient(timeout=20) as http:
        token = gateway.token(user="mira", agent=AGENT, server="tickets")
        staged = Stage(gateway, process, ModernClient(http, gateway.endpoint("tickets"), token))
        yield staged
        for name in ("rules.yaml", "tools.yaml"):
            (staged.policies / name).unlink(missing_ok=True)
        shutil.rmtree(staged.policies / "rules", ignore_errors=True)
        await staged.reload()
        await _soon(lambda: _is(_reads(staged), {"ticket_get", "ticket_search"}))


async def test_a_rule_on_arguments_keeps_the_tool_listed_and_denies_the_call(stage: Stage) -> None:
    assert "_meta" not in await _listed(stage, LIMITED)
    stage.write("rules/list.yaml", NOT_ALL)
    await stage.reload()
    await _soon(lambda: _told(stage, "rule.denied", LIMITED, {"archived": "a very long text"}))
    assert "result" in (await stage.client.call(LIMITED)).body
    assert (await _listed(stage, LIMITED))["_meta"][ACCESS]["state"] == "depends"
    refused = await stage.client.call(LIMITED, {"archived": "a very long text"})
    assert (refused.status, refused.body["error"]["code"]) == (200, 1001)
    found = await stage.record(refused)
    assert found["reasons"] == [{"code": "rule.denied", "evidence": "not-all"}]
    assert "very long" not in json.dumps(found)


async def test_a_rule_on_the_network_hides_tools_and_denies_their_calls_alike(stage: Stage) -> None:
    stage.write("rules.yaml", INSIDE.replace("RANGE", "192.0.2.0/24"))
    await stage.reload()
    await _soon(lambda: _is(_reads(stage), set()))
    assert (await stage.client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"
    stage.write("rules.yaml", INSIDE.replace("RANGE", "127.0.0.0/8"))
    await stage.reload()
    await _soon(lambda: _is(_reads(stage), {"ticket_get", "ticket_search"}))
    assert "result" in (await stage.client.call("ticket_get", {"id": "T-391"})).body
    found = await stage.let_through("ticket_get")
    attributes = {"network.address": "127.0.0.1", "user.id": "user:local/mira"}
    (said,) = found["rules"]
    assert (said["id"], said["result"], said["attributes"]) == ("inside", "held", attributes)


async def test_explain_says_what_a_rule_would_say_of_a_call_from_elsewhere(stage: Stage) -> None:
    stage.write("rules.yaml", INSIDE.replace("RANGE", "192.0.2.0/24"))
    asked = ("explain", "--user", "mira", "--agent", AGENT, "--tool", "tickets/ticket_get", "--arguments")
    for address, result in [("192.0.2.7", "held"), ("198.51.100.7", "denied"), (None, "undecidable")]:
        more = ("--address", address) if address else ()
        told = await anyio.to_thread.run_sync(stage.gateway.json, *asked, '{"id": "T-391"}', *more)
        assert told["rules"] == [{"id": "inside", "result": result, "of_call": False}]
        assert told["allowed"] is (result == "held")


async def test_a_forwarded_address_counts_for_nothing_without_a_trusted_proxy(stage: Stage) -> None:
    stage.write("rules.yaml", INSIDE.replace("RANGE", "192.0.2.0/24"))
    await stage.reload()
    await _soon(lambda: _is(_reads(stage), set()))
    listed = await stage.client.request("tools/list", headers={"x-forwarded-for": "192.0.2.7"})
    assert listed.result["tools"] == []


async def test_neither_http_server_believes_a_forwarded_address_by_itself(
    served: tuple[Installation, Running], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    (tmp_path / "policies" / "rules.yaml").write_text(INSIDE.replace("RANGE", "192.0.2.0/24"), encoding="utf-8")
    tickets = (served[0].folder / "registry" / "tickets.yaml").read_text(encoding="utf-8")

    def prepared() -> Installation:
        made = install(
            tmp_path / "gateway", registry={"tickets": tickets}, policies=str(tmp_path / "policies"), server="uvicorn"
        )
        made.add_user("mira", calls="tickets")
        made.let_agent_act(AGENT, "mira", server="tickets", access="read")
        return made

    gateway = await anyio.to_thread.run_sync(prepared)
    token = await anyio.to_thread.run_sync(lambda: gateway.token(user="mira", agent=AGENT, server="tickets"))
    with gateway.serving():
        await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("tickets", count=9))
        async with httpx2.AsyncClient(timeout=20) as http:
            client = ModernClient(http, gateway.endpoint("tickets"), token)
            forwarded = {"x-forwarded-for": "192.0.2.7"}
            assert (await client.request("tools/list", headers=forwarded)).result["tools"] == []


async def test_a_broken_rule_is_named_by_file_and_line_and_the_last_good_set_stays(stage: Stage) -> None:
    stage.write("rules.yaml", INSIDE.replace("RANGE", "192.0.2.0/24"))
    await stage.reload()
    await _soon(lambda: _is(_reads(stage), set()))
    stage.write("rules.yaml", INSIDE.replace("user.id", "user.name"))
    await stage.reload(check=False)
    with anyio.fail_after(_SOON_SECONDS):
        while "policies/rules.yaml:5" not in stage.process.output():
            await anyio.sleep(0.05)
    assert await _reads(stage) == set(), "the last good rules still hide"


async def test_a_tool_policy_asks_for_scopes_and_roles(stage: Stage) -> None:
    stage.write("tools.yaml", "tickets: {classification: internal, tools: {ticket_get: {scopes: ['tickets:read']}}}")
    await stage.reload()
    await _soon(lambda: _told(stage, "scope.insufficient", "ticket_get", {"id": "T-391"}))
    refused = await stage.client.call("ticket_get", {"id": "T-391"})
    assert refused.status == 403
    assert 'scope="mcp:read tickets:read"' in refused.headers["www-authenticate"]
    assert (await stage.record(refused))["classification"] == "internal"
    stage.write("tools.yaml", "tickets: {tools: {ticket_get: {roles: [role:support]}}}")
    await stage.reload()
    await _soon(lambda: _told(stage, "tool.unavailable", "ticket_get", {"id": "T-391"}))
    assert "ticket_get" not in await stage.client.names()
    given = ("user:mira", "assignee", "role:support")
    await anyio.to_thread.run_sync(stage.gateway.cli, "access", "add", *given)
    assert "result" in (await stage.client.call("ticket_get", {"id": "T-391"})).body
    await anyio.to_thread.run_sync(stage.gateway.cli, "access", "remove", *given)
    assert (await stage.client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"


async def test_what_is_only_observed_is_let_through_and_recorded_and_a_missing_consent_is_not(stage: Stage) -> None:
    entry = stage.gateway.folder / "registry" / "tickets.yaml"
    enforced = entry.read_text()
    try:
        entry.write_text(enforced + "mode: observe\n")
        await stage.reload()
        await _soon(lambda: _lets(stage, "ticket_comment", {"id": "T-391", "text": "seen"}))
        found = await stage.let_through("ticket_comment")
        assert found["effect"] == "allow"
        assert [reason["code"] for reason in found["reasons"]] == ["access.observed"]
        assert "agent.not_granted" in {reason["code"] for reason in found["observed"]}
        assert "ticket_comment" in await stage.client.names()
        assert "recorded and let through: server tickets" in stage.process.output()
        stage.client.token = stage.gateway.token(user="mira", agent="another-agent", server="tickets")
        assert (await stage.client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"
        assert await stage.client.names() == []
    finally:
        stage.client.token = stage.gateway.token(user="mira", agent=AGENT, server="tickets")
        entry.write_text(enforced)
        await stage.reload()
        await _soon(lambda: _told(stage, "tool.unavailable", "ticket_comment", {"id": "T-391", "text": "seen"}))


async def _reads(stage: Stage) -> set[str]:
    """Of the tools that every test looks at, those that are listed."""
    return {"ticket_get", "ticket_search"} & set(await stage.client.names())


async def _listed(stage: Stage, tool: str) -> dict[str, Any]:
    tools: list[dict[str, Any]] = (await stage.client.request("tools/list")).result["tools"]
    return next(one for one in tools if one["name"] == tool)


async def _is(found: Awaitable[set[str]], expected: set[str]) -> bool:
    return await found == expected


async def _told(stage: Stage, reason: str, tool: str, arguments: dict[str, Any]) -> bool:
    answer = await stage.client.call(tool, arguments)
    return "result" not in answer.body and answer.reason == reason


async def _lets(stage: Stage, tool: str, arguments: dict[str, Any]) -> bool:
    return "result" in (await stage.client.call(tool, arguments)).body


async def _soon(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(_SOON_SECONDS):
        while not await holds():
            await anyio.sleep(0.05)
