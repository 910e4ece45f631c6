"""`make run`: the gateway with its sample servers on this machine, ended together.

The first start makes the data directory, the user `admin` with a random password and the sample
relationships; later starts use what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, cast

import anyio
from anyio.abc import Process

from mcp_gateway.api.snippets import as_text

ROOT = Path(__file__).resolve().parents[1]
TICKETS_PORT = 8101
_READY_SECONDS = 30
_STOP_SECONDS = 30
_PYTHON = sys.executable


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.run", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data-dir", default=".mcp-gateway")
    options = parser.parse_args()
    os.chdir(ROOT)
    try:
        anyio.run(run, f"127.0.0.1:{options.port}", options.data_dir)
    except RunFailed as exc:
        sys.exit(str(exc))


class RunFailed(Exception):
    """Said on stderr; names what to do."""


async def run(listen: str, data_dir: str) -> None:
    """Start everything, say where it is, wait for Ctrl-C, end everything."""
    for taken in (listen, f"127.0.0.1:{TICKETS_PORT}"):
        await _refuse_taken(taken)
    common = ["--data-dir", data_dir]
    first = await cli([*common, "setup", "--json"])
    if first.get("created"):
        await cli([*common, "access", "import", "examples/tickets/relationships.yaml", "--json"])
    tickets = [_PYTHON, "-m", "examples.tickets", "--port", str(TICKETS_PORT)]
    gateway = [_PYTHON, "-m", "mcp_gateway", *common, "serve", "--listen", listen, "--quiet"]
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_on_signal, stop)
        for command in (tickets, gateway):
            tasks.start_soon(_keep, command, stop)
        await _until_healthy(listen, stop)
        if not stop.is_set():
            print(welcome(f"http://{listen}", first), flush=True)
        await stop.wait()
        tasks.cancel_scope.cancel()


def welcome(origin: str, first: dict[str, Any]) -> str:
    """What to do next."""
    if first.get("password"):
        login = f"Sign in as  {first['user']}  with password  {first['password']}   (shown once)"
    else:
        login = "Sign in as  admin  (new password: .venv/bin/mcp-gateway user password admin)"
    return f"""
The gateway is running.   Ctrl-C ends it and its sample servers.

  MCP endpoint   {origin}/mcp
  Catalog        {origin}/catalog
  {login}

Point a client at it; it opens the sign-in page by itself, and you tick what it may use.

{as_text(origin + "/mcp")}
"""


async def cli(arguments: Sequence[str]) -> dict[str, Any]:
    """Run one gateway command and return what it says as JSON."""
    done = await anyio.run_process([_PYTHON, "-m", "mcp_gateway", *arguments], check=False)
    if done.returncode != 0:
        raise RunFailed(done.stderr.decode().strip() or f"mcp-gateway {arguments[-1]} failed")
    return cast("dict[str, Any]", json.loads(done.stdout or b"{}"))


async def _keep(command: Sequence[str], stop: anyio.Event) -> None:
    """Run `command` until `stop`; should it end by itself, everything ends."""
    process = await anyio.open_process(command, stdin=DEVNULL, stdout=PIPE, stderr=None, start_new_session=True)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_stopped, stop, tasks.cancel_scope)
            code = await process.wait()
            tasks.cancel_scope.cancel()
            if not stop.is_set():
                print(f"{' '.join(command[1:3])} ended with {code}; ending the rest", file=sys.stderr)
                stop.set()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _until_stopped(stop: anyio.Event, scope: anyio.CancelScope) -> None:
    await stop.wait()
    scope.cancel()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    with anyio.move_on_after(_STOP_SECONDS):
        await process.wait()
        return
    process.kill()


async def _refuse_taken(listen: str) -> None:
    """Otherwise what answers there would be taken for ours."""
    host, _, port = listen.rpartition(":")
    try:
        stream = await anyio.connect_tcp(host, int(port))
    except OSError:
        return
    await stream.aclose()
    raise RunFailed(f"{listen} is in use; end what runs there (another make run?) and start again")


async def _until_healthy(listen: str, stop: anyio.Event) -> None:
    host, _, port = listen.rpartition(":")
    with anyio.move_on_after(_READY_SECONDS) as deadline:
        while not stop.is_set():
            try:
                stream = await anyio.connect_tcp(host, int(port))
            except OSError:
                await anyio.sleep(0.05)
                continue
            await stream.aclose()
            return
    if deadline.cancelled_caught:
        raise RunFailed(f"the gateway did not start within {_READY_SECONDS} s")


async def _on_signal(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop.set()
            return


if __name__ == "__main__":
    main()
