"""Run the `cases:` of a file: list, call and reasons, by the very code that judges a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from mcp_gateway.authorization import Access
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import AgentId, UserId, from_cli
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import ReviewState, Tool
from mcp_gateway.policy.asked import refuse_misfits
from mcp_gateway.policy.candidate import Candidate, facts
from mcp_gateway.policy.entries import CaseEntry, PrincipalEntry
from mcp_gateway.policy.suite import Case, Suite
from mcp_gateway.policy.verdict import Verdict

_AUDIENCE = "policy test"
_PROTOCOL = "2026-07-28"


async def verdicts(suite: Suite, candidate: Candidate, *, now: float) -> AsyncIterator[Verdict]:
    """One for each member of each case's `expect`; `now` is when a call without `at` is made."""
    for case in suite.cases:
        try:
            found = await _found(suite, case, candidate, now)
        except (GatewayError, ValueError) as exc:
            yield _verdict(suite, case, "case", "", str(exc), error=True)
            continue
        expected = _expected(case.entry)
        for name in expected:
            yield _verdict(suite, case, name, expected[name], found[name])


async def _found(suite: Suite, case: Case, candidate: Candidate, now: float) -> dict[str, str]:
    entry = case.entry
    tool = _tool(entry, candidate)
    rows = [*suite.tuples, *case.tuples]
    refuse_misfits(candidate.model, rows)
    rows += facts(tool)
    decides = candidate.authorization(rows)
    at = now if entry.at is None else _moment(entry.at)
    principal = _principal(entry.principal)
    request = _request(entry)
    decision = await decides.decide(principal, tool, entry.arguments, now=at, request=request)
    listed = await decides.accessible(principal, [tool], now=at, request=request)
    codes = {reason.code for reason in decision.reasons} | {reason.code for reason in decision.observed}
    return {"list": listed[tool.id], "call": "allow" if decision.allowed else "deny", "reasons": _codes(codes)}


def _request(entry: CaseEntry) -> Request:
    return Request("", Era.MODERN, _PROTOCOL, None, None, {}, None, address=entry.address)


def _expected(entry: CaseEntry) -> dict[str, str]:
    expect = entry.expect
    found: dict[str, str | None] = {
        "list": None if expect.list is None else Access(expect.list),
        "call": expect.call,
        "reasons": None if expect.reasons is None else _codes(expect.reasons),
    }
    return {name: value for name, value in found.items() if value is not None}


def _tool(entry: CaseEntry, candidate: Candidate) -> Tool:
    server, separator, name = entry.tool.removeprefix("tool:").partition("/")
    tool = candidate.approved(server, name) if separator and name else None
    if tool is None:
        raise OperatorError(f"no registry entry declares the server of `{entry.tool}`; write SERVER/NAME")
    return replace(tool, state=ReviewState.PENDING) if entry.unavailable else tool


def _principal(entry: PrincipalEntry) -> Principal:
    return Principal(
        user=UserId(from_cli("user", entry.user)),
        agent=AgentId(from_cli("agent", entry.agent)),
        scopes=frozenset(entry.scopes),
        audience=_AUDIENCE,
        token_id="",
        expires_at=0,
        memberships=tuple((one.relation, one.object) for one in entry.memberships),
    )


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _codes(codes: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(codes)) or "none"


def _verdict(suite: Suite, case: Case, kind: str, expected: str, found: str, *, error: bool = False) -> Verdict:
    entry = case.entry
    asked = f"{entry.principal.user} through {entry.principal.agent} calls {entry.tool}"
    return Verdict(suite.path, case.line, entry.name, kind, asked, expected, found, error)
