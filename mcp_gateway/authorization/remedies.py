"""What would change a denial: a command with the real ids filled in, ready to paste. Pure; promises nothing.

The smallest step is named: one tool rather than its server, this user rather than everybody, for a month.
"""

from __future__ import annotations

import shlex

from mcp_gateway.authorization.kinds import GOVERNED
from mcp_gateway.model.decision import Reason
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.reasons import REASONS
from mcp_gateway.model.tool import Kind, ReviewState, Tool

_DURATION = "30d"
_REVIEWABLE = frozenset({ReviewState.PENDING, ReviewState.CHANGED})


def remedy(reason: Reason, *, principal: Principal, tool: Tool | None = None) -> str:
    """A command line, or a sentence where no command helps; empty when nothing would."""
    user, agent = said(principal.user), said(principal.agent)
    subject, _, rest = reason.evidence.partition(" ")
    relation, _, object_ = rest.partition(" ")
    match reason.code:
        case "user.not_allowed" if tool is not None:
            return access_command(principal.user, tool)
        case "agent.not_granted" if tool is not None:
            return _granted(agent, tool.id, user)
        case "agent.not_delegated":
            return _command("delegation", "add", "--user", user, "--agent", agent)
        case "resource.user_not_allowed" if subject == principal.user and object_:
            return _command("access", "add", user, relation, object_)
        case "resource.agent_not_granted" if object_:
            return _granted(agent, object_, user, access="write" if relation.endswith("_writer") else "read")
        case "tool.not_available" if tool is not None:
            return _reviewed(tool)
        case "scope.insufficient":
            return f"{agent} asks for the scope {reason.evidence}, and {user} signs in through it again"
        case "resource.unidentified" if tool is not None:
            return f"call it with {_pointers(tool)} naming one resource"
        case "role.not_held" if object_:
            return _command("access", "add", user, relation, object_)
        case "rule.denied" | "rule.undecidable":
            return f"see the rule {reason.evidence} in the policies; mcp-gateway policy diff tries a change of it"
        case "user.disabled":
            return _command("user", "enable", user)
        case "agent.disabled":
            return _command("agent", "enable", agent)
        case "server.disabled" if tool is not None:
            return _command("server", "enable", tool.server)
        case "tool.disabled" if tool is not None:
            return _command(GOVERNED[tool.kind].type, "enable", f"{tool.server}/{tool.name}")
        case _:
            return REASONS[reason.code].remedy


def access_command(user: str, tool: Tool) -> str:
    """What an administrator runs to give a user one tool, prompt or resource."""
    return _command("access", "add", said(user), GOVERNED[tool.kind].direct_user, tool.id)


def said(identifier: str) -> str:
    """`user:local/mira` as the command line takes it: `mira`; ids of other issuers stay whole."""
    kind, _, rest = identifier.partition(":")
    if kind not in {"user", "agent"} or not rest.startswith("local/"):
        return identifier
    name = rest.removeprefix("local/")
    # A name with a slash would be read as issuer and name.
    return identifier if "/" in name else name


def _granted(agent: str, on: str, user: str, *, access: str | None = None) -> str:
    level = ("--access", access) if access else ()
    audience = user if user.startswith("user:") else f"user:{user}"
    return _command(
        "grant", "add", "--agent", agent, "--on", on, *level, "--for", audience, "--until", _DURATION,
        "--reason", f"asked for by {user}",
    )  # fmt: skip


def _reviewed(tool: Tool) -> str:
    if tool.state in _REVIEWABLE:
        name = tool.name if tool.kind is Kind.TOOL else f"{GOVERNED[tool.kind].type}:{tool.name}"
        return _command("server", "approve", tool.server, name)
    if tool.state is ReviewState.APPROVED:
        return _command("server", "show", tool.server)
    return f"it is {tool.state}; its server must change: " + _command("server", "show", tool.server)


def _pointers(tool: Tool) -> str:
    return ", ".join(dict.fromkeys(rule.pointer or rule.template or "" for rule in tool.resources)) or "arguments"


def _command(*words: str) -> str:
    return shlex.join(("mcp-gateway", *words))
