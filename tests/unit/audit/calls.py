"""One governed call for tests of the audit: who, what, the decision, and upstreams that answer in every way."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.audit import Journal, Record, Trail
from mcp_gateway.model.call import Answer, Caller, Era, Forward, Permit, Request
from mcp_gateway.model.decision import Check, Decision, Effect, Reason
from mcp_gateway.model.ids import agent_id, tool_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import ReviewState, Risk, Tool
from tests.support.callers import Nobody

MIRA = Principal(
    user_id("local", "mira"),
    agent_id("local", "docs"),
    frozenset({"mcp:read"}),
    "http://gw/mcp",
    "jti-1",
    2_000_000_000,
)
OK = Answer({"content": [{"type": "text", "text": "done"}]}, None, Era.MODERN)
TOOL_ERROR = Answer({"content": [], "isError": True}, None, Era.MODERN)
JSONRPC_ERROR = Answer(None, {"code": -32050, "message": "no"}, Era.MODERN)
ARGUMENTS = {"id": "T-391", "note": "hunter2"}
ALLOWED = Decision(
    Effect.ALLOW,
    (Reason("access.allowed"),),
    answers={
        Check("user:local/mira", "can_call", "tool:tickets/get"): True,
        Check("user:local/mira", "can_read", "ticket:tickets/T-391"): True,
    },
    revision=7,
    model_id="m-1",
)
DENIED = Decision(
    Effect.DENY,
    (Reason("agent.not_granted", "agent:local/docs"),),
    answers={Check("user:local/mira", "can_call", "tool:tickets/get"): False},
    revision=8,
    model_id="m-1",
)


def request(identifier: str = "r-1") -> Request:
    return Request(identifier, Era.MODERN, "2026-07-28", None, None, {}, None)


def tool(risk: Risk = Risk.READ) -> Tool:
    identifier = tool_id("tickets", "get")
    return Tool(identifier, "tickets", "get", "tickets__get", risk, ReviewState.APPROVED, "d" * 64, {"name": "get"}, ())


def permit(risk: Risk = Risk.READ, identifier: str = "r-1") -> Permit:
    return Permit(request(identifier), MIRA, tool(risk), ARGUMENTS, ALLOWED)


nobody_listens = Nobody()


def answering(answer: Answer) -> Forward:
    async def forward(permit: Permit, caller: Caller) -> Answer:
        return answer

    return forward


def failing(error: BaseException) -> Forward:
    async def forward(permit: Permit, caller: Caller) -> Answer:
        raise error

    return forward


async def call(
    journal: Journal, forward: Forward | None = None, *, risk: Risk = Risk.READ, identifier: str = "r-1"
) -> Answer:
    """What the gateway does with an admitted call."""
    async with journal.entry(request(identifier), "tools/call", MIRA, ARGUMENTS) as entry:
        entry.tool = tool(risk)
        entry.decision = ALLOWED
        recorded = entry.recorded(forward or answering(OK))
        return await recorded(permit(risk, identifier), nobody_listens)


def written(directory: Path) -> list[Record]:
    """Every record of the one writer, in order."""
    return sorted(Trail(directory).newest(), key=lambda record: int(record["seq"]))


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())
