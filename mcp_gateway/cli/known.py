"""Say so when a name on the command line is one nobody has heard of: it may be early, or a typing error."""

from __future__ import annotations

from mcp_gateway.cli.desk import Desk
from mcp_gateway.model.ids import ToolId

_OFFERED = ("tool:", "prompt:", "resource:")
_DESCRIBED = "; what a template describes goes by the template"


async def note_strangers(
    desk: Desk, *, user: str | None = None, agent: str | None = None, on: str | None = None
) -> None:
    """Note local users, local agents, empty stored groups, servers and what they offer that do not exist (yet)."""
    administration = desk.office.administration
    if user and user.startswith("user:local/") and user not in {row.id for row in await administration.user_list()}:
        desk.terminal.note(f"note: there is no {user} yet; see mcp-gateway user add")
    if (
        agent
        and agent.startswith("agent:local/")
        and agent not in {row.id for row in await administration.agent_list()}
    ):
        desk.terminal.note(f"note: there is no {agent} yet; see mcp-gateway agent list")
    if user and (empty := await _empty(desk, user)):
        kind, _, name = empty.partition(":")
        desk.terminal.note(f"note: nobody belongs to {empty} yet; see mcp-gateway {kind} add-member {name}")
    server = _server_of(on) if on else None
    if server and server not in {row.name for row in await administration.server_rows()}:
        desk.terminal.note(f"note: no server {server} was discovered yet; see mcp-gateway server list")
    elif server and on and on.startswith(_OFFERED) and on not in await _offered(desk, server):
        also = _DESCRIBED if on.startswith("resource:") else ""
        desk.terminal.note(f"note: no {on} was discovered yet{also}; see mcp-gateway server show {server}")


async def _empty(desk: Desk, subject: str) -> str | None:
    """The stored group, role or tenant whose members are meant, when it has none; an issuer's are in the tokens."""
    kind, _, rest = subject.partition(":")
    name, _, relation = rest.partition("#")
    if kind not in {"group", "role", "tenant"} or "/" in name:
        return None
    rows = await desk.office.administration.access_list(relation=relation or None, object=f"{kind}:{name}")
    return None if rows else f"{kind}:{name}"


async def _offered(desk: Desk, server: str) -> set[ToolId]:
    return {row.id for row in await desk.office.administration.tool_rows(server)}


def _server_of(on: str) -> str | None:
    """The server part of `server:NAME` and `TYPE:NAME/ID`; other ids have none."""
    kind, _, rest = on.partition(":")
    name, separator, _ = rest.partition("/")
    return name if separator or kind == "server" else None
