"""Rights on one prompt, resource or template: explained, given, switched off and judged again, by the command line."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import AsyncGenerator, Generator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio import to_thread

from tests.support.gateway import PASSWORD, Installation, http_entry, install
from tests.support.processes import ROOT, free_port, listening, running
from tests.support.wire import Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
PROMPT, URI, TEMPLATE = "test_simple_prompt", "test://static-text", "test://template/{id}/data"
THINGS = {
    "prompt": ("--prompt", f"one/{PROMPT}", f"prompt:one/{PROMPT}"),
    "resource": ("--resource", f"one/{URI}", "resource:one/test%3A%2F%2Fstatic-text"),
    "template": ("--resource", f"one/{TEMPLATE}", "resource:one/test%3A%2F%2Ftemplate%2F{id}%2Fdata"),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def entry() -> Generator[str]:
    """The registry's, of a server with prompts, resources and templates."""
    port = free_port()
    command = [sys.executable, "-m", "examples.conformance", "--port", str(port)]
    with running(command, ready=listening(port), seconds=30):
        yield http_entry("one", f"http://127.0.0.1:{port}/mcp")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, entry: str) -> Generator[Installation]:
    gateway = install(tmp_path_factory.mktemp("items"), registry={"one": entry})
    with gateway.serving():
        gateway.wait_for_tools("one", count=10)
        yield gateway


@pytest.fixture(scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=20) as client:
        yield client


async def _cli(gateway: Installation, *words: str) -> None:
    await to_thread.run_sync(partial(gateway.cli, *words))


async def _json(gateway: Installation, *words: str) -> Any:
    return await to_thread.run_sync(partial(gateway.json, *words))


async def _client(gateway: Installation, http: httpx2.AsyncClient, user: str) -> ModernClient:
    add = partial(gateway.cli, "user", "add", user, "--password-stdin", stdin=PASSWORD)
    await to_thread.run_sync(add)
    token = await to_thread.run_sync(partial(gateway.token, user=user, agent=AGENT, server="one"))
    return ModernClient(http, gateway.endpoint("one"), token)


async def _use(client: ModernClient, thing: str) -> Answered:
    if thing == "prompt":
        return await client.request("prompts/get", {"name": PROMPT}, name=PROMPT)
    uri = URI if thing == "resource" else TEMPLATE.replace("{id}", "7")
    return await client.request("resources/read", {"uri": uri}, name=uri)


async def _used(client: ModernClient) -> set[str]:
    """What of the three goes through."""
    return {thing for thing in THINGS if (await _use(client, thing)).body.get("error") is None}


@pytest.mark.parametrize("thing", THINGS)
async def test_what_explain_says_of_one_prompt_or_resource_is_enough_to_use_that_and_nothing_else(
    gateway: Installation, http: httpx2.AsyncClient, thing: str
) -> None:
    user = f"user-{thing}"
    client = await _client(gateway, http, user)
    option, name, identifier = THINGS[thing]
    question = ("explain", "--user", user, "--agent", AGENT, option, name)
    refused = await _use(client, thing)
    told = await _json(gateway, *question)
    public = "prompt.unavailable" if thing == "prompt" else "resource.unavailable"
    assert (refused.reason, told["public_code"], told["tool"]) == (public, public, identifier)
    assert {reason["code"] for reason in told["reasons"]} == {
        "user.not_allowed",
        "agent.not_delegated",
        "agent.not_granted",
    }
    for reason in told["reasons"]:
        await _cli(gateway, *shlex.split(reason["remedy"])[1:])
    assert (await _json(gateway, *question))["access"] == "callable"
    assert await _used(client) == {thing}


@pytest.mark.parametrize("thing", THINGS)
async def test_one_prompt_or_resource_is_switched_off_for_the_next_use_and_nothing_else_is(
    gateway: Installation, http: httpx2.AsyncClient, thing: str
) -> None:
    client = await _client(gateway, http, f"switch-{thing}")
    await _cli(gateway, "access", "add", f"switch-{thing}", "reader", "server:one")
    await _cli(gateway, "delegation", "add", "--user", f"switch-{thing}", "--agent", AGENT)
    audience = ("--for", f"switch-{thing}", "--reason", "test")
    await _cli(gateway, "grant", "add", "--agent", AGENT, "--server", "one", *audience)
    assert await _used(client) == THINGS.keys()
    _, name, identifier = THINGS[thing]
    command = "prompt" if thing == "prompt" else "resource"
    await _cli(gateway, command, "disable", name, "--reason", "incident 9")
    assert await _used(client) == THINGS.keys() - {thing}
    told = await _json(gateway, "explain", "--user", f"switch-{thing}", "--agent", AGENT, f"{command}:{name}")
    assert (told["tool"], told["reasons"][0]["code"], told["access"]) == (identifier, "tool.disabled", "hidden")
    await _cli(gateway, *shlex.split(told["reasons"][0]["remedy"])[1:])
    assert await _used(client) == THINGS.keys()


async def test_a_uri_is_explained_by_the_template_that_describes_it_and_the_whole_list_names_every_kind(
    gateway: Installation,
) -> None:
    about = ("explain", "--user", "nobody", "--agent", AGENT)
    told = await _json(gateway, *about, "--resource", "one/test://template/42/data")
    assert told["tool"] == THINGS["template"][2]
    listed = {one["tool"] for one in await _json(gateway, *about)}
    assert {identifier for _, _, identifier in THINGS.values()} <= listed
    gone = await to_thread.run_sync(partial(gateway.cli, *about, "resource:one/test://nowhere", check=False))
    assert gone == ""
    said = await to_thread.run_sync(partial(gateway.cli, *about, "--prompt", f"one/{PROMPT}"))
    assert said.startswith(
        f"DENIED: user:local/nobody through agent:local/{AGENT} gets prompt:one/{PROMPT}; the prompt"
    )


async def test_recorded_reads_and_gets_are_judged_again_under_another_model(
    gateway: Installation, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    client = await _client(gateway, http, "vera")
    await _cli(gateway, "access", "add", "vera", "reader", "server:one")
    await _cli(gateway, "delegation", "add", "--user", "vera", "--agent", AGENT)
    await _cli(gateway, "grant", "add", "--agent", AGENT, "--server", "one", "--for", "vera", "--reason", "test")
    assert await _used(client) == THINGS.keys()
    for name in ("fga.mod", "gateway.fga", "tickets.fga"):
        text = (ROOT / "policies" / name).read_text()
        text = text.replace(
            "or (read_only and reader from server)\n    define agent_can_read", "\n    define agent_can_read"
        )
        (tmp_path / name).write_text(text)
    found = await _json(gateway, "policy", "diff", "--policy", str(tmp_path))
    mine = {(flip["verb"], flip["tool"]) for flip in found["flips"] if flip["user"] == "user:local/vera"}
    assert mine == {("resources/read", THINGS["resource"][2]), ("resources/read", THINGS["template"][2])}
    assert {tuple(flip["reasons_after"]) for flip in found["flips"]} == {("user.not_allowed",)}


async def test_an_own_model_without_prompts_serves_tools_and_prompts_come_with_the_model_that_governs_them(
    http: httpx2.AsyncClient, entry: str, tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", policies)
    shipped = (policies / "gateway.fga").read_text()
    condition = "condition grant_expiry"
    only_tools = shipped.partition("# A prompt of a server")[0] + condition + shipped.partition(condition)[2]
    (policies / "gateway.fga").write_text(only_tools)

    def prepared() -> Installation:
        gateway = install(tmp_path / "gateway", registry={"one": entry}, policies=str(policies))
        gateway.add_user("mira", calls="one")
        gateway.let_agent_act(AGENT, "mira", server="one")
        return gateway

    gateway = await to_thread.run_sync(prepared)
    with gateway.serving() as process:
        await to_thread.run_sync(partial(gateway.wait_for_tools, "one", count=10))
        token = await to_thread.run_sync(partial(gateway.token, user="mira", agent=AGENT, server="one"))
        client = ModernClient(http, gateway.endpoint("one"), token)
        assert "test_simple_text" in await client.names()
        assert await _used(client) == set[str]()
        assert (await _use(client, "prompt")).reason == "prompt.unavailable"
        told = await _json(gateway, "explain", "--user", "mira", "--agent", AGENT, "--prompt", f"one/{PROMPT}")
        assert [(reason["code"], reason["evidence"]) for reason in told["reasons"]] == [
            ("kind.not_modelled", "prompt#can_get")
        ]
        assert "does not govern prompts and resources: each is denied" in process.output()
        (policies / "gateway.fga").write_text(shipped)
        await _cli(gateway, "reload")
        with anyio.fail_after(20):
            while await _used(client) != THINGS.keys():
                await anyio.sleep(0.1)
