"""`audit prune`: remove now what the retention setting lets go, as the server does once a day."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import anyio.to_thread
import typer

from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.terminal import when

if TYPE_CHECKING:
    from mcp_gateway.audit.retention import Doomed


def register(app: typer.Typer) -> None:
    command(app, "prune")(prune)


async def prune(
    desk: Desk,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove audit files older than audit.retention_days; `audit verify` then knows them as removed under retention."""
    from mcp_gateway.compose.retention import prune as removed_from
    from mcp_gateway.compose.retention import removable

    office = desk.office
    with desk.terminal.busy("looking at the audit"):
        found = await anyio.to_thread.run_sync(partial(removable, office.settings, now=time.time()))
        if not dry_run:
            await removed_from(office, found, actor=desk.actor)
    _answer(desk, found, dry_run=dry_run)


def _answer(desk: Desk, found: Sequence[Doomed], *, dry_run: bool) -> None:
    verb = "would be removed" if dry_run else "removed"
    files = [
        {"writer": one.writer, "files": [path.name for path in one.paths], "bytes": one.bytes, "newest_at": one.newest}
        for one in found
    ]
    lines = [f"{len(one.paths)} files of {one.writer}, up to {when(one.newest)}, {one.bytes} bytes" for one in found]
    total = sum(len(one.paths) for one in found)
    desk.terminal.answer({"dry_run": dry_run, "removed": files}, *lines, f"{total} files {verb}")
