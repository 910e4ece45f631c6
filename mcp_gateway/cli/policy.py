"""Policy as code: is it right, does it do what its tests say."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from mcp_gateway.cli import policy_change
from mcp_gateway.cli.desk import Front, plain_command
from mcp_gateway.cli.exits import Exit
from mcp_gateway.cli.policy_files import PolicyOption, RegistryOption, candidate_of, require_folder
from mcp_gateway.errors import OperatorError

if TYPE_CHECKING:
    from mcp_gateway.policy.verdict import Run

app = typer.Typer(help="Check, test and compare the policy files.", no_args_is_help=True)
policy_change.register(app)

TESTS = "tests"


@plain_command(app, "validate")
def validate(front: Front, policy: PolicyOption = None, registry: RegistryOption = None) -> None:
    """Name everything that is wrong with policies, registry and tests, each with file, line and column."""
    from mcp_gateway.compose.office import model_path
    from mcp_gateway.policy import validate as checks

    settings = front.settings()
    require_folder(policy)
    directory, entries = policy or settings.policies, registry or settings.registry
    with front.terminal.busy("reading the policies"):
        found = checks.validate(directory, entries, model_path=model_path(directory))
    many = "1 problem" if len(found.problems) == 1 else f"{len(found.problems)} problems"
    said = f"{found.files} files, {many}"
    warned = [f"{warning} (warning, not a problem)" for warning in found.warnings]
    front.terminal.answer(found.as_dict(), *map(str, found.problems), *warned, said)
    if found.problems:
        raise typer.Exit(Exit.REFUSED)


@plain_command(app, "test")
def test(
    front: Front,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Test files and folders; default: the tests of the policy folder.")
    ] = None,
    policy: PolicyOption = None,
    registry: RegistryOption = None,
) -> None:
    """Run test files: OpenFGA's own .fga.yaml format, and cases that judge a call as the gateway would."""
    from mcp_gateway.policy.run import run
    from mcp_gateway.policy.suite import PATTERNS

    settings = front.settings()
    candidate = candidate_of(settings, policy, registry)
    chosen = paths or [(policy or settings.policies) / TESTS]
    found = anyio.run(partial(run, chosen, candidate, now=time.time()))
    if not found.verdicts:
        # A mistyped folder must not look like tests that passed.
        raise OperatorError(
            "there are no tests here",
            where=", ".join(map(str, chosen)),
            remedy=f"name a folder that holds {' or '.join(PATTERNS)}",
        )
    front.terminal.answer(found.as_dict(), *_lines(found))
    if found.failed:
        raise typer.Exit(Exit.REFUSED)


def _lines(found: Run) -> list[str]:
    lines: list[str] = []
    for file, verdicts in found.files().items():
        passed = sum(one.passed for one in verdicts)
        lines.append(f"{'ok  ' if passed == len(verdicts) else 'FAIL'}  {file}: {passed} of {len(verdicts)}")
        lines += [f"      {one}" for one in verdicts if not one.passed]
    return [*lines, found.summary()]
