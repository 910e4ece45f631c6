"""Before anything else is known of a request: is it one too many? By its token alone, as it was learnt to be whose.

While there is more to do than can be done, most requests are refused, and what a refusal costs is taken from the calls
that are served. So the connection asks here before it makes a task of a request. A token is learnt when the door has
verified it; requests with any other, forged ones too, share one place among the principals, as if one sent them all.
What is remembered decides who waits his turn and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, MutableMapping
from typing import Any, TypeAlias

import orjson

from mcp_gateway.errors import PUBLIC, LimitExceeded
from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.reply import error_object
from mcp_gateway.transport.shedding import Shedding

Scope: TypeAlias = MutableMapping[str, Any]

PASSED = "mcp_gateway.passed"
"""In the scope of a request that was asked here already, and let in."""
OVERLOAD = "limit.overload"

_ENDPOINTS = "/mcp"
STRANGERS = ""
"""Whoever sends with a token that was not verified here."""
_MOST_LEARNT = 20_000


class Turnstile:
    """One per process."""

    def __init__(self, shedding: Shedding, *, clock: Callable[[], float] = time.time) -> None:
        self._shedding = shedding
        self._clock = clock
        self._known: dict[int, tuple[Hashable, float]] = {}
        """By the hash of a token: whose it is, and until when. The oldest stands first."""

    def learn(self, authorization: str | None, principal: Principal) -> None:
        """Whose token it is, which was verified."""
        token = _token(authorization or "")
        if token not in self._known:
            self._known[token] = (principal.user, principal.agent), principal.expires_at
            if len(self._known) > _MOST_LEARNT:
                del self._known[next(iter(self._known))]

    def forget(self, authorization: str | None) -> None:
        """The token was refused."""
        self._known.pop(_token(authorization or ""), None)

    def refuses(self, scope: Scope) -> float | None:
        """Seconds after which to tell the client that its request is refused; None = it passes."""
        if not self._shedding.tight or scope["method"] != "POST" or not scope["path"].startswith(_ENDPOINTS):
            return None
        if self._shedding.admits(self._who(scope)):
            scope[PASSED] = True
            return None
        return self._shedding.refusal_pause()

    def _who(self, scope: Scope) -> Hashable:
        for name, value in scope["headers"]:
            if name == b"authorization":
                who, until = self._known.get(_token(value.decode("latin-1")), (STRANGERS, 0.0))
                return who if until > self._clock() else STRANGERS
        return STRANGERS


def _token(authorization: str) -> int:
    """The same for every spelling of a header that `Identity` takes for the same token."""
    return hash(authorization.partition(" ")[2].strip())


def refusal() -> tuple[bytes, bytes]:
    """Head, but for its last line, and body of the answer to a request that was refused unread."""
    error = error_object(LimitExceeded(code=OVERLOAD), os.urandom(12).hex())
    body = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
    return _HEAD % (PUBLIC[OVERLOAD].retry_after_seconds or 1, len(body)), body


_HEAD = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
    b"retry-after: %d\r\ncontent-length: %d\r\n"
)
