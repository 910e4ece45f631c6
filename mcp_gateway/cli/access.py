"""Who may use what: relationships between users, groups, servers, tools and resources."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.storage.relationships import RelationshipTuple

app = typer.Typer(help="Who may use what.", no_args_is_help=True)

Subject = Annotated[str, typer.Argument(help="mira, group:support, role:auditor, or another id.")]
Relation = Annotated[
    str,
    typer.Argument(
        help="On a server: reader, writer, caller. On one tool: direct_caller; on a prompt: direct_getter; on a resource: "
        "direct_reader. On others: viewer, editor, member, ..."
    ),
]
Object = Annotated[
    str,
    typer.Argument(
        help="server:NAME, tool:SERVER/NAME, prompt:SERVER/NAME, resource:SERVER/URI, TYPE:SERVER/ID, group:NAME."
    ),
]


@command(app, "add")
async def add(
    desk: Desk,
    subject: Subject,
    relation: Relation,
    object: Object,
    until: Annotated[str | None, typer.Option("--until", help="30d, 12h, or an ISO 8601 moment.")] = None,
) -> None:
    """Give a user or group a relation to something."""
    who, what = arguments.subject(subject), arguments.thing(object)
    end = arguments.until(until, now=time.time())
    new = await desk.office.administration.access_add(who, relation, what, actor=desk.actor, until=end)
    await note_strangers(desk, user=who, on=what)
    said = f"{who} is {relation} of {what}"
    desk.terminal.answer(
        {"subject": who, "relation": relation, "object": what, "changed": new}, said if new else f"{said} already"
    )


@command(app, "remove")
async def remove(desk: Desk, subject: Subject, relation: Relation, object: Object) -> None:
    """Take a relation away; the next call is decided without it."""
    who, what = arguments.subject(subject), arguments.thing(object)
    gone = await desk.office.administration.access_remove(who, relation, what, actor=desk.actor)
    said = f"{who} is no longer {relation} of {what}" if gone else f"{who} was not {relation} of {what}"
    desk.terminal.answer({"subject": who, "relation": relation, "object": what, "changed": gone}, said)


@command(app, "list")
async def list_(
    desk: Desk,
    subject: Annotated[str | None, typer.Argument(help="Only of this subject.")] = None,
    relation: Annotated[str | None, typer.Option("--relation", help="Only this relation.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="Only on this object.")] = None,
) -> None:
    """List who has which relation to what."""
    rows = await desk.office.administration.access_list(
        subject=arguments.subject(subject) if subject else None,
        relation=relation,
        object=arguments.thing(on) if on else None,
    )
    desk.terminal.table(
        [_plain(row) for row in rows],
        ("subject", "relation", "object", "until"),
        [(row.subject, row.relation, row.object, _until(row)) for row in rows],
        empty="nobody has access to anything; see mcp-gateway access add --help",
    )


@command(app, "import")
async def import_(
    desk: Desk, file: Annotated[Path, typer.Argument(help="YAML: a list of {user, relation, object}.")]
) -> None:
    """Write all relationships of a file, or none."""
    with desk.terminal.busy(f"reading {file.name}"):
        held, new = await desk.office.administration.relationships_import(file, actor=desk.actor)
    desk.terminal.answer({"relationships": held, "new": new}, f"{held} relationships, {new} of them new")


def _plain(row: RelationshipTuple) -> dict[str, object]:
    named: dict[str, object] = {"subject": row.subject, "relation": row.relation, "object": row.object}
    return {**named, "condition": dict(row.condition.context) if row.condition else None}


def _until(row: RelationshipTuple) -> str:
    return str(row.condition.context.get("expires_at", row.condition.name)) if row.condition else "-"
