"""Asking an upstream what it serves: every page, bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.model.call import Era
from mcp_gateway.model.tool import JsonObject
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello, Link


@dataclass(frozen=True, slots=True)
class Listed:
    """What an upstream says it serves, as it said it."""

    protocol_version: str
    server_info: JsonObject
    tools: tuple[JsonObject, ...]
    era: Era


async def listed(link: Link, limits: Limits) -> Listed:
    """Runs under the caller's deadline; raises UpstreamFailure."""
    hello = await link.hello()
    tools = await _pages(link, limits) if "tools" in hello.capabilities else ()
    return _of(hello, tools)


async def _pages(link: Link, limits: Limits) -> tuple[JsonObject, ...]:
    tools: list[JsonObject] = []
    params: dict[str, Any] = {}
    for _ in range(limits.pages):
        page = await link.ask("tools/list", params)
        tools += _tools(page.get("tools"))
        if len(tools) > limits.tools:
            raise UpstreamProtocolError(f"the upstream lists more than {limits.tools} tools")
        cursor: object = page.get("nextCursor")
        if cursor is None:
            return tuple(tools)
        if not isinstance(cursor, str):
            raise UpstreamProtocolError("the upstream's cursor is not a string")
        params = {"cursor": cursor}
    raise UpstreamProtocolError(f"the upstream's list of tools has more than {limits.pages} pages")


def _tools(found: object) -> list[JsonObject]:
    if not isinstance(found, list):
        raise UpstreamProtocolError("the upstream's list of tools is not a list")
    tools = cast("list[object]", found)
    for tool in tools:
        match tool:
            case {"name": str(name)} if name:
                pass
            case _:
                raise UpstreamProtocolError("the upstream lists something that is no tool")
    return cast("list[JsonObject]", tools)


def _of(hello: Hello, tools: tuple[JsonObject, ...]) -> Listed:
    return Listed(hello.protocol_version, hello.server_info, tools, hello.era)
