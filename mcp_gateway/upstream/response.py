"""The answer to one HTTP request, as its bytes come, and what can be wrong with it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable, Mapping

_DECODED_AT_ONCE = 262_144
IDLE_SECONDS = 3.5
"""How long an idle connection is good for. Most servers close one after five seconds (uvicorn, Node.js), and a
request that crosses the close on its way is one whose outcome nobody knows; a busy server closes late."""
_LONGEST_IDLE_SECONDS = 60.0
_CLOSING_EARLY_SECONDS = 1.5
"""Before the time that the server itself names in `Keep-Alive: timeout=…`."""
_KEPT = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*(\d{1,6})\b", re.IGNORECASE)


class WireError(Exception):
    """No whole answer came."""


class NotConnected(WireError):
    """Nothing was sent: there never was a connection."""


class PoolIsFull(WireError):
    """Nothing was sent: every connection stayed in use."""


class TimedOut(WireError):
    """The request's deadline passed."""


class Broken(WireError):
    """The connection ended before the answer did."""


class Malformed(WireError):
    """What came is not HTTP/1.1, or not in an encoding that was asked for."""


class Response:
    """An answer whose head has come."""

    __slots__ = ("_headers", "_inflate", "_packed", "_read", "status")

    def __init__(
        self, read: Callable[[], Awaitable[bytes | None]], status: int, headers: Mapping[bytes, bytes]
    ) -> None:
        """`headers` by name in lower case."""
        self._read = read
        self._headers = headers
        self.status = status
        self._inflate = zlib.decompressobj(wbits=31) if self._is_packed() else None
        self._packed = b""

    def get_header(self, name: str) -> str | None:
        """The first header of that name, written in lower case."""
        if self._inflate is not None and name == "content-length":
            return None  # of the packed bytes, which nobody sees
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1").strip()

    async def read_chunk(self) -> bytes | None:
        """The next decoded bytes, as they came; None at the end. Raises WireError."""
        if self._inflate is None:
            return await self._read()
        while True:
            packed = self._packed or await self._read()
            if packed is None:
                if not self._inflate.eof:
                    raise Malformed
                return None
            try:
                plain = self._inflate.decompress(packed, _DECODED_AT_ONCE)
            except zlib.error as exc:
                raise Malformed from exc
            if self._inflate.unused_data:
                raise Malformed  # what comes behind the end is read by nobody, and would be kept
            self._packed = self._inflate.unconsumed_tail
            if plain:
                return plain

    def _is_packed(self) -> bool:
        encoding = self._headers.get(b"content-encoding", b"").strip().lower()
        if encoding in (b"", b"identity"):
            return False
        if encoding == b"gzip":
            return True
        raise Malformed


def idle_seconds_of(said: bytes) -> float:
    """How long a connection may be idle and still carry a request, by its `Keep-Alive` header."""
    found = _KEPT.search(said)
    if found is None:
        return IDLE_SECONDS
    return min(max(int(found[1]) - _CLOSING_EARLY_SECONDS, 0.0), _LONGEST_IDLE_SECONDS)
