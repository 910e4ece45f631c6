"""What an agent may use, for whom, until when."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mcp_gateway.administration import Level
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.cli.terminal import when
from mcp_gateway.storage.grants import GrantRow

app = typer.Typer(help="What an agent may use, for whom, until when.", no_args_is_help=True)

_EVERYONE = "user:*"


@command(app, "add")
async def add(
    desk: Desk,
    agent: Annotated[str, typer.Option("--agent", help="Its client id, such as docs-assistant.")],
    on: Annotated[str, typer.Option("--on", help="server:NAME, tool:SERVER/NAME, or a resource TYPE:SERVER/ID.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the grant and in the audit.")],
    access: Annotated[
        Level | None,
        typer.Option("--access", help="On a server or resource; default: read. write excludes destructive."),
    ] = None,
    audience: Annotated[
        str, typer.Option("--for", help="user:NAME, group:NAME, role:NAME; default: every user who has access.")
    ] = _EVERYONE,
    until: Annotated[str | None, typer.Option("--until", help="30d, 12h, or an ISO 8601 moment.")] = None,
) -> None:
    """Let an agent use a server, tool or resource for users who may use it themselves and let the agent act."""
    whom, what, who = arguments.subject(audience), arguments.thing(on), arguments.agent(agent)
    end = arguments.until(until, now=time.time())
    grant = await desk.office.administration.grant_add(
        who, what, level=access, audience=whom, until=end, reason=reason, granted_by=desk.actor
    )
    await note_strangers(desk, agent=who, user=whom, on=what)
    desk.terminal.answer(
        {"id": grant, "agent": who, "on": what, "audience": whom, "expires_at": end},
        grant,
        f"{who} may use {what} for {whom}{f' until {when(end)}' if end else ''}",
    )


@command(app, "list")
async def list_(
    desk: Desk,
    agent: Annotated[str | None, typer.Option("--agent", help="Only of this agent.")] = None,
    audience: Annotated[str | None, typer.Option("--for", help="Only with exactly this audience.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
) -> None:
    """List the grants in force."""
    rows = await desk.office.administration.grant_list(
        agent=arguments.agent(agent) if agent else None, audience=arguments.subject(audience) if audience else None
    )
    now = time.time()
    shown = [row for row in rows if every or _state(row, now) == "active"]
    desk.terminal.table(
        [_plain(row, now) for row in shown],
        ("id", "agent", "may", "for", "until", "by", "reason", "state"),
        [_cells(row, now) for row in shown],
        empty="no grant is like this; see mcp-gateway grant list --all"
        if agent or audience
        else "no agent has a grant; see mcp-gateway grant add --help",
    )


@command(app, "revoke")
async def revoke(desk: Desk, grant: Annotated[str, typer.Argument(help="The grant's id.")]) -> None:
    """End a grant; the next call is decided without it."""
    identifier = f"grant:{grant.removeprefix('grant:')}"
    changed = await desk.office.administration.grant_revoke(identifier, actor=desk.actor)
    desk.terminal.answer(
        {"id": identifier, "changed": changed}, f"{identifier} {'is revoked' if changed else 'was revoked before'}"
    )


def _state(row: GrantRow, now: float) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


def _cells(row: GrantRow, now: float) -> tuple[str, ...]:
    covers = "\n".join(f"{target.relation} {target.object}" for target in row.targets)
    return (
        row.id,
        row.agent,
        covers,
        row.audience,
        when(row.expires_at),
        row.granted_by,
        row.reason,
        _state(row, now),
    )


def _plain(row: GrantRow, now: float) -> dict[str, object]:
    return {
        "id": row.id,
        "agent": row.agent,
        "targets": [{"relation": target.relation, "object": target.object} for target in row.targets],
        "audience": row.audience,
        "granted_by": row.granted_by,
        "reason": row.reason,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "revoked_by": row.revoked_by,
        "state": _state(row, now),
    }
