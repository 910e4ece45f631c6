"""Which policy a command is about: the one in force, or one in other folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import Settings

if TYPE_CHECKING:
    from mcp_gateway.policy.candidate import Candidate

PolicyOption: TypeAlias = Annotated[
    Path | None, typer.Option("--policy", help="Folder of policy files; default: the settings' policies.")
]
RegistryOption: TypeAlias = Annotated[
    Path | None, typer.Option("--registry", help="Folder of registry entries; default: the settings' registry.")
]


def candidate_of(settings: Settings, policy: Path | None, registry: Path | None) -> Candidate:
    """The policy in force, or the one in other folders; raises OperatorError for the first thing that is wrong."""
    from mcp_gateway.authorization.rules import load_rules
    from mcp_gateway.catalog import registry as entries
    from mcp_gateway.compose.office import policies
    from mcp_gateway.policy.candidate import Candidate

    directory = policy or settings.policies
    require_folder(policy)
    upstreams = entries.load(registry or settings.registry)
    model = policies(directory, upstreams)
    book = load_rules(directory, model=model, upstreams=upstreams, mode=settings.mode)
    return Candidate(model, {upstream.name: upstream for upstream in upstreams}, book)


def require_folder(path: Path | None) -> None:
    """Without its files a folder would stand for the shipped policy."""
    if path is not None and not path.is_dir():
        raise OperatorError("there is no such folder", where=str(path))
