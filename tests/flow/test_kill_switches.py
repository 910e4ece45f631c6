"""Kill switches and lost rights in a running gateway: the next call, the calls under way, pages and event streams."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import PASSWORD, Installation, http_entry, install
from tests.support.processes import ROOT
from tests.support.sign_in import forms_of
from tests.support.upstreams import RunningUpstream, running_upstream, until
from tests.support.wire import META, Answered, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
WITHIN_SECONDS = 15
"""A bound for a busy machine; what it takes is said in the README."""


class Stage:
    """One gateway before one server, `echo`, whose tool `slow` answers when it is released."""

    def __init__(self, gateway: Installation, http: httpx2.AsyncClient, upstream: RunningUpstream) -> None:
        self.gateway = gateway
        self.http = http
        self.upstream = upstream

    async def cli(self, *arguments: str) -> str:
        return await anyio.to_thread.run_sync(partial(self.gateway.cli, *arguments))

    async def client(self, *, user: str = "mira", agent: str = AGENT) -> ModernClient:
        token = await anyio.to_thread.run_sync(lambda: self.gateway.token(user=user, agent=agent, server="echo"))
        return ModernClient(self.http, self.gateway.endpoint("echo"), token)

    async def new_client(self) -> ModernClient:
        """With a token that counts: one of the same second as the switch counts as made before it."""
        with anyio.fail_after(WITHIN_SECONDS):
            while True:
                client = await self.client()
                if (await client.request("tools/list")).status == 200:
                    return client

    async def recorded(self, *, kind: str) -> list[dict[str, Any]]:
        """The newest records of `kind`, oldest first."""
        return json.loads(await self.cli("audit", "tail", "-n", "50", "--kind", kind, "--json"))

    async def ends(self, client: ModernClient, change: Callable[[], Awaitable[object]]) -> Answered:
        """What a slow call is answered when `change` happens while it runs."""
        answers: list[Answered] = []
        started = self.upstream.record.count("slow")

        async def slow() -> None:
            answers.append(await client.call("slow"))

        with anyio.fail_after(WITHIN_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(slow)
                await self.upstream.record.until("slow", times=started + 1)
                await change()
        return answers[0]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    folder: Path = tmp_path_factory.mktemp("stage")

    def prepared(url: str) -> Installation:
        gateway = install(folder / "gateway", registry={"echo": http_entry("echo", url)})
        gateway.add_user("mira", calls="echo")
        gateway.let_agent_act(AGENT, "mira", server="echo")
        return gateway

    (folder / "upstream").mkdir()
    async with running_upstream(folder / "upstream") as upstream, httpx2.AsyncClient(timeout=20) as http:
        gateway = await anyio.to_thread.run_sync(prepared, upstream.url)
        with gateway.serving():
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("echo", count=5))
            yield Stage(gateway, http, upstream)


async def refused(client: ModernClient) -> tuple[int, str]:
    answer = await client.call("echo", {"text": "x"})
    return answer.status, answer.reason


async def test_a_disabled_user_or_agent_is_nobody_until_enabled_and_signs_in_anew(stage: Stage) -> None:
    for kind, name in (("user", "mira"), ("agent", AGENT)):
        client = await stage.new_client()
        assert "result" in (await client.call("echo", {"text": "x"})).body
        await stage.cli(kind, "disable", name, "--reason", "lost laptop")
        assert await refused(client) == (401, "token.revoked")
        assert (await stage.recorded(kind="refused"))[-1]["code"] == f"{kind}.disabled"
        told = (await stage.recorded(kind=f"{kind}.disabled"))[-1]["named"]
        assert told == {kind: f"{kind}:local/{name}", "reason": "lost laptop"}
        await stage.cli(kind, "enable", name)
        assert await refused(client) == (401, "token.revoked"), "what was signed in before stays over"
        assert "result" in (await (await stage.new_client()).call("echo", {"text": "x"})).body


async def test_a_disabled_tool_or_server_is_neither_listed_nor_called(stage: Stage) -> None:
    client = await stage.new_client()
    before = set(await client.names())
    for kind, name, left in (("tool", "echo/echo", before - {"echo"}), ("server", "echo", set[str]())):
        await stage.cli(kind, "disable", name, "--reason", "incident 7")
        assert set(await client.names()) == left
        assert await refused(client) == (200, "tool.unavailable")
        reasons = [reason["code"] for reason in (await stage.recorded(kind="decision"))[-1]["reasons"]]
        assert reasons[0] == f"{kind}.disabled"
        # Neither a new look at the server nor a new approval turns it on.
        await stage.cli("server", "refresh", "echo")
        await stage.cli("server", "approve", "echo", "echo", "--yes")
        assert set(await client.names()) == left
        await stage.cli(kind, "enable", name)
        assert set(await client.names()) == before
    assert json.loads(await stage.cli("disabled", "--json")) == []


async def test_the_emergency_stop_refuses_everything_and_is_taken_back(stage: Stage) -> None:
    client = await stage.new_client()
    await stage.cli("gateway", "disable", "--reason", "incident 8")
    answer = await client.call("echo", {"text": "x"})
    assert (answer.status, answer.reason) == (503, "gateway.disabled")
    assert answer.headers["retry-after"] == "60"
    assert [row["id"] for row in json.loads(await stage.cli("disabled", "--json"))] == ["gateway:local"]
    await stage.cli("gateway", "enable")
    assert "result" in (await client.call("echo", {"text": "x"})).body


async def test_a_call_under_way_ends_with_the_right_to_it_and_the_upstream_hears_it(stage: Stage) -> None:
    grants = json.loads(await stage.cli("grant", "list", "--agent", AGENT, "--json"))
    changes: list[tuple[tuple[str, ...], list[str], tuple[str, ...]]] = [
        (("grant", "revoke", grants[0]["id"]), ["agent.not_granted"], ()),
        (
            ("delegation", "end", "--user", "mira", "--agent", AGENT),
            ["agent.not_delegated"],
            ("delegation", "add", "--user", "mira", "--agent", AGENT),
        ),
        (
            ("access", "remove", "mira", "caller", "server:echo"),
            ["user.not_allowed"],
            ("access", "add", "mira", "caller", "server:echo"),
        ),
        (
            ("tool", "disable", "echo/slow", "--reason", "r"),
            ["tool.disabled", "tool.not_available"],
            ("tool", "enable", "echo/slow"),
        ),
        (("gateway", "disable", "--reason", "r"), ["gateway.disabled"], ("gateway", "enable")),
        (("user", "disable", "mira", "--reason", "r"), ["user.disabled"], ("user", "enable", "mira")),
    ]
    client = await stage.new_client()
    for change, reasons, back in changes:
        answer = await stage.ends(client, partial(stage.cli, *change))
        assert (answer.status, answer.reason) == (200, "access.ended"), change
        ended = (await stage.recorded(kind="call.ended"))[-1]["named"]
        assert (ended["reasons"], ended["user"], ended["name"]) == (reasons, "user:local/mira", "slow")
        shown = json.loads(await stage.cli("audit", "show", ended["request"], "--json"))
        assert [record["kind"] for record in shown] == ["intent", "outcome", "call.ended"]
        assert shown[1]["outcome"] == "cancelled"
        if change[0] == "grant":
            back = ("grant", "add", "--agent", AGENT, "--on", "server:echo", "--access", "all", "--reason", "back")
        await stage.cli(*back)
    # The client library lets go of a request when its answer begins, which this server's does after fifteen seconds.
    await until(lambda: stage.upstream.record.count("cancelled") >= len(changes), seconds=30)


async def test_a_grant_that_runs_out_ends_the_call_it_allowed(stage: Stage) -> None:
    await anyio.to_thread.run_sync(partial(_add_user, stage.gateway, "noor"))
    await stage.cli("delegation", "add", "--user", "noor", "--agent", "short")
    client = await stage.client(user="noor", agent="short")
    until_soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    reach = ("--on", "server:echo", "--for", "noor", "--until", until_soon, "--reason", "a moment")
    await stage.cli("grant", "add", "--agent", "short", *reach)
    answer = await stage.ends(client, anyio.lowlevel.checkpoint)
    assert answer.reason == "access.ended"
    assert (await stage.recorded(kind="call.ended"))[-1]["named"]["reasons"] == ["agent.not_granted"]


async def test_a_disabled_user_loses_pages_api_and_event_stream(stage: Stage) -> None:
    await anyio.to_thread.run_sync(partial(_add_user, stage.gateway, "lena"))
    async with httpx2.AsyncClient(base_url=stage.gateway.origin, timeout=20) as browser:
        assert (await _log_in(browser, "lena")).status_code == 303
        assert (await browser.get("/api/v1/me")).json()["user"] == "user:local/lena"
        with anyio.fail_after(WITHIN_SECONDS):
            async with browser.stream("GET", "/api/v1/events") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "event: ready"
                await stage.cli("user", "disable", "lena", "--reason", "left")
                assert "event: end" in [line async for line in lines]
        assert (await browser.get("/api/v1/me")).status_code == 401
        assert (await _log_in(browser, "lena")).status_code == 401
        await stage.cli("user", "enable", "lena")
        assert (await browser.get("/api/v1/me")).status_code == 401, "the old login stays over"
        assert (await _log_in(browser, "lena")).status_code == 303
        assert (await browser.get("/api/v1/me")).status_code == 200


async def test_a_token_that_ends_while_its_request_arrives_admits_nothing(stage: Stage) -> None:
    await anyio.to_thread.run_sync(partial(_add_user, stage.gateway, "ines"))
    await anyio.to_thread.run_sync(partial(stage.gateway.let_agent_act, AGENT, "ines", server="echo"))
    client = await stage.client(user="ines")
    call = {"name": "echo", "arguments": {"text": "x"}, "_meta": META}
    whole = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode()

    async def slowly() -> AsyncGenerator[bytes]:
        yield whole[:20]
        # The gateway has long asked who this is when it waits for the rest.
        assert "result" in (await client.call("echo", {"text": "y"})).body
        await anyio.to_thread.run_sync(
            lambda: stage.gateway.cli("user", "password", "ines", "--password-stdin", stdin=PASSWORD[::-1])
        )
        yield whole[20:]

    reached = stage.upstream.record.count("echo")
    answer = await client.send(slowly(), {"mcp-method": "tools/call", "mcp-name": "echo"})
    assert (answer.status, answer.reason) == (401, "token.revoked")
    assert stage.upstream.record.count("echo") == reached + 1, "the call in between and no other"
    assert (await stage.recorded(kind="refused"))[-1]["code"] == "token.revoked"


async def test_calls_of_others_go_on_when_one_user_is_disabled(stage: Stage) -> None:
    await anyio.to_thread.run_sync(partial(_add_user, stage.gateway, "vera"))
    await anyio.to_thread.run_sync(partial(_add_user, stage.gateway, "omar"))
    for user in ("vera", "omar"):
        await anyio.to_thread.run_sync(partial(stage.gateway.let_agent_act, AGENT, user, server="echo"))
    omars, answers = await stage.client(user="omar"), list[Answered]()

    async def slow() -> None:
        answers.append(await omars.call("slow"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow)
        veras = await stage.client(user="vera")
        ended = await stage.ends(veras, partial(stage.cli, "user", "disable", "vera", "--reason", "r"))
        assert ended.reason == "access.ended"
        stage.upstream.record.release()
    assert answers[0].result["content"][0]["text"] == "done"


async def test_the_process_of_a_disabled_server_ends_and_is_started_anew(tmp_path: Path) -> None:
    (tmp_path / "upstream").mkdir()
    command = [sys.executable, "-m", "tests.support.upstreams", str(tmp_path / "upstream")]
    transport = {"type": "stdio", "command": command, "cwd": str(ROOT)}
    entry = http_entry("local", "http://127.0.0.1:1/mcp", transport=transport)
    gateway = await anyio.to_thread.run_sync(lambda: install(tmp_path / "gateway", registry={"local": entry}))

    def prepared() -> str:
        gateway.add_user("mira", calls="local")
        gateway.let_agent_act(AGENT, "mira", server="local")
        return gateway.token(user="mira", agent=AGENT, server="local")

    token = await anyio.to_thread.run_sync(prepared)
    with gateway.serving():
        await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("local", count=5))
        async with httpx2.AsyncClient(timeout=20) as http:
            client = ModernClient(http, gateway.endpoint("local"), token)
            for _ in range(2):
                assert "result" in (await client.call("echo", {"text": "x"})).body
                assert _running(command)
                await anyio.to_thread.run_sync(partial(gateway.cli, "server", "disable", "local", "--reason", "r"))
                assert (await client.call("echo", {"text": "x"})).reason == "tool.unavailable"
                await until(lambda: not _running(command), seconds=WITHIN_SECONDS)
                await anyio.to_thread.run_sync(partial(gateway.cli, "server", "enable", "local"))


def _running(command: Sequence[str]) -> list[str]:
    """The processes of this very command line."""
    wanted = "\0".join(command).encode() + b"\0"
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cmdline").read_bytes() == wanted:
                found.append(process.name)
    return found


def _add_user(gateway: Installation, name: str) -> None:
    gateway.add_user(name, calls="echo")


async def _log_in(browser: httpx2.AsyncClient, name: str) -> httpx2.Response:
    [form] = forms_of((await browser.get("/login")).text)
    sealed = {control["name"]: control["value"] for control in form.inputs if control["type"] == "hidden"}
    fields = {**sealed, "username": name, "password": PASSWORD}
    return await browser.post("/login", data=fields, headers={"origin": str(browser.base_url)})
