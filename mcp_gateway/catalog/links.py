"""Resources that a principal knows of because a tool or prompt of its own call linked to them.

A link may name a resource that no list has. It can be read by the principal that was handed it, for
an hour, while the call that gave it would still be allowed; nobody else learns that it exists. Kept
in this process only, and bounded.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson

from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import JsonObject, Tool

LINK_SECONDS = 3600.0
_KEPT = 1_000
"""Links of one principal; nobody's push out another's."""
_PRINCIPALS = 2_000
_PER_ANSWER = 256
_MAX_URI = 2_048
_MAX_ARGUMENTS_BYTES = 2_048
_WEB = ("https://", "http://")
"""Their names do not say whose they are: every endpoint shows them as they stand."""

_Kept: TypeAlias = "OrderedDict[tuple[str, str], Link]"


@dataclass(frozen=True, slots=True)
class Link:
    """What gave it: the call is decided again before the link is read."""

    tool: Tool
    arguments: Mapping[str, Any]
    until: float


class Links:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic, kept: int = _KEPT) -> None:
        self._clock = clock
        self._kept = kept
        self._of: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def remember(
        self, principal: Principal, tool: Tool, arguments: Mapping[str, Any], content: Sequence[object]
    ) -> None:
        """Keep the links among `content`, blocks of a result of `tool`; almost every result has none."""
        found = list(_linked(content))
        if not found or not _fits(arguments):
            return
        link = Link(tool, arguments, self._clock() + LINK_SECONDS)
        mine = self._mine(principal)
        for uri in found[:_PER_ANSWER]:
            _keep(mine, (tool.server, uri), link)
            if uri.startswith(_WEB):
                _keep(mine, ("", uri), link)
        while len(mine) > self._kept:
            mine.popitem(last=False)

    def find(self, principal: Principal, server: str | None, uri: str) -> Link | None:
        """The link by which `principal` knows `uri` of `server`; None when the URI itself does not tell the server."""
        mine = self._of.get((principal.user, principal.agent))
        link = mine.get((server or "", uri)) if mine is not None else None
        return link if link is not None and self._clock() < link.until else None

    def _mine(self, principal: Principal) -> _Kept:
        who = (principal.user, principal.agent)
        mine = self._of.setdefault(who, OrderedDict())
        self._of.move_to_end(who)
        if len(self._of) > _PRINCIPALS:
            self._of.popitem(last=False)
        return mine


def _keep(mine: _Kept, key: tuple[str, str], link: Link) -> None:
    mine[key] = link
    mine.move_to_end(key)


def _fits(arguments: Mapping[str, Any]) -> bool:
    try:
        return len(orjson.dumps(arguments)) <= _MAX_ARGUMENTS_BYTES
    except orjson.JSONEncodeError:
        return False  # a number beyond 64 bits


def _linked(content: Sequence[object]) -> Iterator[str]:
    for block in content:
        if isinstance(block, dict):
            uri: object = cast("JsonObject", block).get("uri")
            if (
                cast("JsonObject", block).get("type") == "resource_link"
                and isinstance(uri, str)
                and len(uri) <= _MAX_URI
            ):
                yield uri
