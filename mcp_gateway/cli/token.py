"""Make an access token by hand, for measuring and conformance suites."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mcp_gateway.authserver import ALL_SCOPES, mint, new_family
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import LOCAL_ISSUER, agent_id

_LONGEST_SECONDS = 300
_API_PATH = "/api/v1"
"""Also a resource: scripts read the API with such a token, which the login gives to no agent."""


def register(app: typer.Typer) -> None:
    command(app, "token")(token)


async def token(
    desk: Desk,
    user: Annotated[str, typer.Option("--user", help="A user of the built-in login.")],
    agent: Annotated[str, typer.Option("--agent", help="The client id the token speaks through.")],
    resource: Annotated[str, typer.Option("--resource", help="The URL of an MCP endpoint, or of /api/v1.")],
    ttl: Annotated[
        int, typer.Option("--ttl", min=1, max=_LONGEST_SECONDS, help="Seconds it is valid.")
    ] = _LONGEST_SECONDS,
    scope: Annotated[str, typer.Option("--scope", help="Scopes, separated by spaces.")] = ALL_SCOPES,
) -> None:
    """Print a token like one from a sign-in; it gives no right that was not granted. On record."""
    office = desk.office
    name = office.users.name_of(arguments.user(user))
    if name is None:
        raise OperatorError("there is no such user", where=user, remedy="mcp-gateway user list")
    issuer = _origin_of(
        resource, office.settings.origins, {one.name for one in office.administration.servers_declared()}
    )
    client_id = agent.removeprefix(f"agent:{LOCAL_ISSUER}/")
    minted = mint(
        office.keys.current,
        issuer=issuer,
        user=name,
        client_id=client_id,
        resource=resource,
        scope=_known(scope),
        family=new_family(),
        now=time.time(),
        seconds=ttl,
    )
    await office.journal.event(
        "token.made",
        desk.actor,
        user=arguments.user(user),
        agent=agent_id(LOCAL_ISSUER, client_id),
        audience=resource,
        scope=scope,
        token_id=minted.token_id,
        expires_at=minted.expires_at,
    )
    await note_strangers(desk, agent=agent_id(LOCAL_ISSUER, client_id))
    desk.terminal.answer(
        {"access_token": minted.token, "token_type": "Bearer", "expires_at": minted.expires_at}, minted.token
    )


def _origin_of(resource: str, origins: tuple[str, ...], servers: set[str]) -> str:
    """The public origin the endpoint is at, which is also who issues tokens for it."""
    for origin in origins:
        endpoints = {f"{origin}/mcp", f"{origin}{_API_PATH}", *(f"{origin}/mcp/{server}" for server in servers)}
        if resource in endpoints:
            return origin
    raise OperatorError(
        f"is not an endpoint of this gateway; its origins are {', '.join(origins)}",
        where=f"--resource {resource}",
        remedy="name one of these with /mcp or /mcp/SERVER; after `serve --listen`, say the same in --config: `listen:`",
    )


def _known(scope: str) -> str:
    unknown = set(scope.split()) - set(ALL_SCOPES.split())
    if unknown or not scope.split():
        raise OperatorError(f"the scopes are: {ALL_SCOPES}", where="--scope")
    return " ".join(scope.split())
