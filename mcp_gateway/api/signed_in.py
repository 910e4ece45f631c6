"""Who is at the first-party door: the login session's cookie, or a bearer token meant for it.

A person, never an agent. An MCP client's token has another audience and is refused here:
it would let an agent read what its user may read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast
from urllib.parse import quote

from starlette.requests import Request

from mcp_gateway.administration import Administration
from mcp_gateway.errors import Unauthenticated
from mcp_gateway.inspection import Inspection
from mcp_gateway.model.principal import Person

PersonOfCookies: TypeAlias = Callable[[Mapping[str, str]], Awaitable[Person | None]]
"""The person whose login session the cookies prove, None without one that is alive at the newest revision."""

PersonOfBearer: TypeAlias = Callable[[str], Awaitable[Person]]
"""The person an `Authorization` header proves at `/api/v1`; raises Unauthenticated."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every route of this door needs; lives in `app.state.desk`."""

    inspection: Inspection
    administration: Administration
    person_of_cookies: PersonOfCookies
    person_of_bearer: PersonOfBearer | None
    origins: tuple[str, ...]
    """Public origins of the gateway; the first one is the default."""


def desk_of(request: Request) -> Desk:
    return cast("Desk", request.app.state.desk)


async def person_of(request: Request) -> Person:
    """Raises Unauthenticated. A header that is present must be good: the cookie does not stand in for it."""
    desk = desk_of(request)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        if desk.person_of_bearer is None:
            raise Unauthenticated("bearer tokens are not accepted here")
        return await desk.person_of_bearer(authorization)
    person = await desk.person_of_cookies(request.cookies)
    if person is None:
        raise Unauthenticated(code="token.missing")
    return person


def login_path(request: Request) -> str:
    """Where to sign in, and to come back from."""
    query = f"?{request.url.query}" if request.url.query else ""
    return "/login?next=" + quote(request.url.path + query, safe="")


def mcp_url(request: Request) -> str:
    """The MCP endpoint under the name this client uses for us, if it is a public one."""
    here = f"{request.url.scheme}://{request.url.netloc}"
    origins = desk_of(request).origins
    return (here if here in origins else origins[0]) + "/mcp"
