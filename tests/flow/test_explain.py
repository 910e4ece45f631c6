"""What explain says to do, done: the commands it prints, on a running gateway, until the call goes through."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from tests.support.gateway import PASSWORD, Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
TOOL = ("--user", "omar", "--agent", AGENT, "--tool", "tickets/ticket_update")
CALL = (*TOOL, "--arguments", '{"id": "T-391"}')


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    with tickets_server() as url:
        gateway = install(tmp_path_factory.mktemp("gateway"), registry={"tickets": sample_tickets(url)})
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.cli("user", "add", "omar", "--password-stdin", stdin=PASSWORD)
        gateway.cli("user", "add", "ida", "--password-stdin", stdin=PASSWORD)
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            yield gateway


def paste(gateway: Installation, told: dict[str, Any]) -> list[str]:
    """Run every command the explanation names; their groups."""
    commands = [shlex.split(reason["remedy"]) for reason in told["reasons"]]
    for program, *words in commands:
        assert program == "mcp-gateway"
        gateway.cli(*words)
    return [words[1] for words in commands]


async def test_every_remedy_can_be_pasted_and_together_they_allow_the_call(gateway: Installation) -> None:
    told = gateway.json("explain", *CALL)
    assert not told["allowed"]
    assert sorted(paste(gateway, told)) == ["access", "access", "delegation", "grant", "grant"]
    assert gateway.json("explain", *CALL)["allowed"]
    async with httpx2.AsyncClient(timeout=20) as http:
        token = gateway.token(user="omar", agent=AGENT, server="tickets")
        client = ModernClient(http, gateway.endpoint("tickets"), token)
        answer = await client.call("ticket_update", {"id": "T-391", "status": "closed"})
    assert answer.body.get("error") is None


async def test_a_remedy_for_a_resource_can_be_pasted_too(gateway: Installation) -> None:
    question = ("explain", "--user", "ida", "--agent", AGENT, "--resource", "ticket:tickets/T-999")
    (denied,) = gateway.json(*question, "--relation", "can_write")
    assert {reason["code"] for reason in denied["reasons"]} == {
        "resource.user_not_allowed",
        "agent.not_delegated",
        "resource.agent_not_granted",
    }
    paste(gateway, denied)
    assert [one["allowed"] for one in gateway.json(*question)] == [True, True]
    assert gateway.cli(*question).startswith("ALLOWED")


async def test_what_was_switched_off_is_switched_on_by_its_remedy(gateway: Installation) -> None:
    gateway.cli("user", "add", "una", "--password-stdin", stdin=PASSWORD)
    question = ("explain", "--user", "una", "--agent", AGENT, "--tool", "tickets/project_list")
    paste(gateway, gateway.json(*question))
    assert gateway.json(*question)["allowed"]
    for words in (("user", "disable", "una"), ("agent", "disable", AGENT), ("tool", "disable", "tickets/project_list")):
        gateway.cli(*words, "--reason", "test")
    denied = gateway.json(*question)
    assert {"user.disabled", "agent.disabled", "tool.disabled"} <= {reason["code"] for reason in denied["reasons"]}
    assert denied["public_code"] == "token.revoked"
    paste(gateway, {"reasons": [one for one in denied["reasons"] if one["code"].endswith(".disabled")]})
    assert gateway.json(*question)["allowed"]


async def test_the_list_of_anybody_is_explained_tool_by_tool(gateway: Installation) -> None:
    listed = {one["tool"]: one for one in gateway.json("explain", "--user", "nobody", "--agent", "nothing")}
    assert len(listed) == 9
    assert listed["tool:tickets/ticket_get"] == {
        "tool": "tool:tickets/ticket_get",
        "exposed": "tickets__ticket_get",
        "access": "hidden",
        "missing": ["user.not_allowed", "agent.not_delegated"],
    }
    gateway.add_user("leo", calls="tickets")
    gateway.let_agent_act(AGENT, "leo", server="tickets", access="read")
    known = {one["tool"]: one for one in gateway.json("explain", "--user", "leo", "--agent", AGENT)}
    assert known["tool:tickets/ticket_get"]["access"] == "depends"
    assert known["tool:tickets/project_list"]["access"] == "callable"
    assert known["tool:tickets/ticket_delete"]["missing"] == ["agent.not_granted"]
