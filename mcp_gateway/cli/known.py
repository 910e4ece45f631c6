"""Say so when a name on the command line is one nobody has heard of: it may be early, or a typing error."""

from __future__ import annotations

from mcp_gateway.cli.desk import Desk


async def note_strangers(
    desk: Desk, *, user: str | None = None, agent: str | None = None, on: str | None = None
) -> None:
    """Note local users, local agents and servers that do not exist (yet)."""
    administration = desk.office.administration
    if user and user.startswith("user:local/") and user not in {row.id for row in await administration.user_list()}:
        desk.terminal.note(f"note: there is no {user} yet; see mcp-gateway user add")
    if (
        agent
        and agent.startswith("agent:local/")
        and agent not in {row.id for row in await administration.agent_list()}
    ):
        desk.terminal.note(f"note: there is no {agent} yet; see mcp-gateway agent list")
    server = _server_of(on) if on else None
    if server and server not in {row.name for row in await administration.server_rows()}:
        desk.terminal.note(f"note: no server {server} was discovered yet; see mcp-gateway server list")


def _server_of(on: str) -> str | None:
    """The server part of `server:NAME` and `TYPE:NAME/ID`; other ids have none."""
    kind, _, rest = on.partition(":")
    name, separator, _ = rest.partition("/")
    return name if separator or kind == "server" else None
