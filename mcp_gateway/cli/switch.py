"""Kill switches: `disable` and `enable` for users, agents, servers, tools and the gateway, and what is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.cli.terminal import when
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import GATEWAY
from mcp_gateway.storage.switches import SwitchRow

Name = Annotated[str, typer.Argument(help="Its name or id; a tool is SERVER/NAME.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the switch and in the audit.")]

_ENDS = {
    "user": "every token, login and call under way of theirs ends now",
    "agent": "every token and call under way of it ends now",
    "server": "none of its tools is listed or called",
    "tool": "it is neither listed nor called",
    "gateway": "nothing is listed or called any more",
}

gateway = typer.Typer(help="The whole gateway's emergency stop.", no_args_is_help=True)
tool = typer.Typer(help="Single tools.", no_args_is_help=True)


def register(app: typer.Typer, kind: str, identify: Callable[[str], str]) -> None:
    """Give `app` the commands `disable` and `enable`; `identify` turns what was typed into an id."""

    @command(app, "disable")
    async def disable(desk: Desk, name: Name, reason: Reason) -> None:
        """Switch it off for the next call, whatever rights there are, until it is enabled again."""
        await _disable(desk, kind, identify(name), reason, undo=f"mcp-gateway {kind} enable {name}")

    @command(app, "enable")
    async def enable(desk: Desk, name: Name) -> None:
        """Switch it on again; rights are as they were, and users sign in anew."""
        await _enable(desk, identify(name))


def register_list(app: typer.Typer) -> None:
    command(app, "disabled")(disabled)


async def disabled(desk: Desk) -> None:
    """List everything that is switched off, since when, by whom and why."""
    rows = await desk.office.administration.disabled()
    desk.terminal.table(
        [_plain(row) for row in rows],
        ("disabled", "since", "by", "reason"),
        [(row.object, when(row.off_at), row.off_by, row.reason) for row in rows],
        empty="nothing is disabled",
    )


@command(gateway, "disable")
async def stop(desk: Desk, reason: Reason) -> None:
    """Stop everything: every token is refused and every call under way ends; pages and commands still work."""
    await _disable(desk, "gateway", GATEWAY, reason, undo="mcp-gateway gateway enable")


@command(gateway, "enable")
async def start(desk: Desk) -> None:
    """Take the emergency stop back."""
    await _enable(desk, GATEWAY)


async def _disable(desk: Desk, kind: str, identifier: str, reason: str, *, undo: str) -> None:
    changed = await desk.office.administration.disable(identifier, reason=reason, actor=desk.actor)
    on = identifier if kind in {"server", "tool"} else None
    await note_strangers(desk, user=identifier, agent=identifier, on=on)
    said = f"{identifier} is disabled: {_ENDS[kind]}; undo: {undo}" if changed else f"{identifier} was disabled before"
    desk.terminal.answer({"id": identifier, "changed": changed, "enabled": False}, said)


async def _enable(desk: Desk, identifier: str) -> None:
    changed = await desk.office.administration.enable(identifier, actor=desk.actor)
    said = f"{identifier} is enabled again" if changed else f"{identifier} was not disabled; see mcp-gateway disabled"
    desk.terminal.answer({"id": identifier, "changed": changed, "enabled": True}, said)


def _plain(row: SwitchRow) -> dict[str, object]:
    return {"id": row.object, "reason": row.reason, "disabled_at": row.off_at, "disabled_by": row.off_by}


def _tool(text: str) -> str:
    name = text.removeprefix("tool:")
    if "/" not in name:
        # Another id would be switched off, and the tool would go on.
        raise OperatorError("must be SERVER/NAME", where=text, remedy="mcp-gateway server show SERVER names its tools")
    return arguments.thing(f"tool:{name}")


register(tool, "tool", _tool)
