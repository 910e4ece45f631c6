"""Over the wire and the command line: each record is complete, told in a sentence of its own, and holds no value."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from mcp_gateway.audit import sentence
from mcp_gateway.audit.events import sentence_of
from tests.support.gateway import Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_WHO = {"user", "agent", "client", "trace", "request"}
_DECIDED = {"tool", "digest", "arguments", "resources", "reasons", "model", "revision", "policy", "token", "audience"}
REQUIRED = {
    "intent": _WHO | _DECIDED | {"effect"},
    "outcome": _WHO | {"tool", "digest", "intent", "outcome", "latency_us", "upstream_us"},
    "decision": _WHO | _DECIDED | {"effect", "code", "outcome", "latency_us"},
    "list": _WHO | {"count", "names", "model", "revision", "policy", "token", "audience", "latency_us"},
    "refused": {"request", "code", "effect"},
}
_EVENT = {"actor", "outcome", "named"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    with tickets_server() as url:
        entry = sample_tickets(url).replace("pointer: /id}]}", "pointer: /id}], record: [/id]}", 1)
        gateway = install(tmp_path_factory.mktemp("gateway"), registry={"tickets": entry})
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="read")
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            yield gateway


@pytest.fixture(scope="module")
def records(gateway: Installation) -> list[dict[str, Any]]:
    """What a day leaves: calls, denials, lists, strangers and changes of rights."""
    anyio.run(_day, gateway)
    given = gateway.json("grant", "list")
    gateway.cli("delegation", "end", "--user", "mira", "--agent", AGENT)
    gateway.cli("tool", "disable", "tickets/ticket_delete", "--reason", "test")
    gateway.cli("user", "disable", "mira", "--reason", "test")
    for grant in given:
        gateway.cli("grant", "revoke", grant["id"])
    return gateway.json("audit", "tail", "-n", "1000")


async def _day(gateway: Installation) -> None:
    async with httpx2.AsyncClient(timeout=20) as http:
        token = await anyio.to_thread.run_sync(lambda: gateway.token(user="mira", agent=AGENT, server="tickets"))
        client = ModernClient(http, gateway.endpoint("tickets"), token)
        trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        await client.request("tools/list", headers=trace)
        for name, ticket in (("ticket_get", "T-391"), ("ticket_get", "T-999"), ("ticket_delete", "T-391")):
            params = {"name": name, "arguments": {"id": ticket}}
            await client.request("tools/call", params, name=name, headers=trace)
        client.token = "nonsense"
        await client.request("tools/list", headers=trace)


def test_every_record_of_a_day_says_all_that_is_required(records: list[dict[str, Any]]) -> None:
    kinds = {record["kind"] for record in records}
    assert kinds >= {*REQUIRED, "grant.added", "grant.revoked", "delegation.ended", "tool.disabled", "user.disabled"}
    for record in records:
        required = REQUIRED.get(record["kind"], _EVENT)
        if record.get("code") == "tool.unavailable" and not record.get("tool"):
            required = required - {"tool", "digest"}
        assert required - set(record) == set(), record["kind"]
    traces = {record["trace"] for record in records if record["kind"] in REQUIRED and record["kind"] != "refused"}
    assert traces == {TRACE}


def test_every_record_of_a_day_is_told_in_a_sentence_of_its_own(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert record["kind"] in REQUIRED or sentence_of(record["kind"]), record["kind"]
        assert "{" not in sentence(record) and "somebody or something" not in sentence(record)


def test_changes_of_rights_name_the_revision_they_made(records: list[dict[str, Any]]) -> None:
    by_kind: Mapping[str, dict[str, Any]] = {record["kind"]: record for record in records}
    for kind in ("access.added", "grant.added", "grant.revoked", "delegation.ended", "user.disabled"):
        assert by_kind[kind]["revision"] > 0, kind


def test_a_value_that_a_policy_names_is_kept_sealed_and_no_other(
    gateway: Installation, records: list[dict[str, Any]]
) -> None:
    kept = [record["recorded"] for record in records if "recorded" in record]
    assert {"/id": "T-391"} in kept
    lines = [line for path in (gateway.folder / "data" / "audit").glob("*.jsonl") for line in _lines(path.read_bytes())]
    intents = [line for line in lines if line["kind"] == "intent"]
    assert all("sealed" in line["recorded"]["/id"] for line in intents)
    # The id stands in the questions that were asked of it, and nowhere else.
    assert all("T-391" not in json.dumps(line["recorded"]) for line in intents)


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]
