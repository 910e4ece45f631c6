"""Run the `cases:` of a file: list, call and reasons, by the very code that judges a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mcp_gateway.authorization import Access
from mcp_gateway.catalog.matching import match
from mcp_gateway.catalog.templates import parse
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import AgentId, UserId, from_cli
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, ReviewState, Tool, Upstream
from mcp_gateway.policy.asked import refuse_misfits
from mcp_gateway.policy.candidate import Candidate, facts, kind_of
from mcp_gateway.policy.entries import CaseEntry, PrincipalEntry
from mcp_gateway.policy.suite import Case, Suite
from mcp_gateway.policy.verdict import Verdict

_AUDIENCE = "policy test"
_PROTOCOL = "2026-07-28"
_DOES = {"tool": "calls", "prompt": "gets", "resource": "reads"}


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
    tool, arguments = _asked_for(entry, candidate)
    rows = [*suite.tuples, *case.tuples]
    refuse_misfits(candidate.model, rows)
    rows += facts(tool)
    decides = candidate.authorization(rows)
    at = now if entry.at is None else _moment(entry.at)
    principal = _principal(entry.principal)
    request = _request(entry)
    decision = await decides.decide(principal, tool, arguments, now=at, request=request)
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


def _asked_for(entry: CaseEntry, candidate: Candidate) -> tuple[Tool, Mapping[str, Any]]:
    """What the case is about, and the arguments it is decided with."""
    object_type, text = _about(entry)
    server, separator, name = text.removeprefix(f"{object_type}:").partition("/")
    upstream = candidate.upstreams.get(server) if separator and name else None
    if upstream is None:
        raise OperatorError(f"no registry entry declares the server of `{text}`; write SERVER/NAME")
    arguments: Mapping[str, Any] = entry.arguments
    if object_type == Kind.RESOURCE:
        name, arguments = _resource(upstream, name, arguments)
    tool = candidate.approved(server, name, kind_of(object_type, name))
    assert tool is not None
    return replace(tool, state=ReviewState.PENDING) if entry.unavailable else tool, arguments


def _resource(upstream: Upstream, uri: str, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The resource that the registry names, or the one template of it that describes the URI; and the variables."""
    if uri in upstream.resources or "{" in uri:
        return uri, {"uri": uri, **arguments}
    described = [(name, values) for name in upstream.resources if (values := _values(name, uri)) is not None]
    if len(described) > 1:
        several = ", ".join(name for name, _ in described)
        raise OperatorError(f"`{uri}` is described by several templates of the registry: {several}")
    if not described:
        return uri, {"uri": uri, **arguments}
    ((name, values),) = described
    return name, {**values, "uri": uri, **arguments}


def _values(template: str, uri: str) -> Mapping[str, Any] | None:
    try:
        return match(parse(template), uri)
    except ValueError:
        return None


def _about(entry: CaseEntry) -> tuple[str, str]:
    """The type of id, and what was written."""
    given = {"tool": entry.tool, "prompt": entry.prompt, "resource": entry.resource}
    return next((object_type, text) for object_type, text in given.items() if text is not None)


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
    object_type, text = _about(entry)
    asked = f"{entry.principal.user} through {entry.principal.agent} {_DOES[object_type]} {text}"
    return Verdict(suite.path, case.line, entry.name, kind, asked, expected, found, error)
