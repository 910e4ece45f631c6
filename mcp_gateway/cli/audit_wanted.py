"""The options that say which audit records are meant, what they mean together, and where the records lie."""

from __future__ import annotations

import time
from typing import Annotated, TypeAlias

import typer

from mcp_gateway.audit import Wanted
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Front
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.data_dir import DataDir

_OFFERED = ("tool:", "prompt:", "resource:")

SinceOption: TypeAlias = Annotated[str | None, typer.Option("--since", help="7d, 12h, or an ISO 8601 moment.")]
UntilOption: TypeAlias = Annotated[str | None, typer.Option("--until", help="Before 7d ago, or an ISO 8601 moment.")]
UserOption: TypeAlias = Annotated[str | None, typer.Option("--user", help="Only of this user.")]
AgentOption: TypeAlias = Annotated[str | None, typer.Option("--agent", help="Only of this agent.")]
ToolOption: TypeAlias = Annotated[
    str | None, typer.Option("--tool", help="Only of this tool, SERVER/NAME; or prompt:…, resource:….")
]
KindOption: TypeAlias = Annotated[
    str | None, typer.Option("--kind", help="intent, outcome, decision, list, access.added, ...")
]
EffectOption: TypeAlias = Annotated[str | None, typer.Option("--effect", help="allow or deny.")]
CodeOption: TypeAlias = Annotated[str | None, typer.Option("--code", help="A reason, such as agent.not_granted.")]
ResourceOption: TypeAlias = Annotated[
    str | None, typer.Option("--resource", help="What was asked about, such as ticket:tickets/T-391.")
]
RequestOption: TypeAlias = Annotated[str | None, typer.Option("--request", help="The id of a request.")]


def data_dir_of(front: Front) -> DataDir:
    """Raises OperatorError when nothing was ever recorded there."""
    directory = DataDir(front.settings().data_dir)
    if not directory.audit.is_dir():
        raise OperatorError("there is no data directory", where=str(directory.root), remedy="mcp-gateway setup")
    return directory


def wanted(
    *,
    since: str | None = None,
    until: str | None = None,
    user: str | None = None,
    agent: str | None = None,
    tool: str | None = None,
    kind: str | None = None,
    effect: str | None = None,
    code: str | None = None,
    resource: str | None = None,
    request: str | None = None,
) -> Wanted:
    """What was typed, as ids and moments; raises OperatorError for what is none."""
    now = time.time()
    return Wanted(
        user=arguments.user(user) if user else None,
        agent=arguments.agent(agent) if agent else None,
        tool=arguments.thing(tool if tool.startswith(_OFFERED) else f"tool:{tool}") if tool else None,
        effect=effect,
        kind=kind,
        since=arguments.since(since, now=now),
        until=arguments.since(until, now=now, option="--until"),
        code=code,
        resource=arguments.thing(resource) if resource else None,
        request=request,
    )
