"""Whose lists a change would touch, what was only observed, and records from elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcp_gateway.audit import Wanted
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Kind, Risk
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.export import records
from mcp_gateway.policy.observed import observed
from mcp_gateway.policy.plan import Plan, Seat, plan, seats_of
from mcp_gateway.storage import Database
from mcp_gateway.storage.catalog import ServerRow, put_server, put_tool, tool_rows
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import write_tuple
from tests.support.first_party import tool_row
from tests.unit.policy.files import NOW, written
from tests.unit.policy.past_calls import DOCS, ENTRY, MIRA, OMAR, ROWS, entry, policy, row

EVERYTHING = Wanted()


def planned(folder: Path, then: Candidate, now: Candidate, *seats: Seat) -> Plan:
    """What `plan` says of a store in which the tools of `then` are approved."""

    async def looked_at() -> Plan:
        path = folder / "gateway.db"
        await anyio.to_thread.run_sync(migrate, path)
        database = Database(path)
        try:
            async with database.write("os:test") as transaction:
                await put_server(transaction, ServerRow("tickets", True, "2026-07-28", NOW, None))
                for name, tool in then.upstreams["tickets"].tools.items():
                    await put_tool(transaction, tool_row("tickets", name, tool.risk))
                await put_tool(transaction, replace(tool_row("tickets", "triage", Risk.READ), kind=Kind.PROMPT))
                await put_tool(transaction, replace(tool_row("tickets", "t://{id}", Risk.READ), kind=Kind.TEMPLATE))
                for text in ROWS:
                    await write_tuple(transaction, row(text))
            rows = await tool_rows(database)
            return await plan(database, rows, seats, now=now, then=then, at=NOW)
        finally:
            await database.close()

    return anyio.run(looked_at)


def told(found: Plan) -> list[tuple[str, str, str, str]]:
    return [(one.seat.user, one.tool.removeprefix("tool:tickets/"), one.before, one.after) for one in found.shifts]


def test_every_shift_is_named_with_whom_it_concerns(tmp_path: Path) -> None:
    then = policy(tmp_path / "then")
    seats = (Seat(MIRA, DOCS), Seat(OMAR, DOCS))
    riskier = policy(tmp_path / "now", tickets=entry(ping={"risk": "destructive", "requestable": True}, get=None))
    found = planned(tmp_path, then, riskier, *seats)
    assert told(found) == [
        (MIRA, "get", "depends", "hidden"),
        (MIRA, "ping", "callable", "requestable"),
        (OMAR, "ping", "hidden", "requestable"),
    ]
    assert [one.missing for one in found.shifts[1:]] == [("user.not_allowed", "agent.not_granted")] * 2
    assert (found.as_dict()["lost"], found.as_dict()["gained"], found.seats) == (2, 0, 2)


def test_prompts_and_templates_shift_as_tools_do(tmp_path: Path) -> None:
    then = policy(tmp_path / "then")
    said = {**ENTRY, "prompts": {"triage": {"risk": "destructive"}}, "resources": {"t://{id}": {"requestable": True}}}
    found = planned(
        tmp_path, then, policy(tmp_path / "now", tickets=json.dumps(said)), *(Seat(one, DOCS) for one in (MIRA, OMAR))
    )
    assert told(found) == [
        (MIRA, "prompt:tickets/triage", "depends", "hidden"),
        (OMAR, "resource:tickets/t%3A%2F%2F{id}", "hidden", "requestable"),
    ]
    assert found.shifts[0].missing == ("user.not_allowed", "agent.not_granted")


def test_the_same_policy_shifts_nothing(tmp_path: Path) -> None:
    then = policy(tmp_path / "then")
    assert planned(tmp_path, then, policy(tmp_path / "now"), Seat(MIRA, DOCS)).shifts == ()


def test_a_lower_risk_opens_a_tool_to_those_who_may_only_read(tmp_path: Path) -> None:
    then = policy(tmp_path / "then", tickets=entry(ping={"risk": "destructive"}))
    found = planned(tmp_path, then, policy(tmp_path / "now"), Seat(MIRA, DOCS))
    assert told(found) == [(MIRA, "ping", "hidden", "callable")]


def test_a_server_nobody_has_asked_yet_is_named(tmp_path: Path) -> None:
    then = policy(tmp_path / "then")
    written(tmp_path / "now", entry().replace('"tickets"', '"others"', 1), "registry/others.yaml")
    assert planned(tmp_path, then, policy(tmp_path / "now"), Seat(MIRA, DOCS)).undiscovered == ("others",)


def test_principals_are_those_who_were_seen_and_those_who_let_an_agent_act(tmp_path: Path) -> None:
    model = policy(tmp_path).model
    rows = [*map(row, ROWS), row("group:eng#member delegator agent:local/helper"), row(f"{OMAR} member group:eng")]
    seen = [
        {"kind": "list", "user": "user:okta/x", "agent": DOCS, "memberships": [["member", "group:okta/eng"]]},
        {"kind": "access.added", "actor": "os:ana", "user": "user:local/nobody", "agent": DOCS},
    ]
    seats, cut = anyio.run(partial(seats_of, seen, rows, model, at=NOW, limit=10))
    assert [(seat.user, seat.agent) for seat in seats] == [
        (MIRA, DOCS),
        (OMAR, DOCS),
        (OMAR, "agent:local/helper"),
        ("user:okta/x", DOCS),
    ]
    assert (seats[-1].memberships, cut) == ((("member", "group:okta/eng"),), "")
    fewer, cut = anyio.run(partial(seats_of, seen, rows, model, at=NOW, limit=2))
    assert (len(fewer), cut) == (2, "only 2 of 4 principals were looked at; --limit takes more")


def would_deny(number: int, user: str, *reasons: tuple[str, str], kind: str = "intent") -> dict[str, Any]:
    said = [{"code": code, "evidence": evidence} for code, evidence in reasons]
    return {
        "kind": kind,
        "at": number,
        "request": f"r-{number}",
        "user": user,
        "agent": DOCS,
        "tool": "t",
        "observed": said,
    }


def test_what_is_observed_is_counted_by_tool_reason_and_rule() -> None:
    found = observed(
        [
            would_deny(1, MIRA, ("rule.denied", "a")),
            would_deny(3, OMAR, ("rule.denied", "a"), ("user.not_allowed", f"{OMAR} user_can_call t")),
            would_deny(2, MIRA, ("rule.denied", "b")),
            would_deny(4, MIRA, ("rule.denied", "a"), kind="outcome"),
            {"kind": "intent", "at": 5, "request": "r-5"},
        ]
    )
    assert [(one.code, one.rule, one.times, one.request) for one in found] == [
        ("rule.denied", "a", 2, "r-3"),
        ("rule.denied", "b", 1, "r-2"),
        ("user.not_allowed", "", 1, "r-3"),
    ]
    assert found[0].as_dict()["users"] == [MIRA, OMAR]


@pytest.mark.parametrize("text", ['{"at": 1}\n\n{"at": 2}\n', '[{"at": 1}, {"at": 2}]'])
def test_records_are_read_from_lines_and_from_a_list_newest_first(tmp_path: Path, text: str) -> None:
    found, cut = records(written(tmp_path, text, "export"), EVERYTHING, limit=5)
    assert ([one["at"] for one in found], cut) == ([2, 1], "")
    since, _ = records(tmp_path / "export", Wanted(since=2), limit=5)
    assert [one["at"] for one in since] == [2]
    first, cut = records(tmp_path / "export", EVERYTHING, limit=1)
    assert ([one["at"] for one in first], cut.startswith("only the newest 1 records")) == ([2], True)


@pytest.mark.parametrize("text", ["no json\n", '{"at": 1}\n7\n', json.dumps([["at", 1]])])
def test_what_is_no_record_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(OperatorError, match=r"export:\d: is not a record"):
        records(written(tmp_path, text, "export"), EVERYTHING, limit=5)
    with pytest.raises(OperatorError, match="no such file"):
        records(tmp_path / "gone", EVERYTHING, limit=5)
