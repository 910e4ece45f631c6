"""Each kind of record says all it has to; and what a policy asks to be recorded is sealed, or not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.audit import Journal, Record
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.audit.recorded import named_values
from mcp_gateway.errors import AccessDenied
from mcp_gateway.model.call import Permit, Request
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool
from mcp_gateway.model.trace import Trace
from tests.unit.audit.calls import (
    ALLOWED,
    ARGUMENTS,
    DENIED,
    MIRA,
    OK,
    answering,
    nobody_listens,
    request,
    tool,
    written,
)

pytestmark = pytest.mark.anyio

_TRACE = Trace(f"00-{'a' * 32}-{'b' * 16}-01")
_WHO = {"user", "agent", "client"}
_TOKEN = {"audience", "token", "scope", "tenant", "memberships"}
_WHAT = {"tool", "digest", "risk", "arguments", "arguments_bytes", "resources"}
_DECISION = {"effect", "reasons", "questions", "model", "revision", "policy", "classification"}
_PLACE = {"at", "writer", "seq", "prev", "hash"}
_EVENT = {"kind", "actor", "outcome", "named", *_PLACE}

REQUIRED: dict[str, set[str]] = {
    "intent": {"request", "verb", "trace", *_WHO, *_TOKEN, *_WHAT, *_DECISION, *_PLACE},
    # The intent it names has the rest.
    "outcome": {
        *{"request", "verb", "trace", "intent", "tool", "digest", "risk", "effect", "classification"},
        *{"outcome", "code", "latency_us", "upstream_us", *_WHO, *_PLACE},
    },
    "decision": {
        *{"request", "verb", "trace", "outcome", "code", "latency_us"},
        *{*_WHO, *_TOKEN, *_WHAT, *_DECISION, *_PLACE},
    },
    "list": {
        *{
            "request",
            "verb",
            "trace",
            "count",
            "names",
            "effect",
            "model",
            "revision",
            "policy",
            "outcome",
            "latency_us",
        },
        *{*_WHO, *_TOKEN, *_PLACE},
    },
    "refused": {"request", "effect", "code", "named", *_PLACE},
    "login.succeeded": _EVENT,
    "consent.approved": {"agent", "client", "audience", *_EVENT},
    "token.issued": {"agent", "client", "audience", "token", *_EVENT},
    "grant.added": {"agent", "client", "revision", *_EVENT},
    "grant.revoked": {"agent", "client", "revision", *_EVENT},
    "delegation.ended": {"user", "agent", "client", "revision", *_EVENT},
    "server.approved": _EVENT,
}


def _principal() -> Principal:
    return replace(MIRA, memberships=(("member", "tenant:okta/acme"),))


def _request() -> Request:
    return replace(request(), trace=_TRACE)


def _classified(decision: Decision) -> Decision:
    return replace(decision, classification="confidential")


async def _one_of_each(journal: Journal) -> None:
    async with journal.entry(_request(), "tools/list", _principal()) as entry:
        entry.listed(("tool:tickets/get",), model="m-1", revision=7)
    await _call(journal, tool())
    with pytest.raises(AccessDenied):
        await _deny(journal, tool())
    journal.refused("r-9", "token.expired", audience="http://gw/mcp")
    who: dict[str, object] = {"user": MIRA.user, "agent": MIRA.agent}
    await journal.event("login.succeeded", MIRA.user, address="127.0.0.1")
    await journal.event("consent.approved", MIRA.user, **who, resource="http://gw/mcp")
    await journal.event("token.issued", MIRA.user, **who, resource="http://gw/mcp", token_id="t-1")
    for kind in ("grant.added", "grant.revoked", "delegation.ended"):
        await journal.event(kind, "os:ana", **who, revision=8)
    await journal.event("server.approved", "os:ana", server="tickets", tools=["get"])


async def _call(journal: Journal, item: Tool) -> None:
    decision = _classified(ALLOWED)
    async with journal.entry(_request(), "tools/call", _principal(), ARGUMENTS) as entry:
        entry.tool, entry.decision = item, decision
        permit = Permit(_request(), _principal(), item, ARGUMENTS, decision)
        await entry.recorded(answering(OK))(permit, nobody_listens)


async def _deny(journal: Journal, item: Tool) -> None:
    async with journal.entry(_request(), "tools/call", _principal(), ARGUMENTS) as entry:
        entry.tool, entry.decision = item, _classified(DENIED)
        raise AccessDenied(_classified(DENIED), code="tool.unavailable")


async def _records(folder: Path, write: Callable[[Journal], Any], personal: Personal | None = None) -> list[Record]:
    async with Journal(folder, personal=personal) as journal:
        journal.policy = lambda: "book-1"
        await write(journal)
    return written(folder)


async def test_every_kind_says_all_that_is_required_of_it(tmp_path: Path) -> None:
    records = await _records(tmp_path, _one_of_each)
    assert {record["kind"] for record in records} == set(REQUIRED)
    for record in records:
        assert REQUIRED[record["kind"]] - set(record) == set(), record["kind"]


async def test_what_is_said_is_what_happened(tmp_path: Path) -> None:
    by_kind = {record["kind"]: record for record in await _records(tmp_path, _one_of_each)}
    for kind in ("intent", "outcome", "decision", "list"):
        record = by_kind[kind]
        assert (record["client"], record["trace"]) == ("docs", "a" * 32)
    for kind in ("intent", "decision", "list"):
        assert (by_kind[kind]["tenant"], by_kind[kind]["policy"]) == ("tenant:okta/acme", "book-1")
    assert by_kind["intent"]["resources"] == ["ticket:tickets/T-391"]
    assert by_kind["outcome"]["classification"] == "confidential"
    assert by_kind["outcome"]["upstream_us"] <= by_kind["outcome"]["latency_us"]
    assert (by_kind["grant.added"]["revision"], by_kind["token.issued"]["token"]) == (8, "t-1")


async def test_no_argument_value_is_recorded_unless_a_policy_names_it(tmp_path: Path) -> None:
    assert "hunter2" not in str(await _records(tmp_path, _one_of_each))


async def test_a_named_value_is_sealed_in_the_intent_and_in_a_denial(tmp_path: Path) -> None:
    item = replace(tool(), record=("/note", "/missing", "/id"))

    async def both(journal: Journal) -> None:
        await _call(journal, item)
        with pytest.raises(AccessDenied):
            await _deny(journal, item)

    personal = Personal(tmp_path / "people")
    records = await _records(tmp_path / "audit", both, personal)
    told = [personal.opened(record) for record in records if "recorded" in record]
    assert [record["kind"] for record in told] == ["intent", "decision"]
    assert all(record["recorded"] == {"/note": "hunter2", "/id": "T-391"} for record in told)
    assert "hunter2" not in str(records)
    personal.erase(MIRA.user)
    assert "hunter2" not in str([Personal(tmp_path / "people").opened(record) for record in records])


async def test_without_keys_a_named_value_is_not_recorded_at_all(tmp_path: Path) -> None:
    async def one(journal: Journal) -> None:
        await _call(journal, replace(tool(), record=("/note",)))

    records = await _records(tmp_path, one)
    assert not any("recorded" in record for record in records)
    assert "hunter2" not in str(records)


async def test_a_value_of_any_size_takes_little_room(tmp_path: Path) -> None:
    item = replace(tool(), record=("/note",))

    async def one(journal: Journal) -> None:
        arguments = {"note": "x" * 1_000_000}
        async with journal.entry(_request(), "tools/call", _principal(), arguments) as entry:
            permit = Permit(_request(), _principal(), item, arguments, ALLOWED)
            await entry.recorded(answering(OK))(permit, nobody_listens)

    await _records(tmp_path / "audit", one, Personal(tmp_path / "people"))
    assert sum(path.stat().st_size for path in (tmp_path / "audit").glob("*.jsonl")) < 12_000


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("/a", [1, {"b/c": "deep"}]),
        ("/a/1/b~1c", "deep"),
        ("/a/0", 1),
        ("/a/00", None),
        ("/a/9", None),
        ("/a/-", None),
        ("/a/0/x", None),
        ("/none", None),
        ("/null", "null"),
    ],
)
def test_a_pointer_finds_exactly_one_value(pointer: str, found: object) -> None:
    arguments = {"a": [1, {"b/c": "deep"}], "null": "null"}
    assert dict(named_values([pointer], arguments)) == ({} if found is None else {pointer: found})
