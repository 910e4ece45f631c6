"""The fixture server kept to one era refuses the other as a server of one era does."""

from __future__ import annotations

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from examples.conformance.eras import Era, pinned

pytestmark = pytest.mark.anyio
INITIALIZE = {"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


async def served(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("served")


def client(era: Era) -> httpx2.AsyncClient:
    app = Starlette(routes=[Route("/mcp", served, methods=["GET", "POST"])])
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(pinned(app, era)), base_url="http://127.0.0.1")


async def test_a_modern_server_names_its_versions_to_a_handshake_and_has_no_stream() -> None:
    async with client("modern") as http:
        refused = await http.post("/mcp", json=INITIALIZE)
        stream = await http.get("/mcp", headers={"mcp-protocol-version": "2025-11-25"})
        modern = await http.post("/mcp", json={}, headers={"mcp-protocol-version": "2026-07-28"})
    assert (refused.status_code, stream.status_code, modern.text) == (400, 405, "served")
    assert refused.json()["id"] == 7
    assert refused.json()["error"]["code"] == -32022
    assert refused.json()["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2025-11-25"}


async def test_a_legacy_server_does_not_know_the_modern_version() -> None:
    async with client("legacy") as http:
        refused = await http.post("/mcp", json={}, headers={"mcp-protocol-version": "2026-07-28"})
        handshake = await http.post("/mcp", json=INITIALIZE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32600)
    assert handshake.text == "served"


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
async def test_what_is_no_message_is_refused_too(body: bytes) -> None:
    async with client("modern") as http:
        refused = await http.post("/mcp", content=body)
    assert (refused.status_code, refused.json()["id"]) == (400, None)
