"""Prompts, resources, templates and completion: the same decision as a call, on one endpoint and on all."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import free_port, listening, running
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
SERVERS = ("one", "two")
STATIC = "test://static-text"


class Stage:
    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, grant: str) -> None:
        self.gateway = gateway
        self.grant = grant
        self._http = http

    async def client(self, server: str | None = None, *, user: str = "mira", agent: str = AGENT) -> ModernClient:
        def token() -> str:
            return self.gateway.token(user=user, agent=agent, server=server)

        return ModernClient(self._http, self.gateway.endpoint(server), await anyio.to_thread.run_sync(token))

    async def cli(self, *arguments: str) -> None:
        await anyio.to_thread.run_sync(lambda: self.gateway.cli(*arguments))


@pytest.fixture(scope="module")
def fixtures() -> Generator[str]:
    """A server with resources, templates and prompts."""
    port = free_port()
    command = [sys.executable, "-m", "examples.conformance", "--port", str(port)]
    with running(command, ready=listening(port), seconds=30):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture
async def stage(tmp_path: Path, fixtures: str) -> AsyncGenerator[Stage]:
    def prepared() -> tuple[Installation, str]:
        gateway = install(tmp_path, registry={name: http_entry(name, fixtures) for name in SERVERS})
        gateway.add_user("mira", calls="one")
        gateway.cli("access", "add", "user:mira", "caller", "server:two")
        gateway.let_agent_act(AGENT, "mira", server="one")
        reach = ("--on", "server:two", "--access", "read")
        given = gateway.json("grant", "add", "--agent", AGENT, *reach, "--for", "user:mira", "--reason", "test")
        return gateway, str(given["id"])

    gateway, grant = await anyio.to_thread.run_sync(prepared)
    async with httpx2.AsyncClient(timeout=20) as http:
        with gateway.serving():
            await anyio.to_thread.run_sync(lambda: [gateway.wait_for_tools(name, count=10) for name in SERVERS])
            yield Stage(gateway, http, grant)


async def listed(client: ModernClient, method: str, field: str, key: str) -> list[str]:
    result = (await client.request(method)).result
    assert (result["cacheScope"], result["resultType"]) == ("private", "complete")
    return [item[key] for item in result[field]]


async def read(client: ModernClient, uri: str) -> Answered:
    return await client.request("resources/read", {"uri": uri}, name=uri)


async def test_one_endpoint_shows_a_servers_own_names(stage: Stage) -> None:
    client = await stage.client("one")
    assert STATIC in await listed(client, "resources/list", "resources", "uri")
    assert await listed(client, "resources/templates/list", "resourceTemplates", "uriTemplate") == [
        "test://template/{id}/data"
    ]
    assert "test_simple_prompt" in await listed(client, "prompts/list", "prompts", "name")
    content = (await read(client, STATIC)).result
    assert content["contents"][0]["uri"] == STATIC
    assert content["cacheScope"] == "private"
    assert (await read(client, "test://template/42/data")).result["contents"][0]["uri"] == "test://template/42/data"


async def test_the_endpoint_of_all_servers_tells_equal_uris_and_names_apart(stage: Stage) -> None:
    client = await stage.client()
    uris = await listed(client, "resources/list", "resources", "uri")
    assert {f"one+{STATIC}", f"two+{STATIC}"} <= set(uris)
    templates = await listed(client, "resources/templates/list", "resourceTemplates", "uriTemplate")
    assert templates == ["one+test://template/{id}/data", "two+test://template/{id}/data"]
    prompts = await listed(client, "prompts/list", "prompts", "name")
    assert {"one__test_simple_prompt", "two__test_simple_prompt"} <= set(prompts)
    for server in SERVERS:
        assert (await read(client, f"{server}+{STATIC}")).result["contents"][0]["uri"] == f"{server}+{STATIC}"
        found = (await read(client, f"{server}+test://template/7/data")).result["contents"][0]
        assert (found["uri"], '"7"' in found["text"]) == (f"{server}+test://template/7/data", True)
    assert (await read(client, STATIC)).reason == "resource.unavailable"


async def test_a_prompt_is_got_with_its_arguments_and_its_resources_are_named_as_the_endpoint_does(
    stage: Stage,
) -> None:
    client = await stage.client()
    name = "one__test_prompt_with_arguments"
    got = await client.request("prompts/get", {"name": name, "arguments": {"arg1": "x", "arg2": "y"}}, name=name)
    assert "arg1='x'" in got.result["messages"][0]["content"]["text"]
    name = "one__test_prompt_with_embedded_resource"
    got = await client.request("prompts/get", {"name": name, "arguments": {"resourceUri": "test://e"}}, name=name)
    assert got.result["messages"][0]["content"]["resource"]["uri"] == "one+test://e"
    embedded = await client.call("one__test_embedded_resource")
    assert embedded.result["content"][0]["resource"]["uri"] == "one+test://embedded-resource"


async def test_completion_is_for_what_the_principal_may_use(stage: Stage) -> None:
    client = await stage.client()
    argument = {"name": "arg1", "value": "te"}
    ref = {"type": "ref/prompt", "name": "one__test_prompt_with_arguments"}
    values = (await client.request("completion/complete", {"ref": ref, "argument": argument})).result["completion"]
    assert isinstance(values["values"], list)
    template = {"type": "ref/resource", "uri": "one+test://template/{id}/data"}
    answered = await client.request("completion/complete", {"ref": template, "argument": {"name": "id", "value": ""}})
    assert "completion" in answered.result
    hidden = {"type": "ref/prompt", "name": "one__no_such_prompt"}
    refused = await client.request("completion/complete", {"ref": hidden, "argument": argument})
    assert refused.reason == "prompt.unavailable"
    odd = await client.request("completion/complete", {"ref": {"type": "ref/other"}, "argument": argument})
    assert odd.reason == "request.malformed"


async def test_without_the_grant_nothing_is_listed_and_everything_is_refused_as_if_it_were_not_there(
    stage: Stage,
) -> None:
    client = await stage.client("two")
    assert STATIC in await listed(client, "resources/list", "resources", "uri")
    await stage.cli("grant", "revoke", stage.grant, "--yes")
    for method, field, key in (
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
        ("prompts/list", "prompts", "name"),
    ):
        assert await listed(client, method, field, key) == []
    refusals = [await read(client, uri) for uri in (STATIC, "test://template/1/data", "test://no-such")]
    assert {(r.status, r.reason, r.body["error"]["code"]) for r in refusals} == {(200, "resource.unavailable", -32602)}
    assert refusals[2].body["error"]["data"]["uri"] == "test://no-such"
    prompt = await client.request("prompts/get", {"name": "test_simple_prompt"}, name="test_simple_prompt")
    assert (prompt.reason, prompt.body["error"]["code"]) == ("prompt.unavailable", -32602)


async def test_every_read_and_prompt_is_recorded_with_its_decision(stage: Stage) -> None:
    client = await stage.client("one")
    await read(client, STATIC)
    await client.request("prompts/get", {"name": "test_simple_prompt"}, name="test_simple_prompt")
    await read(client, "test://no-such")
    tail = await anyio.to_thread.run_sync(stage.gateway.cli, "audit", "tail", "-n", "40", "--json")
    found: list[dict[str, Any]] = json.loads(tail)
    said = {(r.get("verb"), r.get("kind"), r.get("tool"), r.get("effect")) for r in found}
    assert ("resources/read", "outcome", "resource:one/test%3A%2F%2Fstatic-text", "allow") in said
    assert ("prompts/get", "outcome", "prompt:one/test_simple_prompt", "allow") in said
    assert ("resources/read", "decision", None, "deny") in said
