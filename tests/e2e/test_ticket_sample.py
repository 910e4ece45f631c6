"""The sample ticket server, alone, as the SDK's own client sees it in both eras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client

from examples.tickets.board import sample_board
from examples.tickets.definitions import TOOLS
from mcp_gateway.catalog import registry
from mcp_gateway.model.tool import Risk
from tests.support.processes import ROOT, tickets_server

pytestmark = pytest.mark.anyio

ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with tickets_server() as endpoint:
        yield endpoint


@ERAS
async def test_a_client_of_either_era_lists_nine_tools_and_reads_a_ticket(url: str, mode: Any) -> None:
    async with Client(url, mode=mode) as client:
        listed = await client.list_tools()
        ticket = await client.call_tool("ticket_get", {"id": "T-391"})
    assert [tool.name for tool in listed.tools] == [tool.name for tool in TOOLS]
    assert not ticket.is_error
    assert ticket.structured_content["project"] == "PAY"


@ERAS
async def test_a_search_reports_progress_per_project(url: str, mode: Any) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert message
        seen.append((progress, total))

    async with Client(url, mode=mode) as client:
        arguments = {"query": "the", "projects": ["PAY", "WEB"]}
        found = await client.call_tool("ticket_search", arguments, progress_callback=note)
    assert [ticket["id"] for ticket in found.structured_content["tickets"]] == ["T-392", "T-401", "T-512"]
    assert seen == [(1, 2), (2, 2)]


async def test_a_ticket_is_created_commented_updated_and_deleted(url: str) -> None:
    async with Client(url) as client:
        created = await client.call_tool("ticket_create", {"project": "WEB", "title": "Dark mode"})
        ticket = {"id": created.structured_content["id"]}
        await client.call_tool("ticket_comment", {**ticket, "text": "Please!", "author": "mira"})
        updated = await client.call_tool("ticket_update", {**ticket, "status": "closed"})
        await client.call_tool("ticket_delete", ticket)
        gone = await client.call_tool("ticket_get", ticket)
    assert updated.structured_content["status"] == "closed"
    assert updated.structured_content["comments"] == [{"author": "mira", "text": "Please!"}]
    assert gone.is_error


@pytest.mark.parametrize("arguments", [{}, {"id": 391}, {"id": "391"}, {"id": "T-391", "more": 1}])
async def test_arguments_that_do_not_fit_the_schema_are_a_tool_error(url: str, arguments: dict[str, Any]) -> None:
    async with Client(url) as client:
        answer = await client.call_tool("ticket_get", arguments)
    assert answer.is_error


def test_the_registry_entry_names_every_tool_and_its_three_risks() -> None:
    upstream = registry.load_file(ROOT / "registry/tickets.yaml")
    by_risk = {risk: [name for name, tool in upstream.tools.items() if tool.risk is risk] for risk in Risk}
    assert set(upstream.tools) == {tool.name for tool in TOOLS}
    assert [len(by_risk[risk]) for risk in (Risk.READ, Risk.WRITE, Risk.DESTRUCTIVE)] == [5, 3, 1]


def test_the_registry_entry_agrees_with_the_annotations_of_the_tools() -> None:
    upstream = registry.load_file(ROOT / "registry/tickets.yaml")
    for tool in TOOLS:
        assert tool.annotations is not None
        risk = upstream.tools[tool.name].risk
        assert tool.annotations.read_only_hint == (risk is Risk.READ)
        assert tool.annotations.destructive_hint == (risk is Risk.DESTRUCTIVE)


@pytest.mark.parametrize("path", ["registry/time.yaml", "examples/registry/everything.yaml"])
def test_the_other_sample_entries_are_valid(path: str) -> None:
    assert registry.load_file(ROOT / path).name == Path(path).stem


def test_every_sample_ticket_and_project_hangs_on_its_server_and_project() -> None:
    text = (ROOT / "examples/tickets/relationships.yaml").read_text(encoding="utf-8")
    tuples = {(row["user"], row["relation"], row["object"]) for row in yaml.safe_load(text)}
    board = sample_board()
    for project in board.projects():
        assert ("server:tickets", "server", f"project:tickets/{project.id}") in tuples
        for ticket in board.tickets(project.id):
            assert ("server:tickets", "server", f"ticket:tickets/{ticket.id}") in tuples
            assert (f"project:tickets/{project.id}", "project", f"ticket:tickets/{ticket.id}") in tuples
