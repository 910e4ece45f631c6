"""Which era an upstream speaks: probed once, remembered, asked again only on a contradiction.

    server/discover ──versions, or an error only modern servers know──▶ modern
                    └─HTTP 400/404/405, or anything else in JSON-RPC──▶ legacy

A refusal to talk at all (401, 403, 429, 5xx, no connection) says nothing and is raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import anyio

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.model.call import Era
from mcp_gateway.upstream.envelope import METHOD_NOT_FOUND, Message

_HEADER_MISMATCH, _MISSING_CAPABILITY, _UNSUPPORTED_VERSION = -32020, -32021, -32022
_MODERN_ONLY = frozenset({_HEADER_MISMATCH, _MISSING_CAPABILITY, _UNSUPPORTED_VERSION})
_LEGACY_REFUSALS = frozenset({-32600, -32000, -32001})
"""How legacy servers say "no session" and "unknown version"."""


class EraContradicted(UpstreamProtocolError):
    """The upstream answered as if it did not speak the era it was called in; the call cannot have run if so."""


class EraMemory:
    """`probe` asks the upstream; a pinned era is never probed."""

    def __init__(self, protocol: Literal["auto", "modern", "legacy"], probe: Callable[[], Awaitable[Era]]) -> None:
        self._pinned = None if protocol == "auto" else Era(protocol)
        self.known = self._pinned
        """None until the upstream has been asked."""
        self._probe = probe
        self._probing = anyio.Lock()

    async def current(self) -> Era:
        if self.known is not None:
            return self.known
        async with self._probing:
            if self.known is None:
                self.known = await self._probe()
            return self.known

    async def contradicted(self, era: Era) -> bool:
        """Whether the upstream no longer speaks `era`, found out by asking it."""
        if self._pinned is not None:
            return False
        async with self._probing:
            if self.known is era:
                self.known = None
                self.known = await self._probe()
            return self.known is not era


def era_of(status: int, message: Message | None) -> Era | None:
    """What an answer to `server/discover` says; None when it says nothing."""
    match message:
        case {"result": {"supportedVersions": list()}}:
            return Era.MODERN
        case {"result": _}:
            # Some servers answer whatever they do not know with an empty result.
            return Era.LEGACY
        case _:
            pass
    code = error_code(message)
    if code in _MODERN_ONLY or (code == METHOD_NOT_FOUND and status == 404):
        return Era.MODERN
    if code is not None or status in (400, 404, 405):
        return Era.LEGACY
    return None


def refuses_modern(status: int, code: int | None) -> bool:
    """Whether an answer to a modern call may come from a server that is not modern; asking again decides."""
    if code is None:
        return status in (400, 404, 405)
    return code == _UNSUPPORTED_VERSION or (status in (400, 404, 405) and code in _LEGACY_REFUSALS)


def refuses_legacy(status: int, code: int | None) -> bool:
    """Whether an answer to a legacy call may come from a server that has become modern.

    A missing capability does not say so: a modern server would have missed the envelope first.
    """
    return code in (_HEADER_MISMATCH, _UNSUPPORTED_VERSION) or (code is None and status in (400, 405))


def error_code(message: Message | None) -> int | None:
    match message:
        case {"error": {"code": int(code)}}:
            return code
        case _:
            return None
