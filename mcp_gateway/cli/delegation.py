"""Which users let which agents act for them."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.cli.terminal import Declined

app = typer.Typer(help="Which users let which agents act for them.", no_args_is_help=True)


@command(app, "add")
async def add(
    desk: Desk,
    user: Annotated[str, typer.Option("--user", help="Who is acted for: a user, or group:NAME.")],
    agent: Annotated[str, typer.Option("--agent", help="Which agent.")],
    until: Annotated[str | None, typer.Option("--until", help="30d, 12h, or an ISO 8601 moment.")] = None,
) -> None:
    """Let an agent act for a user who cannot sign in through it, such as a service account."""
    who, which = arguments.subject(user), arguments.agent(agent)
    ends = arguments.until(until, now=time.time())
    changed = await desk.office.administration.delegation_add(who, which, until=ends, actor=desk.actor)
    await note_strangers(desk, user=who, agent=which)
    said = f"{which} may act for {who}, and use nothing yet; next: mcp-gateway grant add --agent {agent} --help"
    desk.terminal.answer({"user": who, "agent": which, "changed": changed}, said)


@command(app, "list")
async def list_(
    desk: Desk,
    user: Annotated[str | None, typer.Option("--user", help="Only of this user.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only of this agent.")] = None,
) -> None:
    """List who lets which agent act; users begin one by signing in through the agent."""
    rows = await desk.office.administration.delegation_list(
        user=arguments.subject(user) if user else None, agent=arguments.agent(agent) if agent else None
    )
    desk.terminal.table(
        [asdict(row) for row in rows],
        ("user", "agent", "until", "state"),
        [(row.user, row.agent, row.expires_at or "-", row.state) for row in rows],
        empty="no user lets an agent act yet; a user does so by signing in through it",
    )


@command(app, "end")
async def end_(
    desk: Desk,
    user: Annotated[str | None, typer.Option("--user", help="Whose; alone: of all their agents.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="To which agent; alone: of all users.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before ending several.")] = False,
) -> None:
    """Stop an agent acting for a user, and end what the user granted it; with one of both, for all of the other."""
    who, which = arguments.subject(user) if user else None, arguments.agent(agent) if agent else None
    if who is None or which is None:
        await _end_several(desk, who, which, yes=yes)
        return
    changed = await desk.office.administration.delegation_end(who, which, actor=desk.actor)
    said = f"{which} no longer acts for {who}" if changed else f"{which} did not act for {who}"
    desk.terminal.answer({"user": who, "agent": which, "changed": changed}, said)


async def _end_several(desk: Desk, user: str | None, agent: str | None, *, yes: bool) -> None:
    rows = await desk.office.administration.delegation_list(user=user, agent=agent)
    if (user or agent) and rows and not yes and not desk.terminal.agreed(f"End {len(rows)} delegations?"):
        raise Declined("nothing was ended; --yes does not ask")
    ended = await desk.office.administration.delegations_end(user=user, agent=agent, actor=desk.actor)
    desk.terminal.answer(
        {"ended": [{"user": whose, "agent": which} for whose, which in ended]},
        *(f"{which} no longer acts for {whose}" for whose, which in ended),
        f"{len(ended)} delegations are ended",
    )
