"""Read what happened. Opens the audit files only, so it works when the store does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Annotated

import anyio
import typer

from mcp_gateway.audit import Record, Trail, Wanted, sentence
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.cli import (
    arguments,
    audit_erase,
    audit_export,
    audit_proof,
    audit_prune,
    audit_replay,
    audit_search,
    audit_sinks,
)
from mcp_gateway.cli.desk import Front, plain_command
from mcp_gateway.cli.terminal import Terminal
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.data_dir import DataDir

app = typer.Typer(help="Read what happened.", no_args_is_help=True)
audit_erase.register(app)
audit_export.register(app)
audit_prune.register(app)
audit_replay.register(app)
audit_search.register(app)
audit_proof.register(app)
audit_sinks.register(app)

_OFFERED = ("tool:", "prompt:", "resource:")


@plain_command(app, "tail")
def tail(
    front: Front,
    count: Annotated[int, typer.Option("-n", "--count", min=0, help="How many records.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as records are written.")] = False,
    user: Annotated[str | None, typer.Option("--user", help="Only of this user.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only of this agent.")] = None,
    tool: Annotated[
        str | None, typer.Option("--tool", help="Only of this tool, SERVER/NAME; or prompt:…, resource:….")
    ] = None,
    effect: Annotated[str | None, typer.Option("--effect", help="allow or deny.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="intent, outcome, decision, list, access.added, ...")
    ] = None,
) -> None:
    """Show the last records, oldest first."""
    wanted = Wanted(
        user=arguments.user(user) if user else None,
        agent=arguments.agent(agent) if agent else None,
        tool=arguments.thing(tool if tool.startswith(_OFFERED) else f"tool:{tool}") if tool else None,
        effect=effect,
        kind=kind,
    )
    trail, opened = _trail(front), _opened(front)
    records = list(map(opened, trail.tail(count, wanted)))
    if not follow:
        front.terminal.answer(records, *(sentence(record) for record in records))
        return
    for record in records:
        _print(front.terminal, record)
    anyio.run(_follow, front.terminal, trail, wanted, opened)


@plain_command(app, "show")
def show(front: Front, request_id: Annotated[str, typer.Argument(help="The id an error or a record names.")]) -> None:
    """Show every record of one request, whole."""
    records = list(map(_opened(front), _trail(front).show(request_id)))
    if not records:
        raise OperatorError("no record names this request", where=request_id, remedy="mcp-gateway audit tail")
    lines = [f"{sentence(record)}\n{json.dumps(record, ensure_ascii=False, indent=2)}" for record in records]
    front.terminal.answer(records, *lines)


async def _follow(terminal: Terminal, trail: Trail, wanted: Wanted, opened: Callable[[Record], Record]) -> None:
    async with aclosing(trail.follow(wanted)) as records:
        async for record in records:
            _print(terminal, opened(record))


def _print(terminal: Terminal, record: Record) -> None:
    terminal.line(json.dumps(record, ensure_ascii=False) if terminal.as_json else sentence(record))


def _opened(front: Front) -> Callable[[Record], Record]:
    """Who may read the keys reads what is sealed."""
    return Personal(_directory(front).people).opened


def _trail(front: Front) -> Trail:
    return Trail(_directory(front).audit)


def _directory(front: Front) -> DataDir:
    directory = DataDir(front.settings().data_dir)
    if not directory.audit.is_dir():
        raise OperatorError("there is no data directory", where=str(directory.root), remedy="mcp-gateway setup")
    return directory
