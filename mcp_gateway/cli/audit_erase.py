"""`audit erase`: values of a person that tools or logins left in the audit become unreadable, for good."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.terminal import Declined
from mcp_gateway.model.ids import UserId

_NOBODY = UserId("user:unknown")
"""By whom a sign-in is recorded whose name nobody has."""

_STAYS = "the ids of user and agent stay in the records, and the chain over them holds"


def register(app: typer.Typer) -> None:
    command(app, "erase")(erase)


async def erase(
    desk: Desk,
    user: Annotated[
        str, typer.Option("--user", help="Whose values; user:unknown for sign-ins under names nobody has.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy the key that values of a person are sealed with: they are unreadable here and in every copy."""
    identifier = _NOBODY if user == _NOBODY else arguments.user(user)
    if not yes and desk.terminal.interactive and not desk.terminal.agreed(f"Erase every value of {identifier}?"):
        raise Declined("nothing was erased")
    erased = await desk.office.administration.audit_erase(identifier, reason, actor=desk.actor)
    said = "its values are unreadable from now on" if erased else "no value was ever sealed for it"
    desk.terminal.answer({"user": identifier, "erased": erased}, f"{identifier}: {said}; {_STAYS}")
