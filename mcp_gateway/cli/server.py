"""The servers behind the gateway: what is declared, what they offer, what was approved."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mcp_gateway.catalog import named
from mcp_gateway.cli import arguments, found, server_add, switch
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.terminal import Declined, when
from mcp_gateway.model.tool import HttpTransport, Upstream
from mcp_gateway.storage.catalog import ServerRow

app = typer.Typer(help="The servers behind the gateway.", no_args_is_help=True)
server_add.register(app)

Name = Annotated[str, typer.Argument(help="The server's name.")]


@command(app, "list")
async def list_(desk: Desk) -> None:
    """List the declared servers and how they are."""
    administration = desk.office.administration
    seen = {row.name: row for row in await administration.server_rows()}
    rows: list[tuple[str, ...]] = []
    plain: list[dict[str, object]] = []
    for upstream in administration.servers_declared():
        row = seen.get(upstream.name)
        tools = await administration.tool_rows(upstream.name)
        waiting = sum(found.waits(tool) for tool in tools)
        status = _status(row)
        offers = found.counted(tools) if tools else "-"
        rows.append((upstream.name, status, offers, str(waiting), upstream.owner, upstream.description))
        plain.append({**_described(upstream), "status": status, **found.counts(tools), "waiting": waiting})
    desk.terminal.table(
        plain,
        ("server", "status", "offers", "waiting", "owner", "description"),
        rows,
        empty="no server is declared; see mcp-gateway server add --help",
    )


@command(app, "show")
async def show(desk: Desk, name: Name) -> None:
    """Show a server and every tool, prompt and resource it offers, with its risk and review state."""
    administration = desk.office.administration
    upstream = administration.server_declared(name)
    row = next((row for row in await administration.server_rows() if row.name == name), None)
    tools = await administration.tool_rows(name)
    off = {one.object for one in await administration.disabled()}
    if not desk.terminal.as_json:
        desk.terminal.line(f"{name}: {upstream.description or 'no description'}")
        desk.terminal.line(f"owner {upstream.owner}, {_place(upstream)}")
        desk.terminal.line(
            f"last seen {when(row.last_seen_at if row else None)}, protocol {(row and row.protocol_version) or '-'}"
            + (f", last error {row.last_error}" if row and row.last_error else "")
            + (", disabled" if row and not row.enabled else "")
        )
    empty = f"nothing was discovered there yet; see mcp-gateway server refresh {name}"
    found.show(desk.terminal, tools, off, empty=empty)
    desk.terminal.answer(
        {
            **_described(upstream),
            "protocol_version": row.protocol_version if row else None,
            "last_seen_at": row.last_seen_at if row else None,
            "last_error": row.last_error if row else None,
            "enabled": row.enabled if row else True,
            **found.plain(tools, off),
        }
    )


@command(app, "refresh")
async def refresh(desk: Desk, name: Name) -> None:
    """Ask a server what it offers now and compare with what was approved."""
    with desk.terminal.busy(f"asking {name}"):
        findings = await desk.office.administration.server_refresh(name, actor=desk.actor)
    found.refuse_failed(desk.terminal, name, findings)
    counts = {
        "new": findings.new,
        "changed": findings.changed,
        "missing": findings.missing,
        "quarantined": findings.quarantined,
        "unchanged": findings.unchanged,
    }
    said = ", ".join(f"{len(names)} {kind}" for kind, names in counts.items() if names)
    desk.terminal.answer(asdict(findings), f"{name}: {said or 'offers nothing'}")


@command(app, "approve")
async def approve(
    desk: Desk,
    name: Name,
    items: Annotated[
        list[str] | None,
        typer.Argument(help="Which tools, or prompt:NAME, resource:URI; default: all that wait."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Approve tools, prompts and resources that wait for a reviewer, as they are now."""
    administration = desk.office.administration
    offered = await administration.tool_rows(name)
    rows = named(offered, items) if items and offered else [row for row in offered if found.waits(row)]
    chosen = [f"{row.kind.value}:{row.name}" for row in rows]
    if chosen and not yes:
        found.show(desk.terminal, rows)
        if not desk.terminal.agreed(f"Approve {found.counted(rows)} of {name}?"):
            raise Declined("nothing was approved; --yes does not ask")
    approved = await administration.server_approve(name, chosen, actor=desk.actor)
    said = f"approved: {', '.join(approved)}" if approved else f"nothing of {name} waits for approval"
    desk.terminal.answer({"server": name, "approved": approved}, said)


@command(app, "remove")
async def remove(
    desk: Desk, name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete a server's registry file and everything discovered of it."""
    administration = desk.office.administration
    administration.server_declared(name)
    if not yes and not desk.terminal.agreed(f"Remove {name}?"):
        raise Declined("nothing was removed; --yes does not ask")
    path = await administration.server_remove(name, actor=desk.actor)
    desk.terminal.answer({"server": name, "file": str(path)}, f"{name} is removed, and with it {path}")


def _status(row: ServerRow | None) -> str:
    if row is None:
        return "never asked"
    return (row.last_error or "up") if row.enabled else "disabled"


def _described(upstream: Upstream) -> dict[str, object]:
    return {
        "name": upstream.name,
        "description": upstream.description,
        "owner": upstream.owner,
        "trusted": upstream.trusted,
        "place": _place(upstream),
    }


def _place(upstream: Upstream) -> str:
    transport = upstream.transport
    return transport.url if isinstance(transport, HttpTransport) else "command " + transport.command[0]


switch.register(app, "server", lambda text: arguments.thing(f"server:{text.removeprefix('server:')}"))
