"""Every reason code, with what a caller may read and what an operator can do about it: a closed list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    sentence: str
    """Public; names no rule."""
    remedy: str
    """For operators."""


REASONS: dict[str, Meaning] = {
    # what a decision says (operators and audit only)
    "access.allowed": Meaning("Allowed.", ""),
    "user.not_allowed": Meaning(
        "This tool is not available.", "Give the user access: mcp-gateway access add USER caller server:NAME"
    ),
    "agent.not_granted": Meaning(
        "This tool is not available.",
        "Grant the agent: mcp-gateway grant add --agent A --on tool:SERVER/NAME --reason R",
    ),
    "agent.not_delegated": Meaning(
        "This tool is not available.",
        "The user signs in through the agent and consents; see mcp-gateway delegation list",
    ),
    "tool.not_available": Meaning(
        "This tool is not available.", "Approve and enable it: mcp-gateway server approve NAME"
    ),
    "tool.unknown": Meaning("This tool is not available.", "See mcp-gateway server show NAME"),
    "server.unavailable": Meaning("This server is not available.", "See mcp-gateway server list"),
    "tool.unavailable": Meaning("This tool is not available.", "mcp-gateway explain names the missing side"),
    "prompt.unavailable": Meaning("This prompt is not available.", "mcp-gateway explain names the missing side"),
    "resource.unavailable": Meaning("This resource is not available.", "mcp-gateway explain names the missing side"),
    "task.unknown": Meaning("There is no such task.", ""),
    "kind.not_modelled": Meaning(
        "This is not available.",
        "The relationship model does not govern this kind: policies/gateway.fga shows how; see mcp-gateway policy validate",
    ),
    "user.disabled": Meaning("This tool is not available.", "See mcp-gateway disabled; mcp-gateway user enable NAME"),
    "agent.disabled": Meaning("This tool is not available.", "See mcp-gateway disabled; mcp-gateway agent enable ID"),
    "server.disabled": Meaning(
        "This tool is not available.", "See mcp-gateway disabled; mcp-gateway server enable NAME"
    ),
    "tool.disabled": Meaning(
        "This tool is not available.", "See mcp-gateway disabled; mcp-gateway tool enable SERVER/NAME"
    ),
    "resource.user_not_allowed": Meaning(
        "You may not use the resource this call names.", "Give the user access to the resource"
    ),
    "resource.agent_not_granted": Meaning(
        "You may not use the resource this call names.",
        "Grant the agent on the resource: mcp-gateway grant add --on TYPE:SERVER/ID",
    ),
    "resource.denied": Meaning(
        "You may not use the resource this call names.", "mcp-gateway explain --arguments names the missing side"
    ),
    "resource.unidentified": Meaning(
        "The call does not name its resource unambiguously.",
        "The arguments must carry what the tool's resource rule points at",
    ),
    "access.observed": Meaning(
        "Allowed.", "It is only observed; set mode: enforce where `observed` names nothing that should be allowed"
    ),
    "role.not_held": Meaning(
        "This tool is not available.", "Give the user the role: mcp-gateway access add USER assignee role:NAME"
    ),
    "rule.denied": Meaning("This call is not allowed as it stands.", "See the rule of that id in policies/rules"),
    "rule.undecidable": Meaning(
        "This call is not allowed as it stands.",
        "The rule of that id needs an attribute that is not known, or met a value it cannot compare",
    ),
    "scope.insufficient": Meaning(
        "The token lacks a scope this tool needs.", "The agent asks for the scope named in the challenge"
    ),
    "relationship.unknown": Meaning(
        "Authorization could not be decided.", "A question stayed unanswered; see the gateway's log"
    ),
    "relationship.stale": Meaning(
        "Authorization cannot be decided now; try again.",
        "The replica has not heard from the relationship server for too long; see the gateway's log",
    ),
    "relationship.in_context_stored": Meaning(
        "Authorization could not be decided.", "Delete the stored in_context tuple; nobody may write one"
    ),
    "relationship.wrong_store": Meaning(
        "Authorization could not be decided.",
        "Compare relationships.url and store_id with the server: mcp-gateway relationships status; a new store: mcp-gateway relationships publish --new-store",
    ),
    "relationship.wrong_model": Meaning(
        "Authorization could not be decided.",
        "The relationship server lacks the policies' model: mcp-gateway relationships publish",
    ),
    "decision.silent": Meaning("Authorization could not be decided.", "Nothing was asked"),
    "obligation.unhandled": Meaning("This tool is not available.", "A guard for the obligation is missing"),
    # what a request can be refused with
    "token.missing": Meaning("Sign in: a bearer token is needed.", ""),
    "token.invalid": Meaning("The access token is not valid.", ""),
    "token.expired": Meaning("The access token has expired.", ""),
    "token.wrong_audience": Meaning(
        "The access token is not for this endpoint.", "Request it with resource=<endpoint URL>"
    ),
    "token.revoked": Meaning("The access token was revoked.", ""),
    "access.ended": Meaning(
        "The right to this call ended while it ran.", "The audit's call.ended record of this request says why"
    ),
    "gateway.disabled": Meaning(
        "The operator has stopped this gateway.", "See mcp-gateway disabled; mcp-gateway gateway enable"
    ),
    "gateway.stopping": Meaning("The gateway is stopping; try again.", "It was told to stop: SIGTERM or Ctrl-C"),
    "request.malformed": Meaning("The request is malformed.", ""),
    "request.too_large": Meaning("The request is too large.", ""),
    "request.too_slow": Meaning("The request did not arrive in time.", ""),
    "request.media_type": Meaning("The body must be application/json.", ""),
    "resource.not_watchable": Meaning("The server of this resource tells of no changes.", ""),
    "request.not_acceptable": Meaning("The Accept header must allow an event stream.", ""),
    "request.unknown_path": Meaning("There is nothing at this path.", ""),
    "request.wrong_verb": Meaning("This HTTP method is not supported here.", ""),
    "request.header_mismatch": Meaning("A header does not match the request body.", ""),
    "request.origin_refused": Meaning("This origin or host is not allowed.", "Add the URL to public_urls"),
    "request.unsupported_version": Meaning("This protocol version is not supported.", ""),
    "request.missing_capability": Meaning("The client lacks a capability this request needs.", ""),
    "request.unknown_method": Meaning("This method is not supported.", ""),
    "request.cancelled": Meaning("The request was cancelled.", ""),
    "caller.declined": Meaning("The client did not answer what it was asked.", ""),
    "session.missing": Meaning("A session id is needed.", ""),
    "session.unknown": Meaning("The session is unknown; initialize again.", ""),
    "grant.unknown": Meaning("There is no such grant, or it is not yours to end.", ""),
    "cursor.invalid": Meaning("The cursor is not valid.", ""),
    "state.invalid": Meaning("The request state is not valid; make the request again without it.", ""),
    "arguments.invalid": Meaning("The arguments do not fit the tool's input schema.", ""),
    "limit.concurrency": Meaning("Too many calls at once; try again.", ""),
    "limit.streams": Meaning("Too many event streams are open; close one.", ""),
    "limit.subscriptions": Meaning("Too many resources are watched; unsubscribe from some.", ""),
    "limit.overload": Meaning("The gateway is busy; try again.", ""),
    "authorization.unavailable": Meaning(
        "Authorization cannot be decided now; try again.", "See the gateway's log: the relationship store or model"
    ),
    "audit.unavailable": Meaning(
        "The call cannot be recorded, so it was not made.", "Free disk space or repair the audit directory"
    ),
    "upstream.unavailable": Meaning("The server behind this tool is not reachable.", "mcp-gateway server show NAME"),
    "upstream.timeout": Meaning("The server behind this tool did not answer in time.", ""),
    "upstream.protocol_error": Meaning("The server behind this tool answered with something that is not MCP.", ""),
    "upstream.outcome_unknown": Meaning(
        "The connection to the tool's server broke; whether it acted is unknown.",
        "Look at the upstream before calling again",
    ),
    "internal.error": Meaning("Internal error.", "Search the gateway's log for the request id"),
}


def sentence(code: str) -> str:
    return REASONS[code].sentence
