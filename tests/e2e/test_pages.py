"""The catalog pages in a real browser: nothing overflows at 360 or 1280 px, nothing is refused by our own policy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn
from starlette.types import ASGIApp

from mcp_gateway.model.tool import Risk
from tests.support.first_party import FirstParty, two_servers
from tests.support.node import require_node
from tests.support.processes import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.node, pytest.mark.chromium]

SHOTS = os.environ.get("GATEWAY_SHOTS", "-")
"""A folder for screenshots, for whoever wants to look."""

PATHS = (
    "/catalog",
    "/catalog?q=nothing+like+this",
    "/catalog?server=vault&risk=read",
    "/catalog/tools/tickets/ticket_get",
    "/catalog/tools/tickets/broken",
    "/catalog/tools/vault/long",
    "/catalog/tools/vault/no-such",
    "/connect",
    "/access",
)
_LONG = "W" * 300
_BROWSER_SECONDS = 120
_START_SECONDS = 20


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium; apt-get install chromium")
    return found


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncGenerator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        with anyio.fail_after(_START_SECONDS):
            while not server.started:
                await anyio.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True


async def looked_at(door: FirstParty, name: str) -> list[dict[str, Any]]:
    browser, node = chromium(), require_node()
    async with listening(door.app) as origin:
        with anyio.fail_after(_BROWSER_SECONDS):
            done = await anyio.run_process(node.script("pages.mjs", browser, origin, name, SHOTS, *PATHS))
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_every_page_fits_its_window_and_keeps_to_our_policy(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as door:
        hostile = {"type": "object", "properties": {_LONG: {"type": "string", "description": _LONG}}}
        await door.put_tool("vault", "long", Risk.READ, title=_LONG, description=f"<b>{_LONG}</b>", inputSchema=hostile)
        seen = await looked_at(door, "ana")
    assert len(seen) == 4 * len(PATHS)
    for page in seen:
        where = f"{page['path']} at {page['width']} px, {page['colorScheme']}"
        assert page["overflow"] <= 0, f"{where} overflows"
        assert page["styled"], f"{where} has no style"
        assert page["unlabelled"] == 0, f"{where} has a field without a label"
        assert page["foreign"] == [], where
        expected = 404 if "no-such" in page["path"] else 200
        # The browser itself notes a failed page; anything else is a broken rule of ours.
        assert page["status"] == expected
        assert [text for text in page["complaints"] if "404" not in text] == [], where
    assert len({page["ground"] for page in seen}) == 2, "light and dark look different"
