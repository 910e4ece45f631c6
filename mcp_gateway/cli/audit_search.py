"""`audit search`: records by words and fields, however many there are."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from mcp_gateway.audit import sentence
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.cli import audit_wanted
from mcp_gateway.cli.audit_wanted import (
    AgentOption,
    CodeOption,
    EffectOption,
    KindOption,
    RequestOption,
    ResourceOption,
    SinceOption,
    ToolOption,
    UntilOption,
    UserOption,
)
from mcp_gateway.cli.desk import Front, plain_command


def register(app: typer.Typer) -> None:
    plain_command(app, "search")(search)


def search(
    front: Front,
    words: Annotated[list[str] | None, typer.Argument(help="All of them; ticket* finds what begins so.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    user: UserOption = None,
    agent: AgentOption = None,
    tool: ToolOption = None,
    kind: KindOption = None,
    effect: EffectOption = None,
    code: CodeOption = None,
    resource: ResourceOption = None,
    request: RequestOption = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="The newest of them.")] = 50,
) -> None:
    """Find records; the index is brought up to date first, and may be removed at any time."""
    # Brings SQLite along.
    from mcp_gateway.audit.search import search as found_in

    wanted = audit_wanted.wanted(
        since=since,
        until=until,
        user=user,
        agent=agent,
        tool=tool,
        kind=kind,
        effect=effect,
        code=code,
        resource=resource,
        request=request,
    )
    data_dir = audit_wanted.data_dir_of(front)
    opened = Personal(data_dir.people).opened
    with front.terminal.progress("bringing the index up to date") as progress:
        found = found_in(data_dir.audit, data_dir.audit_index, wanted, words=words or (), progress=progress)
        records = [opened(record) for record in islice(found, limit + 1)]
    if len(records) > limit:
        front.terminal.note(f"note: only the newest {limit}; --limit shows more")
    shown = records[:limit][::-1]
    front.terminal.answer(shown, *map(sentence, shown))
