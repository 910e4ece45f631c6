"""Grants, delegations and who belongs where, from the command line: found, prolonged, ended one by one and all at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import CommandFailed, Installation, install


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder: Path = tmp_path_factory.mktemp("rights")
    return install(folder / "gateway", registry={})


def granted(gateway: Installation, *more: str, agent: str = "docs") -> str:
    return gateway.json("grant", "add", "--agent", agent, "--reason", "test", *more)["id"]


def ids(rows: Any) -> list[str]:
    return [row["id"] for row in rows]


def test_grants_are_found_by_agent_audience_target_and_state(gateway: Installation) -> None:
    tool = granted(gateway, "--on", "tool:notes/read", "--for", "mira", agent="finder")
    server = granted(gateway, "--on", "server:notes", "--for", "group:support", agent="finder")
    mine = ("grant", "list", "--agent", "finder")
    assert ids(gateway.json(*mine)) == [tool, server]
    assert ids(gateway.json(*mine, "--for", "group:support")) == [server]
    assert ids(gateway.json(*mine, "--on", "tool:notes/read")) == [tool]
    gateway.cli("grant", "revoke", tool)
    assert ids(gateway.json(*mine)) == [server]
    assert ids(gateway.json(*mine, "--state", "revoked")) == [tool]
    assert ids(gateway.json(*mine, "--state", "expired")) == []
    assert ids(gateway.json(*mine, "--all")) == [tool, server]
    shown = gateway.json("grant", "show", tool)
    assert (shown["state"], shown["audience"], shown["reason"]) == ("revoked", "user:local/mira", "test")
    assert "is revoked" in gateway.cli("grant", "show", tool.removeprefix("grant:"))


@pytest.mark.parametrize(
    ("option", "given", "relation", "on"),
    [
        ("--server", "notes", "agent_reader", "server:notes"),
        ("--tool", "notes/read", "direct_agent", "tool:notes/read"),
        ("--prompt", "notes/triage", "direct_agent", "prompt:notes/triage"),
        ("--resource", "notes/note://a%20b/1", "direct_agent", "resource:notes/note%3A%2F%2Fa%2520b%2F1"),
        ("--resource", "notes/note://{id}", "direct_agent", "resource:notes/note%3A%2F%2F{id}"),
        ("--on", "resource:notes/note%3A%2F%2F{id}", "direct_agent", "resource:notes/note%3A%2F%2F{id}"),
    ],
)
def test_a_grant_is_on_a_server_or_one_thing_it_offers(
    gateway: Installation, option: str, given: str, relation: str, on: str
) -> None:
    grant = granted(gateway, option, given, agent="narrow")
    assert gateway.json("grant", "show", grant)["targets"] == [{"relation": relation, "object": on}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name one thing"),
        (("--server", "notes", "--prompt", "notes/triage"), "name one thing"),
        (("--prompt", "triage"), "must be SERVER/NAME"),
        (("--resource", "note://1"), "must be SERVER/URI"),
        (("--prompt", "notes/triage", "--access", "read"), "a prompt is granted whole"),
    ],
)
def test_a_grant_on_nothing_or_on_several_things_is_refused(
    gateway: Installation, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandFailed, match=said):
        granted(gateway, *arguments)


@pytest.mark.parametrize(
    ("relation", "on"), [("direct_getter", "prompt:notes/triage"), ("direct_reader", "resource:notes/note://1")]
)
def test_a_person_is_given_one_prompt_or_resource_and_facts_of_the_review_are_not_given(
    gateway: Installation, relation: str, on: str
) -> None:
    assert gateway.json("access", "add", "mira", relation, on)["changed"]
    for fact in ("enabled", "read_only"):
        with pytest.raises(CommandFailed, match="follows from the review state"):
            gateway.cli("access", "add", "*", fact, on)
    with pytest.raises(CommandFailed, match="is a grant"):
        gateway.cli("access", "add", "agent:docs#acting_for", "direct_agent", on)


@pytest.mark.parametrize("audience", ["mira", "group:support", "role:editor", "tenant:acme", "user:*"])
def test_a_grant_is_for_a_user_a_group_a_role_a_tenant_or_everyone(gateway: Installation, audience: str) -> None:
    assert granted(gateway, "--on", "server:notes", "--for", audience)


def test_a_grant_in_force_is_prolonged_and_cut_short_and_an_ended_one_is_not(gateway: Installation) -> None:
    grant = granted(gateway, "--on", "server:notes", "--until", "1h")
    before = gateway.json("grant", "show", grant)["expires_at"]
    assert gateway.json("grant", "extend", grant, "--until", "30d")["expires_at"] > before
    assert gateway.json("grant", "extend", grant, "--until", "5m")["expires_at"] < before
    assert gateway.json("grant", "extend", grant, "--until", "revoked")["expires_at"] is None
    with pytest.raises(CommandFailed, match="over"):
        gateway.cli("grant", "extend", grant, "--until", (datetime.now(UTC) - timedelta(days=1)).isoformat())
    gateway.cli("grant", "revoke", grant)
    with pytest.raises(CommandFailed, match="the grant is revoked"):
        gateway.cli("grant", "extend", grant, "--until", "30d")


def test_all_grants_of_an_agent_or_an_audience_end_at_once_each_on_record(gateway: Installation) -> None:
    for user in ("ana", "ben"):
        granted(gateway, "--on", "server:notes", "--for", user, agent="many")
        granted(gateway, "--on", "tool:notes/read", "--for", user, agent="other")
    with pytest.raises(CommandFailed, match="--yes"):
        gateway.cli("grant", "revoke", "--agent", "many")
    with pytest.raises(CommandFailed, match="name a grant"):
        gateway.cli("grant", "revoke", "--yes")
    gone = gateway.json("grant", "revoke", "--agent", "many", "--yes")["revoked"]
    assert len(gone) == 2
    assert len(gateway.json("grant", "revoke", "--for", "ana", "--yes")["revoked"]) == 1
    assert [row["audience"] for row in gateway.json("grant", "list", "--agent", "other")] == ["user:local/ben"]
    records = json.loads(gateway.cli("audit", "tail", "-n", "3", "--kind", "grant.revoked", "--json"))
    assert {record["named"]["grant"] for record in records} >= set(gone)


def test_delegations_end_one_by_one_by_user_and_by_agent(gateway: Installation) -> None:
    for user in ("kim", "lee"):
        for agent in ("one", "two"):
            gateway.cli("delegation", "add", "--user", user, "--agent", agent)
    assert gateway.json("delegation", "end", "--user", "kim", "--agent", "one")["changed"]
    with pytest.raises(CommandFailed, match="--yes"):
        gateway.cli("delegation", "end", "--user", "lee")
    ended = gateway.json("delegation", "end", "--user", "lee", "--yes")["ended"]
    assert {pair["agent"] for pair in ended} == {"agent:local/one", "agent:local/two"}
    assert len(gateway.json("delegation", "end", "--agent", "two", "--yes")["ended"]) == 1
    assert gateway.json("delegation", "list", "--user", "kim") == []
    with pytest.raises(CommandFailed, match="name a user"):
        gateway.cli("delegation", "end")


@pytest.mark.parametrize(("kind", "relation"), [("group", "member"), ("role", "assignee"), ("tenant", "member")])
def test_people_are_put_into_groups_roles_and_tenants_and_taken_out(
    gateway: Installation, kind: str, relation: str
) -> None:
    assert gateway.json(kind, "add-member", "support", "mira")["changed"]
    assert not gateway.json(kind, "add-member", "support", "mira")["changed"]
    gateway.cli(kind, "add-member", "support", "group:night-shift")
    [row] = gateway.json(kind, "list", "support")
    assert row == {kind: f"{kind}:support", "members": ["group:night-shift#member", "user:local/mira"]}
    assert [entry["relation"] for entry in gateway.json("access", "list", "mira", "--on", f"{kind}:support")] == [
        relation
    ]
    assert gateway.json(kind, "remove-member", "support", "mira")["changed"]
    assert gateway.json(kind, "list", "support")[0]["members"] == ["group:night-shift#member"]
    with pytest.raises(CommandFailed, match="tokens say"):
        gateway.cli(kind, "add-member", "okta/support", "mira")


def test_a_role_can_end_by_itself(gateway: Installation) -> None:
    gateway.cli("role", "add-member", "on-call", "mira", "--until", "12h")
    [row] = gateway.json("access", "list", "mira", "--on", "role:on-call")
    assert row["condition"]["expires_at"].endswith("Z")


def test_switches_are_listed_with_their_reason_and_turned_once(gateway: Installation) -> None:
    for kind, name, identifier in (
        ("user", "mira", "user:local/mira"),
        ("agent", "okta/desk", "agent:okta/desk"),
        ("server", "notes", "server:notes"),
        ("tool", "notes/read", "tool:notes/read"),
        ("prompt", "notes/triage", "prompt:notes/triage"),
        ("resource", "notes/note://1", "resource:notes/note%3A%2F%2F1"),
        ("resource", "resource:notes/note://{id}", "resource:notes/note%3A%2F%2F{id}"),
    ):
        with pytest.raises(CommandFailed, match="--reason"):
            gateway.cli(kind, "disable", name)
        assert gateway.json(kind, "disable", name, "--reason", "why")["id"] == identifier
        assert not gateway.json(kind, "disable", name, "--reason", "again")["changed"]
        [row] = [row for row in gateway.json("disabled") if row["id"] == identifier]
        assert row["reason"] == "why"
        assert gateway.json(kind, "enable", name)["changed"]
        assert not gateway.json(kind, "enable", name)["changed"]
    assert gateway.json("disabled") == []
    with pytest.raises(CommandFailed, match="reason"):
        gateway.cli("gateway", "disable", "--reason", " ")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tool", "read"),
        ("tool", "notes__read"),
        ("tool", "tool:read"),
        ("prompt", "triage"),
        ("prompt", "tool:notes/read"),
        ("resource", "note://1"),
        ("resource", "notes+note://1"),
    ],
)
def test_only_a_thing_of_a_server_is_switched_so_that_a_switch_is_never_without_effect(
    gateway: Installation, kind: str, name: str
) -> None:
    with pytest.raises(CommandFailed, match="SERVER/"):
        gateway.cli(kind, "disable", name, "--reason", "why")
    assert gateway.json("disabled") == []


def test_a_user_who_is_removed_and_added_again_stays_disabled(gateway: Installation) -> None:
    for _ in range(2):
        gateway.cli("user", "add", "kay", "--password-stdin", stdin="correct horse battery")
        gateway.cli("user", "disable", "kay", "--reason", "left")
        assert [row["enabled"] for row in gateway.json("user", "list") if row["name"] == "kay"] == [False]
        gateway.cli("user", "remove", "kay", "--yes")
    gateway.cli("user", "enable", "kay")
