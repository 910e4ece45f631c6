"""Asking an upstream what it serves: tools, prompts, resources and templates, every page, bounded.

A server that cannot list one kind may still list the others: which ones answered is told, and why the rest did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import anyio

from mcp_gateway.errors import GatewayError, UpstreamFailure, UpstreamProtocolError, UpstreamTimeout
from mcp_gateway.model.call import Era
from mcp_gateway.model.tool import JsonObject, Kind
from mcp_gateway.upstream.envelope import METHOD_NOT_FOUND, QuestionRefused
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello, Link


class _Asked(NamedTuple):
    capability: str
    method: str
    field: str
    name: str
    """What every one of them must have."""


_ASKED: Mapping[Kind, _Asked] = {
    Kind.TOOL: _Asked("tools", "tools/list", "tools", "name"),
    Kind.PROMPT: _Asked("prompts", "prompts/list", "prompts", "name"),
    Kind.RESOURCE: _Asked("resources", "resources/list", "resources", "uri"),
    Kind.TEMPLATE: _Asked("resources", "resources/templates/list", "resourceTemplates", "uriTemplate"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """What an upstream says it serves, as it said it."""

    protocol_version: str
    server_info: JsonObject
    offered: Mapping[Kind, tuple[JsonObject, ...]]
    """Every kind it answered about; empty for one that it does not have."""
    failed: Mapping[Kind, GatewayError]
    """Why it did not answer about the others."""
    era: Era

    @property
    def tools(self) -> tuple[JsonObject, ...]:
        return self.offered.get(Kind.TOOL, ())


async def listed(link: Link, limits: Limits) -> Listed:
    """Runs under the caller's deadline; raises UpstreamFailure when nothing is answered, or not about tools."""
    hello = await link.hello()
    offered: dict[Kind, tuple[JsonObject, ...]] = {}
    failed: dict[Kind, GatewayError] = {}
    for left, kind in zip(range(len(_ASKED), 0, -1), _ASKED, strict=True):
        try:
            offered[kind] = await _within_share(link, hello, limits, kind, left)
        except QuestionRefused as exc:
            if exc.jsonrpc == METHOD_NOT_FOUND and kind is not Kind.TOOL:
                offered[kind] = ()  # many servers have resources and never heard of templates
            else:
                failed[kind] = exc
        except UpstreamFailure as exc:
            failed[kind] = exc
    if _all_asked_failed(hello, failed):
        raise next(iter(failed.values()))
    return Listed(hello.protocol_version, hello.server_info, offered, failed, hello.era)


def _all_asked_failed(hello: Hello, failed: Mapping[Kind, GatewayError]) -> bool:
    return bool(failed) and all(
        kind in failed for kind, asked in _ASKED.items() if asked.capability in hello.capabilities
    )


async def _within_share(link: Link, hello: Hello, limits: Limits, kind: Kind, left: int) -> tuple[JsonObject, ...]:
    """Whatever comes after the tools may take only its part of what is left, so that one cannot cost the others."""
    if _ASKED[kind].capability not in hello.capabilities:
        return ()
    if kind is Kind.TOOL:
        return await _pages(link, limits, kind)
    seconds = (anyio.current_effective_deadline() - anyio.current_time()) / (left + 1)
    with anyio.move_on_after(min(seconds, limits.list_seconds)):
        return await _pages(link, limits, kind)
    raise UpstreamTimeout(f"the upstream did not answer {_ASKED[kind].method} in time")


async def _pages(link: Link, limits: Limits, kind: Kind) -> tuple[JsonObject, ...]:
    asked = _ASKED[kind]
    items: list[JsonObject] = []
    params: dict[str, Any] = {}
    for _ in range(limits.pages):
        page = await link.ask(asked.method, params)
        items += _items(page.get(asked.field), asked)
        if len(items) > limits.tools:
            raise UpstreamProtocolError(f"the upstream lists more than {limits.tools} {asked.field}")
        cursor: object = page.get("nextCursor")
        if cursor is None:
            return tuple(items)
        if not isinstance(cursor, str):
            raise UpstreamProtocolError("the upstream's cursor is not a string")
        params = {"cursor": cursor}
    raise UpstreamProtocolError(f"the upstream's list of {asked.field} has more than {limits.pages} pages")


def _items(found: object, asked: _Asked) -> list[JsonObject]:
    if not isinstance(found, list):
        raise UpstreamProtocolError(f"the upstream's list of {asked.field} is not a list")
    for item in cast("list[object]", found):
        name = cast("JsonObject", item).get(asked.name) if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            raise UpstreamProtocolError(f"the upstream lists something that is none of its {asked.field}")
    return cast("list[JsonObject]", found)
