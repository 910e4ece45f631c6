"""From discovery through review to a read: prompts, resources and templates of a real server, as an operator governs them."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import CommandFailed, Installation, http_entry, install
from tests.support.processes import free_port, listening, running
from tests.support.upstreams import Asked, answering, scripted_upstream
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
TEXT, BINARY = "test://static-text", "test://static-binary"
TEMPLATE = "test://template/{id}/data"
PROMPT = "test_simple_prompt"
POLICIES = {
    "prompts": {PROMPT: {"requestable": True}},
    "resources": {TEMPLATE: {"resources": [{"type": "ticket", "pointer": "/id"}]}, BINARY: {"risk": "write"}},
}


@pytest.fixture(scope="module")
def fixtures() -> Generator[str]:
    port = free_port()
    command = [sys.executable, "-m", "examples.conformance", "--port", str(port)]
    with running(command, ready=listening(port), seconds=30):
        yield f"http://127.0.0.1:{port}/mcp"


class Stage:
    """A gateway before one server under review; nothing of it is approved yet."""

    def __init__(self, gateway: Installation, http: httpx2.AsyncClient) -> None:
        self.gateway = gateway
        self._http = http

    async def client(self) -> ModernClient:
        def token() -> str:
            return self.gateway.token(user="mira", agent=AGENT, server="docs")

        return ModernClient(self._http, self.gateway.endpoint("docs"), await anyio.to_thread.run_sync(token))

    async def cli(self, *arguments: str) -> str:
        return await anyio.to_thread.run_sync(lambda: self.gateway.cli(*arguments))

    async def offered(self) -> dict[str, dict[str, str]]:
        """State by name, for each kind that is shown."""

        def shown() -> Any:
            return self.gateway.json("server", "show", "docs")

        found = await anyio.to_thread.run_sync(shown)
        kinds = ("tools", "prompts", "resources", "templates")
        return {kind: {item["name"]: item["state"] for item in found[kind]} for kind in kinds}


@pytest.fixture
async def stage(tmp_path: Path, fixtures: str) -> AsyncGenerator[Stage]:
    def prepared() -> Installation:
        entry = http_entry("docs", fixtures, trust="review", **POLICIES)
        gateway = install(tmp_path, registry={"docs": entry})
        gateway.add_user("mira", calls="docs")
        gateway.let_agent_act(AGENT, "mira", server="docs", access="read")
        gateway.cli("server", "refresh", "docs")
        return gateway

    gateway = await anyio.to_thread.run_sync(prepared)
    async with httpx2.AsyncClient(timeout=20) as http:
        with gateway.serving():
            yield Stage(gateway, http)


async def uris(client: ModernClient) -> set[str]:
    listed = (await client.request("resources/list")).result["resources"]
    templates = (await client.request("resources/templates/list")).result["resourceTemplates"]
    return {one["uri"] for one in listed} | {one["uriTemplate"] for one in templates}


async def read(client: ModernClient, uri: str) -> Answered:
    return await client.request("resources/read", {"uri": uri}, name=uri)


async def test_nothing_of_any_kind_is_listed_or_read_before_a_reviewer_said_so(stage: Stage) -> None:
    offered = await stage.offered()
    assert all(offered.values())
    assert {state for items in offered.values() for state in items.values()} == {"pending"}
    client = await stage.client()
    assert await uris(client) == set()
    assert (await client.request("prompts/list")).result["prompts"] == []
    assert (await read(client, TEXT)).reason == "resource.unavailable"
    assert (await read(client, "test://template/1/data")).reason == "resource.unavailable"


async def test_what_a_reviewer_named_is_listed_and_read_and_nothing_else(stage: Stage) -> None:
    client = await stage.client()
    said = await stage.cli("server", "approve", "docs", f"prompt:{PROMPT}", f"resource:{TEXT}", "--yes")
    assert said == f"approved: prompt:{PROMPT}, resource:{TEXT}"
    assert await uris(client) == {TEXT}
    assert [one["name"] for one in (await client.request("prompts/list")).result["prompts"]] == [PROMPT]
    assert "result" in (await read(client, TEXT)).body
    got = await client.request("prompts/get", {"name": PROMPT}, name=PROMPT)
    assert got.result["messages"]
    assert (await read(client, "test://watched-resource")).reason == "resource.unavailable"
    with pytest.raises(CommandFailed, match="docs does not offer resource:test://other"):
        await stage.cli("server", "approve", "docs", "resource:test://other", "--yes")


async def test_a_resource_is_judged_by_its_own_risk_switch_and_rule(stage: Stage) -> None:
    client = await stage.client()
    await stage.cli("server", "approve", "docs", "--yes")
    assert await uris(client) == {TEXT, "test://watched-resource", TEMPLATE}, "the other one writes, the agent reads"
    assert (await read(client, BINARY)).reason == "resource.unavailable"
    denied = await read(client, "test://template/T-1/data")
    assert (denied.reason, denied.body["error"]["code"]) == ("resource.denied", 1001)
    await stage.cli("access", "add", "user:mira", "viewer", "ticket:docs/T-1")
    on = ("--on", "ticket:docs/T-1", "--access", "read")
    await stage.cli("grant", "add", "--agent", AGENT, *on, "--for", "user:mira", "--reason", "test")
    assert "result" in (await read(client, "test://template/T-1/data")).body
    for other in ("T-2", "T%2D1", "x%2F..%2FT-1", "T-1%2F"):
        assert (await read(client, f"test://template/{other}/data")).reason in {
            "resource.denied",
            "resource.unavailable",
        }
    await stage.cli("resource", "disable", "docs/test://template/T-1/data", "--reason", "leaks")
    assert (await read(client, "test://template/T-1/data")).reason == "resource.unavailable", "though no list has it"
    await stage.cli("resource", "enable", "docs/test://template/T-1/data")
    assert "result" in (await read(client, "test://template/T-1/data")).body
    await stage.cli("resource", "disable", f"docs/{TEXT}", "--reason", "leaks")
    assert (await read(client, TEXT)).reason == "resource.unavailable"
    for spelling in ("test://STATIC-TEXT", "test://static-text/", "test:///static-text", f"{TEXT}?"):
        assert (await read(client, spelling)).reason == "resource.unavailable"
    await stage.cli("resource", "enable", f"docs/{TEXT}")
    assert "result" in (await read(client, TEXT)).body


async def test_people_see_every_kind_on_the_command_line(stage: Stage) -> None:
    shown = await stage.cli("server", "show", "docs")
    for said in ("prompt ", PROMPT, "resource ", TEXT, "template ", TEMPLATE):
        assert said in shown
    assert "3 resources, 1 template" in await stage.cli("server", "list")
    refreshed = await stage.cli("server", "refresh", "docs")
    assert "unchanged" in refreshed


async def test_a_list_that_fails_is_said_and_what_was_approved_of_it_stays(tmp_path: Path) -> None:
    lists: dict[str, Any] = {
        "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]},
        "prompts/list": {"prompts": [{"name": "p"}]},
        "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "prompts": {}}},
    }

    def answer(asked: Asked) -> dict[str, Any]:
        result = {**lists[asked.headers["mcp-method"]], "resultType": "complete"}
        return {"jsonrpc": "2.0", "id": asked.id, "result": result}

    async with scripted_upstream(answering(answer)) as upstream:
        gateway = await anyio.to_thread.run_sync(
            lambda: install(tmp_path, registry={"odd": http_entry("odd", upstream.url, protocol="modern")})
        )

        async def found(*arguments: str) -> Any:
            return await anyio.to_thread.run_sync(lambda: gateway.json("server", *arguments))

        assert (await found("refresh", "odd"))["new"] == ["t", "prompt:p"]
        lists["prompts/list"] = {"prompts": "none"}
        lists["tools/list"] = {"tools": []}
        failed = await found("refresh", "odd")
        assert (failed["error"], failed["unanswered"]) == ("upstream.protocol_error", ["prompt"])
        assert (failed["missing"], failed["unchanged"]) == (["t"], [])
        shown = await found("show", "odd")
        assert [(one["name"], one["state"]) for one in shown["prompts"]] == [("p", "approved")]
        assert shown["last_error"] == "upstream.protocol_error"
        said = await anyio.to_thread.run_sync(lambda: gateway.cli("server", "refresh", "odd"))
        assert said == "odd: 1 missing"
