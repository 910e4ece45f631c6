"""How a command gets what it works with: settings, terminal, and the office opened on the data directory.

`command` turns an async function whose first parameter is a `Desk` into a subcommand that also takes
--config, --data-dir and --json; before the subcommand's name these options mean the same.
"""

from __future__ import annotations

import inspect
import os
import pwd
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeAlias, get_type_hints

import anyio
import typer

from mcp_gateway import settings
from mcp_gateway.cli.exits import Exit
from mcp_gateway.cli.terminal import Terminal
from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import Settings

if TYPE_CHECKING:
    from mcp_gateway.compose.office import Office

P = ParamSpec("P")

ConfigOption: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="Settings file; default: $MCP_GATEWAY_CONFIG, then ./gateway.yaml.")
]
DataDirOption: TypeAlias = Annotated[
    Path | None, typer.Option("--data-dir", help="Data directory; default: the settings' data_dir.")
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")]


@dataclass(frozen=True, slots=True)
class Shared:
    """The options every command takes."""

    config: Path | None = None
    data_dir: Path | None = None
    as_json: bool = False

    def over(self, outer: Shared) -> Shared:
        return Shared(self.config or outer.config, self.data_dir or outer.data_dir, self.as_json or outer.as_json)


@dataclass(frozen=True, slots=True)
class Front:
    """What a command has before the data directory is opened."""

    terminal: Terminal
    shared: Shared
    actor: str
    """`os:<login name>`: whoever may open the data directory is on record by that name."""

    def settings(self, **overrides: str | None) -> Settings:
        return settings.load(self.shared.config, data_dir=self.shared.data_dir, **overrides)


@dataclass(frozen=True, slots=True)
class Desk:
    terminal: Terminal
    actor: str
    office: Office


def command(
    app: typer.Typer, name: str, *, creates: bool = False
) -> Callable[[Callable[Concatenate[Desk, P], Awaitable[None]]], Callable[Concatenate[Desk, P], Awaitable[None]]]:
    """Register a command that works on an opened data directory; only one that `creates` makes a missing one."""

    def register(
        function: Callable[Concatenate[Desk, P], Awaitable[None]],
    ) -> Callable[Concatenate[Desk, P], Awaitable[None]]:
        async def work(front: Front, **given: Any) -> None:
            await _at_desk(front, lambda desk: function(desk, **given), creates=creates)  # pyright: ignore[reportCallIssue]

        app.command(name)(_callback(function, lambda front, given: anyio.run(lambda: work(front, **given))))
        return function

    return register


def plain_command(
    app: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Front, P], None]], Callable[Concatenate[Front, P], None]]:
    """Register a command that opens what it needs by itself."""

    def register(function: Callable[Concatenate[Front, P], None]) -> Callable[Concatenate[Front, P], None]:
        app.command(name)(
            _callback(function, lambda front, given: function(front, **given))  # pyright: ignore[reportCallIssue]
        )
        return function

    return register


async def _at_desk(front: Front, work: Callable[[Desk], Awaitable[None]], *, creates: bool) -> None:
    settings = front.settings()
    if not creates and not settings.data_dir.is_dir():
        # A mistyped path must not look like an empty gateway.
        raise OperatorError(
            "there is no data directory here", where=str(settings.data_dir), remedy="mcp-gateway setup makes one"
        )
    # Imports every room; --help and a wrong command line should not pay for that.
    from mcp_gateway.compose.office import office as opened

    async with opened(settings) as office:
        await work(Desk(front.terminal, front.actor, office))


def _callback(function: Callable[..., object], run: Callable[[Front, dict[str, Any]], object]) -> Callable[..., None]:
    """What typer sees: the function's own parameters without the first, and the shared ones."""

    def callback(
        context: typer.Context, *, config: Path | None, data_dir: Path | None, as_json: bool, **given: Any
    ) -> None:
        outer = context.find_object(Shared) or Shared()
        shared = Shared(config, data_dir, as_json).over(outer)
        try:
            run(Front(Terminal(as_json=shared.as_json), shared, f"os:{_login_name()}"), given)
        except KeyboardInterrupt as exc:
            raise typer.Exit(Exit.INTERRUPTED) from exc

    hints = get_type_hints(function, include_extras=True)
    _, *own = inspect.signature(function).parameters.values()
    parameters = [
        _parameter("context", typer.Context, inspect.Parameter.empty),
        *(_parameter(given.name, hints[given.name], given.default) for given in own),
        _parameter("config", ConfigOption, None),
        _parameter("data_dir", DataDirOption, None),
        _parameter("as_json", JsonOption, False),
    ]
    callback.__signature__ = inspect.Signature(parameters)
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    callback.__name__ = getattr(function, "__name__", "command")
    callback.__doc__ = function.__doc__
    return callback


def _parameter(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _login_name() -> str:
    # Not the environment, which anybody can set.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
