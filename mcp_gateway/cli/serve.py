"""Start the gateway, prepare its data directory, have a running one read its files again."""

from __future__ import annotations

import logging
import socket
from importlib.util import find_spec
from typing import Annotated

import anyio
import typer

from mcp_gateway.administration import FIRST_USER
from mcp_gateway.cli.desk import Desk, Front, command, plain_command
from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import Settings


def register(app: typer.Typer) -> None:
    plain_command(app, "serve")(serve)
    command(app, "setup", creates=True)(setup)
    command(app, "reload")(reload)


def serve(
    front: Front,
    listen: Annotated[str | None, typer.Option("--listen", help="host:port; default: the settings' listen.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say how to connect.")] = False,
) -> None:
    """Run the gateway until Ctrl-C."""
    # Imports every room; --help should not pay for that.
    from mcp_gateway.compose import server

    settings = front.settings(listen=listen)
    _refuse_taken(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)

    async def run() -> None:
        await server.serve(settings, ready=lambda: None if quiet else _welcome(front, settings))

    anyio.run(run, backend_options={"use_uvloop": find_spec("uvloop") is not None})


async def setup(desk: Desk) -> None:
    """Make the data directory, its keys and the user admin, where they do not exist yet."""
    password = await desk.office.administration.setup(actor=desk.actor)
    where = str(desk.office.settings.data_dir)
    lines = [f"user {FIRST_USER}, password {password}   (shown once, stored nowhere)"] if password else []
    desk.terminal.answer(
        {"data_dir": where, "created": password is not None, "user": FIRST_USER, "password": password},
        *lines,
        f"{where} is ready; next: mcp-gateway serve",
    )


async def reload(desk: Desk) -> None:
    """Check registry and policies, then have a running gateway read them again."""
    upstreams = await desk.office.administration.reload(actor=desk.actor)
    names = [upstream.name for upstream in upstreams]
    desk.terminal.answer(
        {"valid": True, "servers": names},
        f"registry and policies are valid ({len(names)} servers); a running gateway reads them now",
    )


def _refuse_taken(settings: Settings) -> None:
    """The server shares its port with others that allow it, so a second gateway would silently take half the calls."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections of a gateway that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as exc:
            raise OperatorError(
                f"cannot listen there: {exc.strerror}",
                where=settings.listen,
                remedy="mcp-gateway serve --listen HOST:PORT",
            ) from exc


def _welcome(front: Front, settings: Settings) -> None:
    from mcp_gateway.api.snippets import as_text

    origin = settings.origins[0]
    endpoint = f"{origin}/mcp"
    front.terminal.answer(
        {"endpoint": endpoint, "catalog": f"{origin}/catalog"},
        f"The gateway is running. MCP endpoint {endpoint}, catalog {origin}/catalog",
        "",
        as_text(endpoint),
    )
