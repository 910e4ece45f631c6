"""An upstream that is down, hangs, answers garbage or two gigabytes: a coded error, and the others do not notice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.abc import SocketStream

from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import Running, free_port
from tests.support.upstreams import (
    Asked,
    Script,
    endless,
    hang,
    not_http,
    reset,
    reset_midway,
    respond,
    result_for,
    scripted_upstream,
)
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
LEAK = "upstream-secret-text"


def wrong_id(asked: Asked) -> dict[str, Any]:
    return result_for(asked, id="somebody else's")


def leaking(_asked: Asked) -> bytes:
    return LEAK.encode()


def said(make: Any) -> Script:
    async def script(asked: Asked, stream: SocketStream) -> None:
        made = make(asked)
        await respond(stream, made if isinstance(made, bytes) else json.dumps(made).encode())

    return script


FAULTS: dict[str, tuple[Script, str]] = {
    "hang": (hang, "upstream.timeout"),
    "endless": (endless, "upstream.protocol_error"),
    "garbage": (said(leaking), "upstream.protocol_error"),
    "wrong-id": (said(wrong_id), "upstream.protocol_error"),
    "not-http": (not_http, "upstream."),
    "reset": (reset, "upstream.outcome_unknown"),
    "reset-midway": (reset_midway, "upstream.outcome_unknown"),
}


def behaved_until_called(fault: Script) -> Script:
    """Lists a tool as it should, then misbehaves on the call."""

    async def script(asked: Asked, stream: SocketStream) -> None:
        method = asked.body["method"]
        if method == "tools/call":
            await fault(asked, stream)
            return
        result: dict[str, Any] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if method == "tools/list":
            result |= {"tools": [{"name": "do", "inputSchema": {"type": "object"}}]}
        else:
            result |= {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        answer = {"jsonrpc": "2.0", "id": asked.id, "result": result}
        await respond(stream, json.dumps(answer).encode())

    return script


@dataclass
class Stage:
    gateway: Installation
    process: Running
    client: ModernClient


@asynccontextmanager
async def staged(folder: Path, faults: Mapping[str, tuple[Script, str]]) -> AsyncGenerator[Stage]:
    """One gateway before the faulty upstreams, one that is down and one that is well."""
    async with AsyncExitStack() as stack:
        registry = {"down": http_entry("down", f"http://127.0.0.1:{free_port()}/mcp", timeout=2)}
        for name, (fault, _) in {**faults, "well": (said(result_for), "")}.items():
            upstream = await stack.enter_async_context(scripted_upstream(behaved_until_called(fault)))
            registry[name] = http_entry(name, upstream.url, timeout=2)
        in_thread = anyio.to_thread.run_sync
        gateway = await in_thread(partial(install, folder, registry=registry))
        await in_thread(partial(gateway.add_user, "mira", calls="well"))
        await in_thread(_grant_all, gateway, [*faults, "well"])
        process = stack.enter_context(gateway.serving())
        for name in (*faults, "well"):
            await in_thread(partial(gateway.wait_for_tools, name, count=1))
        token = await in_thread(partial(gateway.token, user="mira", agent=AGENT))
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=30))
        yield Stage(gateway, process, ModernClient(http, gateway.endpoint(), token))


def _grant_all(gateway: Installation, servers: Sequence[str]) -> None:
    """Mira may call every server, and her agent too."""
    access = [{"user": "user:local/mira", "relation": "caller", "object": f"server:{name}"} for name in servers]
    file = gateway.folder / "access.yaml"
    file.write_text(json.dumps(access))
    gateway.cli("access", "import", str(file))
    gateway.cli("delegation", "add", "--user", "mira", "--agent", AGENT)
    for name in servers:
        gateway.cli(
            "grant", "add", "--agent", AGENT, "--on", f"server:{name}", "--for", "user:mira", "--reason", "test"
        )


async def test_each_fault_has_its_code_and_hurts_nobody_else(tmp_path: Path) -> None:
    async with staged(tmp_path, FAULTS) as stage:
        listed = await stage.client.names()
        assert set(listed) == {f"{name}__do" for name in (*FAULTS, "well")}, "one that is down hides no other"
        for name, (_, code) in FAULTS.items():
            answer = await stage.client.call(f"{name}__do")
            assert answer.status == 200, name
            assert answer.body["error"]["code"] == 1003, name
            assert answer.reason.startswith(code), name
            assert LEAK not in json.dumps(answer.body), name
            assert (await stage.client.call("well__do")).result["content"], f"after {name}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.client.call, "hang__do")
            with anyio.fail_after(1.5):  # less than the hanging call's own deadline
                assert (await stage.client.call("well__do")).result["content"]
        assert stage.process.process.poll() is None
        assert LEAK not in stage.process.output()
        tail = await anyio.to_thread.run_sync(stage.gateway.cli, "audit", "tail", "-n", "60", "--json")
        assert LEAK not in tail
        assert tail.count('"outcome"') >= len(FAULTS), "no call is unrecorded"


async def test_a_broken_registry_file_is_named_and_the_last_good_state_keeps_serving(tmp_path: Path) -> None:
    async with staged(tmp_path, {}) as stage:
        bad = stage.gateway.folder / "registry" / "bad.yaml"
        bad.write_text("name: bad\nowner: me\ndescription: x\ntransport: {type: pigeon}\n")
        said = await anyio.to_thread.run_sync(partial(stage.gateway.cli, "reload", check=False))
        assert said == ""
        with anyio.fail_after(10):
            while "bad.yaml:4" not in stage.process.output():
                await anyio.sleep(0.05)
        assert (await stage.client.call("well__do")).result["content"]


async def test_a_store_another_process_holds_does_not_end_the_gateway(tmp_path: Path) -> None:
    async with staged(tmp_path, {}) as stage:
        holder = sqlite3.connect(stage.gateway.folder / "data" / "gateway.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        entry = http_entry("late", f"http://127.0.0.1:{free_port()}/mcp")
        (stage.gateway.folder / "registry" / "late.yaml").write_text(entry)
        with anyio.fail_after(30):
            while "late serves cannot be stored" not in stage.process.output():
                assert stage.process.process.poll() is None
                await anyio.sleep(0.05)
        assert (await stage.client.call("well__do")).result["content"]
        holder.close()
        with anyio.fail_after(30):
            while "upstream late: upstream.unavailable" not in stage.process.output():
                await anyio.sleep(0.05)
