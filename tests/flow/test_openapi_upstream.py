"""An HTTP API behind the whole gateway: its operations are governed as any tool is."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import CommandFailed, Installation, install
from tests.support.processes import ROOT, free_port, listening, running
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
MULTIPART = {"content": {"multipart/form-data": {"schema": {"type": "object"}}}}


@pytest.fixture
def library() -> Generator[str]:
    """The sample API, as its own process; its base URL."""
    port = free_port()
    with running([sys.executable, "-m", "examples.openapi", "--port", str(port)], ready=listening(port)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def gateway(tmp_path: Path, library: str) -> Generator[Installation]:
    """The sample's own registry entry, with its document in a file that a test may change."""
    document = httpx2.get(f"{library}/openapi.json").json()
    document["servers"] = [{"url": "http://127.0.0.1:1"}]
    document["paths"]["/covers"] = {"post": {"operationId": "cover_add", "requestBody": MULTIPART}}
    (tmp_path / "library.json").write_text(json.dumps(document))
    entry = (ROOT / "examples/registry/library.yaml").read_text()
    entry = entry.replace("http://127.0.0.1:8104/openapi.json", str(tmp_path / "library.json"))
    made = install(tmp_path / "gateway", registry={"library": entry.replace("http://127.0.0.1:8104", library)})
    made.add_user("mira", calls="library")
    made.let_agent_act(AGENT, "mira", server="library")
    made.cli("server", "refresh", "library")
    made.cli("server", "approve", "library", "--yes")
    with made.serving():
        made.wait_for_tools("library", count=5)
        yield made


async def client(gateway: Installation, http: httpx2.AsyncClient) -> ModernClient:
    token = await anyio.to_thread.run_sync(lambda: gateway.token(user="mira", agent=AGENT, server="library"))
    return ModernClient(http, gateway.endpoint("library"), token)


def shown(gateway: Installation) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool for tool in gateway.json("server", "show", "library")["tools"]}


async def test_the_operations_of_an_api_are_listed_and_called(gateway: Installation) -> None:
    async with httpx2.AsyncClient(timeout=20) as http:
        mira = await client(gateway, http)
        assert await mira.names() == ["book_add", "book_get", "book_lend", "book_remove", "book_search"]
        added = await mira.call("book_add", {"body": {"title": "Emma", "author": "Austen"}})
        found = await mira.call("book_search", {"text": "emma"})
        missing = await mira.call("book_get", {"book_id": "none"})
        removed = await mira.call("book_remove", {"book_id": "b1"})
    assert added.result["structuredContent"]["id"] == "b3"
    assert [book["title"] for book in found.result["structuredContent"]["books"]] == ["Emma"]
    assert missing.result["isError"] is True and "there is no such book" in missing.result["content"][0]["text"]
    assert removed.result["content"] == [{"type": "text", "text": "HTTP 204"}]


async def test_arguments_of_an_api_that_do_not_fit_are_refused_before_they_leave(gateway: Installation) -> None:
    async with httpx2.AsyncClient(timeout=20) as http:
        mira = await client(gateway, http)
        for tool, arguments in (
            ("book_add", {"body": {"title": ""}}),
            ("book_search", {"order": "price"}),
            ("book_get", {"book_id": "b1/loan"}),
            ("book_get", {"book_id": "b1", "host": "evil"}),
        ):
            assert (await mira.call(tool, arguments)).reason == "arguments.invalid"


async def test_an_operation_that_cannot_be_a_tool_says_why_and_is_never_offered(gateway: Installation) -> None:
    row = shown(gateway)["cover_add"]
    assert row["state"] == "quarantined"
    assert row["finding"] == ("#/paths/~1covers/post/requestBody/content: multipart bodies (uploads) are not supported")
    async with httpx2.AsyncClient(timeout=20) as http:
        refused = await (await client(gateway, http)).call("cover_add", {})
    assert refused.reason == "tool.unavailable"


async def test_a_document_that_moves_an_operation_suspends_its_tool(gateway: Installation, tmp_path: Path) -> None:
    """Name, description and schema stay as they were: only the request behind them is another."""
    path = tmp_path / "library.json"
    document = json.loads(path.read_text())
    document["paths"]["/books/{book_id}/loan"] = {"get": document["paths"]["/books/{book_id}"].pop("get")}
    path.write_text(json.dumps(document))
    gateway.cli("server", "refresh", "library")
    states = {name: row["state"] for name, row in shown(gateway).items()}
    assert states["book_get"] == "changed"
    assert states["book_search"] == "approved"


async def test_a_document_that_is_broken_changes_nothing_and_says_where(gateway: Installation, tmp_path: Path) -> None:
    (tmp_path / "library.json").write_text('{"openapi": "3.1.0", "paths": {"/a": {"get": 1}}}')
    with pytest.raises(CommandFailed, match=r"library\.json: #/paths/~1a/get: must be an object"):
        gateway.cli("server", "refresh", "library")
    async with httpx2.AsyncClient(timeout=20) as http:
        found = await (await client(gateway, http)).call("book_get", {"book_id": "b1"})
    assert found.result["structuredContent"]["title"] == "The Dispossessed"
