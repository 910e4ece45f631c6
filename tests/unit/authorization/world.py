"""A small company to decide about: Mira, her agent, a ticket server, and the tuples that make a call allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, Visible, load_model
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.ids import AgentId, ToolId, UserId, encode, tool_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, ResourceRule, ReviewState, Risk, Tool
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

MODEL = load_model(Path(__file__).parents[3] / "policies")
NOW = 1_800_000_000.0
LATER = "2027-01-15T08:10:00Z"
"""Ten minutes after NOW."""
LATER_SECONDS = NOW + 600

MIRA = UserId("user:local/mira")
AGENT = AgentId("agent:local/docs")
READ = frozenset({"mcp:read"})
WRITE = frozenset({"mcp:write"})

RISK_FACT = {Risk.READ: "read_only", Risk.WRITE: "writable"}


def mira(scopes: frozenset[str] = READ | WRITE, *, user: UserId = MIRA, agent: AgentId = AGENT) -> Principal:
    return Principal(user, agent, scopes, audience="http://127.0.0.1:8000/mcp", token_id="t", expires_at=0)


def tool(
    name: str = "ticket_get",
    risk: Risk = Risk.READ,
    *,
    state: ReviewState = ReviewState.APPROVED,
    resources: tuple[ResourceRule, ...] = (),
    digest: str = "d1",
) -> Tool:
    exposed = f"tickets__{name}"
    return Tool(tool_id("tickets", name), "tickets", name, exposed, risk, state, digest, {}, resources)


def item(
    kind: Kind,
    name: str,
    risk: Risk = Risk.READ,
    *,
    state: ReviewState = ReviewState.APPROVED,
    resources: tuple[ResourceRule, ...] = (),
) -> Tool:
    """A prompt, resource or template of the ticket server, as the catalog has it."""
    object_type = "prompt" if kind is Kind.PROMPT else "resource"
    identifier = ToolId(f"{object_type}:tickets/{encode(name)}")
    return Tool(identifier, "tickets", name, name, risk, state, "d1", {}, resources, kind=kind)


PROMPT = item(Kind.PROMPT, "triage")
RESOURCE = item(Kind.RESOURCE, "ticket://open")
TEMPLATE = item(Kind.TEMPLATE, "ticket://{id}")


def on_ticket(relation: str = "can_read", pointer: str = "/ticket") -> tuple[ResourceRule, ...]:
    return (ResourceRule(relation, "ticket", pointer, None),)


def row(
    text: str,
    *,
    expires_at: str | None = None,
    condition: str = "grant_expiry",
    context: Mapping[str, Any] | None = None,
) -> RelationshipTuple:
    """`user:local/mira reader server:tickets`."""
    subject, relation, object_ = text.split(" ")
    if expires_at is not None:
        context = {"expires_at": expires_at}
    return RelationshipTuple(object_, relation, subject, None if context is None else Condition(condition, context))


def facts(*tools: Tool) -> list[RelationshipTuple]:
    """What the review writes for tools that are approved."""
    found = [row("user:* enabled server:tickets")]
    for one in tools:
        found += [row(f"server:tickets server {one.id}"), row(f"user:* enabled {one.id}")]
        if one.risk in RISK_FACT:
            found.append(row(f"user:* {RISK_FACT[one.risk]} {one.id}"))
    return found


def allowed_rows(*tools: Tool) -> list[RelationshipTuple]:
    """Everything Mira's agent needs to use every tool, on tickets T-1 and T-2, and nothing more."""
    return [
        *facts(*tools),
        row(f"{MIRA} caller server:tickets"),
        row(f"{MIRA} delegator {AGENT}"),
        row(f"{AGENT}#acting_for agent_caller server:tickets"),
        *(row(f"server:tickets server ticket:tickets/{name}") for name in ("T-1", "T-2")),
        *(row(f"{MIRA} editor ticket:tickets/{name}") for name in ("T-1", "T-2")),
    ]


def authorization(rows: Iterable[RelationshipTuple], *, cached_decisions: int = 100) -> Authorization:
    relationships = EmbeddedRelationships(MODEL)
    relationships.replace(rows, revision=1)
    return Authorization(relationships, cached_decisions=cached_decisions)


async def decide(
    rows: Iterable[RelationshipTuple],
    tool: Tool,
    arguments: Mapping[str, Any] | None = None,
    *,
    principal: Principal | None = None,
    now: float = NOW,
) -> Decision:
    return await authorization(rows).decide(principal or mira(), tool, arguments or {}, now=now)


async def visible(
    rows: Iterable[RelationshipTuple], tools: list[Tool], *, principal: Principal | None = None
) -> Visible:
    return await authorization(rows).visible(principal or mira(), tools, now=NOW)


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]
