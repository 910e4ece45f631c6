"""`audit replay`: `policy diff` over an export; the same judgement, the same answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.policy_change import RECORDS, LimitOption, SinceOption, diff
from mcp_gateway.cli.policy_files import PolicyOption, RegistryOption


def register(app: typer.Typer) -> None:
    command(app, "replay")(replay)


async def replay(
    desk: Desk,
    export: Annotated[Path, typer.Argument(help="What `audit export` wrote, a file or a directory.")],
    policy: PolicyOption = None,
    registry: RegistryOption = None,
    since: SinceOption = None,
    limit: LimitOption = RECORDS,
) -> None:
    """Judge the decisions in an export by changed policy, as `policy diff` judges those of this gateway."""
    await diff(desk, policy=policy, registry=registry, since=since, audit=export, limit=limit)
