"""Legacy sessions without a table: the id holds what the session is, sealed for one principal and endpoint.

Any process with the key ring serves plain requests of a session. DELETE stores the id's digest
until it would have expired (MCP 2025-11-25 basic/transports, session management).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.sealing import Sealer

SESSION_SECONDS = 86_400.0
_PURPOSE = "session"
_ASKABLE = ("elicitation", "sampling", "roots", "extensions")
_MAX_CAPABILITIES_BYTES = 1024
_REMEMBERED = 10_000
_REMEMBERED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Session:
    digest: str
    """SHA-256 of the id: what other places may know of it."""
    protocol_version: str
    capabilities: Mapping[str, Any]
    """What the client said at `initialize` that it can be asked."""
    forget_at: float
    """Seconds since the epoch; from then on the id itself is asked again."""
    process: str = ""
    """Which process made it and keeps what it said."""


class Sessions:
    def __init__(
        self,
        sealer: Sealer,
        *,
        end: Callable[[str, float], Awaitable[None]],
        ended: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`end` stores a digest for so many seconds; `ended` tells whether one is stored."""
        self._sealer = sealer
        self._end = end
        self._ended = ended
        self._clock = clock
        self._process = os.urandom(6).hex()
        self._remembered: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def create(self, principal: Principal, protocol_version: str, capabilities: Mapping[str, Any]) -> str:
        """A new session id for `principal`, at the endpoint its token is for."""
        content = {"v": protocol_version, "c": _askable(capabilities), "p": self._process}
        return self._sealer.seal(_PURPOSE, _binding(principal), content, seconds=SESSION_SECONDS)

    def lately(self) -> int:
        """How many sessions were asked about here lately: within the time one is remembered."""
        now = self._clock()
        return sum(session.forget_at > now for session in self._remembered.values())

    def find(self, session_id: str | None, principal: Principal) -> Session:
        """The session; one that is foreign, altered, expired or ended is answered like an unknown one."""
        if not session_id:
            raise BadRequest("the Mcp-Session-Id header is missing; initialize first", code="session.missing")
        key = (session_id, _binding(principal))
        session = self._remembered.get(key)
        if session is None or session.forget_at <= self._clock():
            session = self._open(key)
        if self._ended(session.digest):
            raise BadRequest("the session is unknown; initialize again", code="session.unknown")
        return session

    async def delete(self, session_id: str | None, principal: Principal) -> Session:
        session = self.find(session_id, principal)
        # Longer than any process may remember it as open.
        await self._end(session.digest, SESSION_SECONDS + _REMEMBERED_SECONDS)
        return session

    def is_own(self, session: Session) -> bool:
        """Whether this process made it, so that what it said is known here."""
        return session.process == self._process

    def is_ended(self, digest: str) -> bool:
        return self._ended(digest)

    def _open(self, key: tuple[str, str]) -> Session:
        content = self._sealer.open(_PURPOSE, key[1], key[0])
        if content is None:
            raise BadRequest("the session is unknown; initialize again", code="session.unknown")
        digest = hashlib.sha256(key[0].encode()).hexdigest()
        until = self._clock() + _REMEMBERED_SECONDS
        session = Session(digest, str(content["v"]), content.get("c", {}), until, str(content.get("p", "")))
        self._remembered[key] = session
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return session


def _askable(capabilities: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the session id carries of them: only what says how the client can be asked, and no more than fits."""
    kept = {name: capabilities[name] for name in _ASKABLE if isinstance(capabilities.get(name), dict)}
    return kept if len(orjson.dumps(kept)) <= _MAX_CAPABILITIES_BYTES else {name: {} for name in kept}


def _binding(principal: Principal) -> str:
    return f"{principal.user}\0{principal.agent}\0{principal.audience}"
