"""Kill switches: `disable` and `enable` for users, agents, servers, what servers offer and the gateway; what is off."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.cli.terminal import when
from mcp_gateway.model.ids import GATEWAY
from mcp_gateway.storage.switches import SwitchRow

Name = Annotated[str, typer.Argument(help="Its name or id; a tool or prompt is SERVER/NAME, a resource SERVER/URI.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the switch and in the audit.")]

_ENDS = {
    "user": "every token, login and call under way of theirs ends now",
    "agent": "every token and call under way of it ends now",
    "server": "nothing of it is listed or used",
    "tool": "it is neither listed nor called",
    "prompt": "it is neither listed nor got",
    "resource": "it is neither listed nor read",
    "gateway": "nothing is listed or called any more",
}

gateway = typer.Typer(help="The whole gateway's emergency stop.", no_args_is_help=True)
tool = typer.Typer(help="Single tools.", no_args_is_help=True)
prompt = typer.Typer(help="Single prompts.", no_args_is_help=True)
resource = typer.Typer(help="Single resources, or all that a template describes.", no_args_is_help=True)


def register(app: typer.Typer, kind: str, identify: Callable[[str], str]) -> None:
    """Give `app` the commands `disable` and `enable`; `identify` turns what was typed into an id."""

    @command(app, "disable")
    async def disable(desk: Desk, name: Name, reason: Reason) -> None:
        """Switch it off for the next call, whatever rights there are, until it is enabled again."""
        await _disable(desk, kind, identify(name), reason, undo=shlex.join(("mcp-gateway", kind, "enable", name)))

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
    on = None if kind in {"user", "agent", "gateway"} else identifier
    await note_strangers(desk, user=identifier, agent=identifier, on=on)
    said = f"{identifier} is disabled: {_ENDS[kind]}; undo: {undo}" if changed else f"{identifier} was disabled before"
    desk.terminal.answer({"id": identifier, "changed": changed, "enabled": False}, said)


async def _enable(desk: Desk, identifier: str) -> None:
    changed = await desk.office.administration.enable(identifier, actor=desk.actor)
    said = f"{identifier} is enabled again" if changed else f"{identifier} was not disabled; see mcp-gateway disabled"
    desk.terminal.answer({"id": identifier, "changed": changed, "enabled": True}, said)


def _plain(row: SwitchRow) -> dict[str, object]:
    return {"id": row.object, "reason": row.reason, "disabled_at": row.off_at, "disabled_by": row.off_by}


for _kind, _app in (("tool", tool), ("prompt", prompt), ("resource", resource)):
    register(_app, _kind, partial(arguments.item, _kind))
