"""The agents (OAuth clients) that users sign in through."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_gateway.authserver import redirects
from mcp_gateway.cli import arguments, switch
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.terminal import when

app = typer.Typer(help="The agents users sign in through.", no_args_is_help=True)


@command(app, "add")
async def add(
    desk: Desk,
    client_id: Annotated[
        str, typer.Argument(help="A stable id of 1 to 64 letters, digits, dots, dashes, underscores.")
    ],
    redirect_uri: Annotated[
        list[str], typer.Option("--redirect-uri", help="Where sign-ins return to; on loopback any port counts.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Shown on the consent page; default: the id.")] = None,
) -> None:
    """Register an agent with a stable id."""
    for uri in redirect_uri:
        redirects.check(uri)
    agent = await desk.office.administration.agent_add(
        client_id, redirect_uris=redirect_uri, name=name, actor=desk.actor
    )
    desk.terminal.answer(
        {"id": agent, "client_id": client_id},
        f"{agent} is registered; next: mcp-gateway grant add --agent {client_id} --on server:NAME --reason R",
    )


@command(app, "list")
async def list_(desk: Desk) -> None:
    """List the agents that are configured, were added or have registered themselves."""
    rows = await desk.office.administration.agent_list()
    desk.terminal.table(
        [
            {
                "id": row.id,
                "client_id": row.client_id,
                "name": row.name,
                "kind": row.kind,
                "state": row.state,
                "created_at": row.created_at,
                "last_used_at": row.last_used_at,
            }
            for row in rows
        ],
        ("id", "name", "kind", "state", "last sign-in"),
        [(row.id, row.name, row.kind, row.state, when(row.last_used_at)) for row in rows],
        empty="no agent is known yet; agents register themselves at their first sign-in",
    )


switch.register(app, "agent", arguments.agent)
