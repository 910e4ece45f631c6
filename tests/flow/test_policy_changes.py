"""Before a policy is changed: what it would have decided, whose lists it would change, what is only observed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gateway import Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
ACCESS = "io.github.mcp-gateway/access"
NOT_THIS_ONE = """\
rules:
  - id: not-392
    description: Nobody reads T-392.
    when: {servers: [tickets], tools: [ticket_get]}
    require: arguments["id"] != "T-392"
    mode: observe
"""
ASKED_FOR = ("ticket_delete:  {risk: destructive,", "ticket_delete:  {risk: destructive, requestable: true,")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    with tickets_server() as url:
        folder = tmp_path_factory.mktemp("gateway")
        shutil.copytree(ROOT / "policies", folder / "policies")
        (folder / "policies" / "rules.yaml").write_text(NOT_THIS_ONE)
        entry = sample_tickets(url).replace(*ASKED_FOR)
        gateway = install(folder, registry={"tickets": entry}, policies=str(folder / "policies"))
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


@pytest.fixture
async def called(client: ModernClient) -> None:
    """Two calls that were allowed, one of them only observed, and two that were not."""
    for tool, ticket in (("ticket_get", "T-391"), ("ticket_get", "T-392"), ("ticket_get", "T-999")):
        await client.call(tool, {"id": ticket})
    await client.call("ticket_delete", {"id": "T-391"})


def changed(gateway: Installation, folder: Path, name: str, old: str, new: str) -> str:
    """A copy of the gateway's policies or registry with one text in the place of another."""
    copied = folder / name
    shutil.copytree(gateway.folder / name, copied)
    for path in copied.rglob("*.yaml"):
        path.write_text(path.read_text().replace(old, new))
    return str(copied)


@pytest.mark.usefixtures("called")
async def test_what_is_observed_is_reported_before_it_is_enforced(gateway: Installation, tmp_path: Path) -> None:
    (one, *_) = gateway.json("policy", "observed")
    assert (one["tool"], one["code"], one["rule"]) == ("tool:tickets/ticket_get", "rule.denied", "not-392")
    assert (one["users"], one["agents"]) == (["user:local/mira"], [f"agent:local/{AGENT}"])
    enforced = changed(gateway, tmp_path, "policies", "mode: observe", "mode: enforce")
    found = gateway.json("policy", "diff", "--policy", enforced)
    assert found["totals"]["allow_to_deny"] == one["times"]
    assert {tuple(flip["reasons_after"]) for flip in found["flips"]} == {("rule.denied",)}
    assert found["undecidable"] == []


@pytest.mark.usefixtures("called")
async def test_a_rule_that_reads_what_no_record_holds_is_not_guessed_at(gateway: Installation, tmp_path: Path) -> None:
    stricter = changed(gateway, tmp_path, "policies", '!= "T-392"', '!= "T-391"')
    found = gateway.json("policy", "diff", "--policy", stricter)
    assert found["flips"] == []
    assert found["totals"]["undecidable"] >= 2
    assert {why for one in found["undecidable"] for why in one["unknown"]} == {
        "the rule not-392 reads arguments, which is not recorded"
    }
    said = gateway.cli("policy", "diff", "--policy", stricter)
    assert said.splitlines()[-1].endswith(f"{found['totals']['undecidable']} undecidable")


@pytest.mark.usefixtures("called")
async def test_the_policy_in_force_differs_from_nothing_it_decided(gateway: Installation) -> None:
    found = gateway.json("policy", "diff", "--policy", str(gateway.folder / "policies"))
    assert found["totals"]["decisions"] >= 4
    assert found["totals"]["unchanged"] == found["totals"]["decisions"]
    exported = gateway.folder / "export.json"
    exported.write_text(gateway.cli("audit", "tail", "-n", "1000", "--json"))
    again = gateway.json(
        "policy", "diff", "--policy", str(gateway.folder / "policies"), "--audit", str(exported), "--since", "1h"
    )
    assert again["totals"]["decisions"] == found["totals"]["decisions"]


@pytest.mark.usefixtures("called")
async def test_an_export_is_judged_anew_as_what_it_was_taken_from(gateway: Installation, tmp_path: Path) -> None:
    stricter = changed(gateway, tmp_path, "policies", "mode: observe", "mode: enforce")
    file, folder, part = tmp_path / "all.jsonl", tmp_path / "all", tmp_path / "part.jsonl"
    told = gateway.json("audit", "export", "-o", str(file))
    gateway.json("audit", "export", "-o", f"{folder}/")
    gateway.json("audit", "export", "-o", str(part), "--user", "mira", "--kind", "intent")
    assert told["verifiable"] == "whole"
    for export in (file, folder, part):
        gateway.cli("audit", "verify", str(export))
    lived = gateway.json("policy", "diff", "--policy", stricter)
    assert lived["flips"]
    for export in (file, folder):
        replayed = gateway.json("audit", "replay", "--policy", stricter, str(export))
        assert (replayed["flips"], replayed["undecidable"]) == (lived["flips"], lived["undecidable"])
        assert replayed["totals"]["decisions"] == lived["totals"]["decisions"]
    of_part = gateway.json("audit", "replay", "--policy", stricter, str(part))
    assert of_part["flips"] == [flip for flip in lived["flips"] if flip["user"] == "user:local/mira"]
    found = gateway.json("audit", "search", "not-392", "--user", "mira", "--kind", "intent")
    assert {record["request"] for record in found} >= {flip["request"] for flip in lived["flips"]}


@pytest.mark.usefixtures("called")
async def test_a_plan_says_whose_lists_would_change_and_reload_makes_it_so(
    gateway: Installation, client: ModernClient, tmp_path: Path
) -> None:
    riskier = changed(gateway, tmp_path, "registry", "project_list:   {risk: read}", "project_list: {risk: write}")
    found = gateway.json("policy", "plan", "--registry", riskier)
    assert found["changes"] == [
        {
            "user": "user:local/mira",
            "agent": f"agent:local/{AGENT}",
            "tool": "tool:tickets/project_list",
            "before": "callable",
            "after": "hidden",
            "missing": ["agent.not_granted"],
        }
    ]
    assert (found["lost"], found["gained"]) == (1, 0)
    judged = gateway.json("policy", "diff", "--registry", riskier)
    assert judged["flips"] == []
    assert gateway.json("policy", "plan", "--policy", str(gateway.folder / "policies"))["changes"] == []
    assert "project_list" in await client.names()


async def test_a_list_says_what_a_call_also_depends_on_and_never_what_may_only_be_asked_for(
    gateway: Installation, client: ModernClient
) -> None:
    tools: dict[str, Any] = {
        one["name"]: one.get("_meta", {}).get(ACCESS) for one in (await client.request("tools/list")).result["tools"]
    }
    assert tools["project_list"] is None
    assert tools["ticket_get"] == {
        "state": "depends",
        "resources": [{"type": "ticket", "relation": "can_read", "named_by": "/id"}],
    }
    assert "ticket_delete" not in tools
    explained = gateway.json("explain", "--user", "mira", "--agent", AGENT, "--tool", "tickets/ticket_delete")
    assert (explained["allowed"], explained["access"]) == (False, "requestable")
    hidden = gateway.json("explain", "--user", "mira", "--agent", AGENT, "--tool", "tickets/ticket_update")
    assert hidden["access"] == "hidden"


async def test_a_comparison_needs_something_to_compare_with(gateway: Installation, tmp_path: Path) -> None:
    for arguments in (("policy", "diff"), ("policy", "plan"), ("policy", "diff", "--policy", str(tmp_path / "gone"))):
        assert gateway.cli(*arguments, check=False) == ""
