"""An upstream of either era that writes down what it executes before it answers, and can keep calls waiting."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.gateway import http_entry
from tests.support.processes import wait_until
from tests.support.wire import MODERN

LEGACY = "2025-06-18"
_TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("read", "write")]
_RISKS = {"read": {"risk": "read"}, "write": {"risk": "write"}}
_HELD_SECONDS = 60


class Counting:
    """`/modern` and `/legacy` on one port; `arguments.n` of every call goes to a file first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.port = 0
        self.pause_seconds = 0.0
        self.held = False
        """While true, calls wait before they are answered."""
        self.arrived = 0

    def entry(self, era: str) -> str:
        """The registry entry `era`, for `install`."""
        return http_entry(era, f"http://127.0.0.1:{self.port}/{era}", tools=_RISKS, protocol=era)

    def executed(self) -> list[int]:
        return [int(line) for line in self._path.read_text().split()]

    async def modern(self, request: Request) -> Response:
        message = await request.json()
        shown: dict[str, Any] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if message["method"] == "server/discover":
            return _result(message, shown | {"supportedVersions": [MODERN], "capabilities": {"tools": {}}})
        if message["method"] == "tools/list":
            return _result(message, shown | {"tools": _TOOLS})
        return _result(message, {"resultType": "complete", "content": await self._execute(message)})

    async def legacy(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        message = await request.json()
        if "id" not in message:
            return Response(status_code=202)
        match message["method"]:
            case "initialize":
                server = {"name": "counting", "version": "1"}
                return _result(
                    message, {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": server}
                )
            case "tools/list":
                return _result(message, {"tools": _TOOLS})
            case _:
                return _result(message, {"content": await self._execute(message)})

    async def _execute(self, message: Any) -> list[Any]:
        os.write(self._file, b"%d\n" % message["params"]["arguments"]["n"])
        self.arrived += 1
        if self.pause_seconds:
            await anyio.sleep(self.pause_seconds)
        with anyio.fail_after(_HELD_SECONDS):
            while self.held:
                await anyio.sleep(0.01)
        return []


def _result(message: Any, result: dict[str, Any]) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result})


@contextmanager
def counting(folder: Path) -> Generator[Counting]:
    """Serves until the block ends, in a thread."""
    made = Counting(folder / "executed")
    routes = [Route("/modern", made.modern, methods=["POST"]), Route("/legacy", made.legacy, methods=["GET", "POST"])]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        made.port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started, what="the upstream")
            yield made
        finally:
            made.held = False
            server.should_exit = True
            thread.join(10)
