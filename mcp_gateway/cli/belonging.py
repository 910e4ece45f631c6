"""Stored groups, roles and tenants: who belongs to them. Those with a slash in their name come from token claims."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers

Name = Annotated[str, typer.Argument(help="Its name, such as support.")]
Member = Annotated[str, typer.Argument(help="A user, or group:NAME for everybody in that group.")]
Until = Annotated[str | None, typer.Option("--until", help="30d, 12h, or an ISO 8601 moment; only roles can end.")]


def app_for(kind: str, relation: str) -> typer.Typer:
    """The commands of one kind; `relation` is how the relationship model says that somebody belongs to it."""
    app = typer.Typer(help=f"Stored {kind}s and who belongs to them.", no_args_is_help=True)

    @command(app, "add-member")
    async def add_member(desk: Desk, name: Name, member: Member, until: Until = None) -> None:
        """Make somebody belong to it; a new name makes a new one."""
        who, what = arguments.subject(member), _id(kind, name)
        end = arguments.until(until, now=time.time())
        new = await desk.office.administration.access_add(who, relation, what, actor=desk.actor, until=end)
        await note_strangers(desk, user=who)
        said = f"{who} belongs to {what}{'' if new else ' already'}"
        desk.terminal.answer({kind: what, "member": who, "changed": new}, said)

    @command(app, "remove-member")
    async def remove_member(desk: Desk, name: Name, member: Member) -> None:
        """Make somebody belong to it no longer; the next call is decided without it."""
        who, what = arguments.subject(member), _id(kind, name)
        gone = await desk.office.administration.access_remove(who, relation, what, actor=desk.actor)
        said = f"{who} no longer belongs to {what}" if gone else f"{who} did not belong to {what}"
        desk.terminal.answer({kind: what, "member": who, "changed": gone}, said)

    @command(app, "list")
    async def list_(desk: Desk, name: Annotated[str | None, typer.Argument(help="Only this one.")] = None) -> None:
        """List who belongs to which."""
        rows = await desk.office.administration.access_list(relation=relation, object=_id(kind, name) if name else None)
        members: dict[str, list[str]] = {}
        for row in rows:
            if row.object.startswith(f"{kind}:"):
                members.setdefault(row.object, []).append(row.subject)
        desk.terminal.table(
            [{kind: what, "members": who} for what, who in members.items()],
            (kind, "members"),
            [(what, "\n".join(who)) for what, who in members.items()],
            empty=f"nobody belongs to a stored {kind}; see mcp-gateway {kind} add-member --help",
        )

    return app


def _id(kind: str, name: str) -> str:
    return arguments.thing(f"{kind}:{name.removeprefix(f'{kind}:')}")
