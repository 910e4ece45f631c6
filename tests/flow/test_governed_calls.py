"""The walk, over the wire: what is listed is what may be called, and every side can end it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator

import anyio.to_thread
import httpx2
import pytest

from tests.support.gateway import PASSWORD, Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server
from tests.support.wire import META, MODERN, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
READ_TOOLS = {"project_get", "project_list", "ticket_get", "ticket_list", "ticket_search"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    with tickets_server() as url:
        gateway = install(tmp_path_factory.mktemp("gateway"), registry={"tickets": sample_tickets(url)})
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            yield gateway


@pytest.fixture
async def client(gateway: Installation) -> AsyncGenerator[ModernClient]:
    async with httpx2.AsyncClient(timeout=20) as http:
        yield ModernClient(http, gateway.endpoint("tickets"), gateway.token(user="mira", agent=AGENT, server="tickets"))


async def test_the_list_holds_exactly_what_may_be_called(client: ModernClient) -> None:
    assert set(await client.names()) == READ_TOOLS


async def test_a_call_within_every_right_reaches_the_upstream(client: ModernClient) -> None:
    answer = await client.call("ticket_get", {"id": "T-391"})
    assert answer.result["structuredContent"]["id"] == "T-391"


async def test_a_tool_the_agent_was_not_granted_looks_like_one_that_does_not_exist(client: ModernClient) -> None:
    refused = await client.call("ticket_delete", {"id": "T-391"})
    unknown = await client.call("no_such_tool", {"id": "T-391"})
    for answer in (refused, unknown):
        answer.body["error"]["data"].pop("request_id")
        answer.body.pop("id")
    assert refused.body == unknown.body
    assert (refused.status, refused.reason) == (unknown.status, "tool.unavailable") == (200, "tool.unavailable")


async def test_a_resource_the_user_may_not_see_is_refused_by_its_own_code(client: ModernClient) -> None:
    answer = await client.call("ticket_get", {"id": "T-999"})
    assert (answer.status, answer.body["error"]["code"], answer.reason) == (200, 1001, "resource.denied")


async def test_arguments_that_name_no_resource_are_refused(client: ModernClient) -> None:
    answer = await client.call("ticket_get", {})
    assert answer.reason in {"resource.denied", "arguments.invalid"}


async def test_the_token_of_one_endpoint_opens_no_other(gateway: Installation, client: ModernClient) -> None:
    client.url = gateway.endpoint()
    answer = await client.call("tickets__ticket_get", {"id": "T-391"})
    assert (answer.status, answer.reason) == (401, "token.wrong_audience")


async def test_another_agent_of_the_same_user_sees_nothing(gateway: Installation, client: ModernClient) -> None:
    client.token = gateway.token(user="mira", agent="another-agent", server="tickets")
    assert await client.names() == []
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"


async def test_the_same_agent_for_another_user_sees_nothing(gateway: Installation, client: ModernClient) -> None:
    gateway.cli("user", "add", "omar", "--password-stdin", stdin=PASSWORD)
    client.token = gateway.token(user="omar", agent=AGENT, server="tickets")
    assert await client.names() == []


async def test_a_revoked_grant_and_an_ended_delegation_bind_the_next_call(
    gateway: Installation, client: ModernClient
) -> None:
    gateway.add_user("noor", calls="tickets")
    gateway.cli("access", "add", "user:noor", "viewer", "project:tickets/PAY")
    grant = gateway.let_agent_act(AGENT, "noor", server="tickets", access="read")
    client.token = gateway.token(user="noor", agent=AGENT, server="tickets")
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body

    gateway.cli("access", "remove", "user:noor", "viewer", "project:tickets/PAY")
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "resource.denied"
    gateway.cli("access", "add", "user:noor", "viewer", "project:tickets/PAY")
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body

    gateway.cli("grant", "revoke", grant)
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"
    gateway.let_agent_act(AGENT, "noor", server="tickets", access="read")
    assert "result" in (await client.call("ticket_get", {"id": "T-391"})).body

    gateway.cli("delegation", "end", "--user", "noor", "--agent", AGENT)
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "tool.unavailable"


async def test_every_refusal_and_call_is_on_record_with_its_true_reason(
    gateway: Installation, client: ModernClient
) -> None:
    refused = await client.call("ticket_delete", {"id": "T-391"})
    request = refused.body["error"]["data"]["request_id"]
    shown = gateway.cli("audit", "show", request, "--json")
    assert "agent.not_granted" in shown
    allowed = await client.call("ticket_get", {"id": "T-391"})
    assert allowed.status == 200
    tail = gateway.cli("audit", "tail", "-n", "5", "--json")
    assert '"intent"' in tail and '"outcome"' in tail


async def test_a_token_for_the_api_reads_it_and_calls_nothing(gateway: Installation, client: ModernClient) -> None:
    resource = ("--resource", f"{gateway.origin}/api/v1")
    token = gateway.cli("token", "--user", "mira", "--agent", "script", *resource)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        seen = (await http.get(f"{gateway.origin}/api/v1/tools", params={"server": "tickets"})).json()
    assert len(seen["tools"]) == 9, "what she could use herself"
    client.token = token
    assert (await client.call("ticket_get", {"id": "T-391"})).reason == "token.wrong_audience"


async def test_a_request_that_takes_its_time_is_decided_by_what_holds_when_it_is_complete(
    gateway: Installation, client: ModernClient
) -> None:
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "ticket_get", "arguments": {"id": "T-392"}, "_meta": META},
        }
    ).encode()

    async def half_revoke_and_rest() -> AsyncGenerator[bytes]:
        yield body[:40]
        taken = ("user:mira", "viewer", "project:tickets/PAY")
        await anyio.to_thread.run_sync(gateway.cli, "access", "remove", *taken)
        yield body[40:]

    sent = {
        "authorization": f"Bearer {client.token}",
        "content-type": "application/json",
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "ticket_get",
    }
    try:
        async with httpx2.AsyncClient(timeout=20) as http:
            answer = await http.post(client.url, content=half_revoke_and_rest(), headers=sent)
        assert answer.json()["error"]["data"]["reason"] == "resource.denied"
    finally:
        gateway.cli("access", "add", "user:mira", "viewer", "project:tickets/PAY")
