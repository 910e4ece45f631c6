"""Users of the built-in login."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_gateway.cli import arguments, switch
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.terminal import Declined
from mcp_gateway.errors import OperatorError

app = typer.Typer(help="Users of the built-in login.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The login name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@command(app, "add")
async def add(desk: Desk, name: Name, password_stdin: FromStdin = False) -> None:
    """Add a user; asks for the password."""
    password = desk.terminal.secret(f"Password of {name}", from_stdin=password_stdin)
    user = await desk.office.administration.user_add(name, password, actor=desk.actor)
    if user.id in {row.object for row in await desk.office.administration.disabled()}:
        # The switch outlives who it was turned for, so that removing and adding does not turn it on.
        desk.terminal.note(f"note: {user.id} is disabled; see mcp-gateway user enable {user.name}")
    desk.terminal.answer(
        {"name": user.name, "id": user.id},
        f"{user.id} may sign in, and use nothing yet; next: mcp-gateway access add {user.name} reader server:NAME",
    )


@command(app, "list")
async def list_(desk: Desk) -> None:
    """List the users."""
    rows = await desk.office.administration.user_list()
    off = {row.object for row in await desk.office.administration.disabled()}
    desk.terminal.table(
        [{"name": row.name, "id": row.id, "password_since": row.since, "enabled": row.id not in off} for row in rows],
        ("name", "id", "password since", "state"),
        [(row.name, row.id, row.since, "disabled" if row.id in off else "enabled") for row in rows],
        empty="there are no users; see mcp-gateway user add --help",
    )


@command(app, "password")
async def password(desk: Desk, name: Name, password_stdin: FromStdin = False) -> None:
    """Set a user's password and end what was signed in with the old one."""
    _refuse_unknown(desk, name)
    new = desk.terminal.secret(f"New password of {name}", from_stdin=password_stdin)
    await desk.office.administration.user_password(name, new, actor=desk.actor)
    desk.terminal.answer({"name": name, "changed": True}, f"{name} has a new password and is signed out everywhere")


@command(app, "remove")
async def remove(
    desk: Desk, name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove a user, their access, delegations and grants."""
    _refuse_unknown(desk, name)
    if not yes and not desk.terminal.agreed(f"Remove {name} and everything {name} may use?"):
        raise Declined("nothing was removed; --yes does not ask")
    await desk.office.administration.user_remove(name, actor=desk.actor)
    desk.terminal.answer({"name": name, "changed": True}, f"{name} is removed")


def _refuse_unknown(desk: Desk, name: str) -> None:
    """Before anybody is asked anything about them."""
    if desk.office.users.name_of(arguments.user(name)) is None:
        raise OperatorError("there is no such user", where=name, remedy="mcp-gateway user list")


switch.register(app, "user", arguments.user)
