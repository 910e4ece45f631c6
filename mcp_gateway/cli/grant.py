"""What an agent may use, for whom, until when."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from mcp_gateway.administration import Level
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.cli.terminal import Declined, when
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.grants import GrantRow

app = typer.Typer(help="What an agent may use, for whom, until when.", no_args_is_help=True)

_EVERYONE = "user:*"

Id = Annotated[str, typer.Argument(help="The grant's id.")]


class State(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@command(app, "add")
async def add(
    desk: Desk,
    agent: Annotated[str, typer.Option("--agent", help="Its client id, such as docs-assistant.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the grant and in the audit.")],
    on: Annotated[
        str | None,
        typer.Option("--on", help="Any id: server:NAME, tool:SERVER/NAME, or what calls name, TYPE:SERVER/ID."),
    ] = None,
    server: Annotated[str | None, typer.Option("--server", help="Instead of --on: a whole server, NAME.")] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="Instead: one tool, SERVER/NAME.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Instead: one prompt, SERVER/NAME.")] = None,
    resource: Annotated[
        str | None, typer.Option("--resource", help="Instead: one resource or template, SERVER/URI.")
    ] = None,
    access: Annotated[
        Level | None,
        typer.Option("--access", help="On a server or on what calls name; default: read. write excludes destructive."),
    ] = None,
    audience: Annotated[
        str,
        typer.Option(
            "--for", help="user:NAME, group:NAME, role:NAME, tenant:NAME; default: every user who has access."
        ),
    ] = _EVERYONE,
    until: Annotated[str | None, typer.Option("--until", help="30d, 12h, or an ISO 8601 moment.")] = None,
) -> None:
    """Let an agent use a server, or one thing of it, for users who may use it themselves and let the agent act."""
    what = _covered({"on": on, "server": server, "tool": tool, "prompt": prompt, "resource": resource})
    whom, who = arguments.subject(audience), arguments.agent(agent)
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
    on: Annotated[str | None, typer.Option("--on", help="Only those that cover exactly this.")] = None,
    state: Annotated[State, typer.Option("--state", help="In which state.")] = State.ACTIVE,
    every: Annotated[bool, typer.Option("--all", help="In any state.")] = False,
) -> None:
    """List the grants in force, or those that ended."""
    rows = await desk.office.administration.grant_list(
        agent=arguments.agent(agent) if agent else None,
        audience=arguments.subject(audience) if audience else None,
        on=arguments.thing(on) if on else None,
        state=None if every else state.value,
    )
    now = time.time()
    desk.terminal.table(
        [_plain(row, now) for row in rows],
        ("id", "agent", "may", "for", "until", "by", "reason", "state"),
        [_cells(row, now) for row in rows],
        empty="no grant is like this; see mcp-gateway grant list --all"
        if agent or audience or on or state is not State.ACTIVE
        else "no agent has a grant; see mcp-gateway grant add --help",
    )


@command(app, "show")
async def show(desk: Desk, grant: Id) -> None:
    """Show one grant, also when it has ended."""
    row = await desk.office.administration.grant_show(_id(grant))
    now = time.time()
    covers = [f"may {target.relation} on {target.object}" for target in row.targets]
    desk.terminal.answer(
        _plain(row, now),
        f"{row.id} is {row.state(now)}",
        f"{row.agent} for {row.audience}",
        *covers,
        f"granted by {row.granted_by} on {when(row.created_at)}: {row.reason}",
        f"until {when(row.expires_at)}" if row.expires_at is not None else "until it is revoked",
        *([f"revoked by {row.revoked_by} on {when(row.revoked_at)}"] if row.revoked_at is not None else []),
    )


@command(app, "extend")
async def extend(
    desk: Desk,
    grant: Id,
    until: Annotated[str, typer.Option("--until", help="30d, 12h, an ISO 8601 moment, or `revoked` for no end.")],
) -> None:
    """Move the end of a grant in force, later or earlier."""
    end = None if until == "revoked" else arguments.until(until, now=time.time())
    row = await desk.office.administration.grant_extend(_id(grant), until=end, actor=desk.actor)
    said = f"{row.id} ends {when(end)}" if end is not None else f"{row.id} holds until it is revoked"
    desk.terminal.answer(_plain(row, time.time()), said)


@command(app, "revoke")
async def revoke(
    desk: Desk,
    grant: Annotated[str | None, typer.Argument(help="The grant's id.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Instead: every grant of this agent.")] = None,
    audience: Annotated[str | None, typer.Option("--for", help="Instead: every grant with this audience.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before ending several.")] = False,
) -> None:
    """End a grant, or all of an agent or an audience; the next call is decided without them."""
    if grant is not None and (agent or audience):
        raise OperatorError("name one grant, or an agent and an audience, not both", where="grant revoke")
    if grant is None:
        await _revoke_several(desk, agent, audience, yes=yes)
        return
    identifier = _id(grant)
    changed = await desk.office.administration.grant_revoke(identifier, actor=desk.actor)
    desk.terminal.answer(
        {"id": identifier, "changed": changed}, f"{identifier} {'is revoked' if changed else 'was revoked before'}"
    )


async def _revoke_several(desk: Desk, agent: str | None, audience: str | None, *, yes: bool) -> None:
    of = arguments.agent(agent) if agent else None
    whom = arguments.subject(audience) if audience else None
    rows = await desk.office.administration.grant_list(agent=of, audience=whom, state="active")
    if (of or whom) and rows and not yes and not desk.terminal.agreed(f"Revoke {len(rows)} grants?"):
        raise Declined("nothing was revoked; --yes does not ask")
    gone = await desk.office.administration.grants_revoke(agent=of, audience=whom, actor=desk.actor)
    desk.terminal.answer({"revoked": gone}, *gone, f"{len(gone)} grants are revoked")


def _covered(given: Mapping[str, str | None]) -> str:
    """The one thing that was named, by whichever option."""
    named = [(option, text) for option, text in given.items() if text is not None]
    if len(named) != 1:
        raise OperatorError("name one thing: --on, --server, --tool, --prompt or --resource", where="grant add")
    ((option, text),) = named
    if option == "on":
        return arguments.thing(text)
    return (
        arguments.thing(f"server:{text.removeprefix('server:')}")
        if option == "server"
        else arguments.item(option, text)
    )


def _id(text: str) -> str:
    return f"grant:{text.removeprefix('grant:')}"


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
        row.state(now),
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
        "state": row.state(now),
    }
