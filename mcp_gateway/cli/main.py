"""`mcp-gateway`: the commands by group, and errors as exit codes."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn, TypeVar

import typer

from mcp_gateway import __version__
from mcp_gateway.cli import (
    access,
    agent,
    audit,
    belonging,
    delegation,
    doctor,
    explain,
    grant,
    policy,
    relationships,
    serve,
    server,
    switch,
    token,
    user,
)
from mcp_gateway.cli.desk import ConfigOption, DataDirOption, JsonOption, Shared
from mcp_gateway.cli.exits import Exit, exit_of
from mcp_gateway.cli.terminal import Declined, Terminal
from mcp_gateway.errors import GatewayError

_EXITS = "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 unavailable, 4 declined, 5 altered audit, 130 interrupted."

app = typer.Typer(
    name="mcp-gateway",
    help="This agent, acting for this user, may perform this action on this resource, and it can be revoked.",
    epilog=_EXITS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _module in (serve, doctor, explain, token):
    _module.register(app)
switch.register_list(app)
app.add_typer(switch.gateway, name="gateway")
app.add_typer(switch.tool, name="tool")
app.add_typer(switch.prompt, name="prompt")
app.add_typer(switch.resource, name="resource")
for _name, _relation in (("group", "member"), ("role", "assignee"), ("tenant", "member")):
    app.add_typer(belonging.app_for(_name, _relation), name=_name)
for _name, _module in (
    ("server", server),
    ("user", user),
    ("agent", agent),
    ("access", access),
    ("grant", grant),
    ("delegation", delegation),
    ("relationships", relationships),
    ("policy", policy),
    ("audit", audit),
):
    app.add_typer(_module.app, name=_name)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


_Error = TypeVar("_Error", bound=BaseException)


@app.callback()
def options(
    context: typer.Context,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Shared(config, data_dir, as_json)


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    try:
        app(list(arguments), prog_name="mcp-gateway")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else Exit.DONE
    except Exception as exc:
        error = _single(exc)
        return Exit.DONE if isinstance(error, BrokenPipeError) and _nobody_reads() else _failed(error)
    except BaseExceptionGroup as exc:
        # How rich leaves a task group when whoever read stdout is gone, such as `head`: the work is done.
        if not isinstance(_single(exc), SystemExit):
            raise
    return Exit.DONE


def _nobody_reads() -> bool:
    watch = select.poll()
    watch.register(sys.stdout, 0)
    gone = any(event & select.POLLERR for _, event in watch.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter says so at its end
    return gone


def _failed(error: Exception) -> int:
    """What a person is told; anything not raised on purpose keeps its traceback."""
    terminal = Terminal(as_json=False)
    if isinstance(error, GatewayError):
        terminal.failure(error)
        return exit_of(error)
    if isinstance(error, Declined):
        terminal.note(str(error))
        return error.code
    raise error


def _single(error: _Error) -> _Error:
    """The one error inside a task group's group of one; several at once stay together."""
    inside: tuple[_Error, ...] = getattr(error, "exceptions", ())
    return _single(inside[0]) if len(inside) == 1 else error
