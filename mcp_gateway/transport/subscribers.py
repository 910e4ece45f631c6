"""Who watches which resource, and which resources of a server anybody watches. Holds no connection, sends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from typing import TypeAlias

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.transport.stream import Stream
from mcp_gateway.watch import Watched

PER_STREAM = 256
PER_SERVER = 4_096
PER_PRINCIPAL = 1_024
"""Of one server, over all its streams: the rest is for others."""
_MAX_SEGMENTS = 64

Want: TypeAlias = Callable[[str, Set[str]], None]
"""Told the server and all its watched resources, by its own URIs, whenever these change."""


class Subscribers:
    def __init__(self, want: Want) -> None:
        self._want = want
        self._of_server: dict[str, dict[str, dict[Stream, str]]] = {}
        self._of_principal: Counter[tuple[str, str, str]] = Counter()

    def add(self, stream: Stream, exposed: str, watched: Watched) -> None:
        """Raises LimitExceeded `limit.subscriptions`."""
        if exposed not in stream.uris and len(stream.uris) >= PER_STREAM:
            raise LimitExceeded(f"{PER_STREAM} resources are watched already", code="limit.subscriptions")
        self._note(stream, exposed, watched)
        stream.uris[exposed] = watched

    def remove(self, stream: Stream, exposed: str) -> None:
        watched = stream.uris.pop(exposed, None)
        if watched is not None:
            self._forget(stream, watched)

    def join(self, stream: Stream) -> None:
        """Take in what `stream` watches already; raises LimitExceeded like `add`."""
        for exposed, watched in stream.uris.items():
            self._note(stream, exposed, watched)

    def part(self, stream: Stream) -> None:
        """`stream` ends; what it watched stays noted in it."""
        for watched in stream.uris.values():
            self._forget(stream, watched)

    def of(self, server: str, uri: str) -> Iterator[tuple[Stream, str]]:
        """Every stream that watches `uri` or what it is part of, with the URI its client knows it by."""
        known = self._of_server.get(server)
        for base in _bases(uri) if known else ():
            for stream, exposed in list((known or {}).get(base, {}).items()):
                yield stream, exposed + uri[len(base) :]

    def _note(self, stream: Stream, exposed: str, watched: Watched) -> None:
        known = self._of_server.get(watched.server, {})
        if stream not in known.get(watched.uri, {}):
            self._count(stream, watched)
        known = self._of_server.setdefault(watched.server, known)
        is_new = watched.uri not in known
        known.setdefault(watched.uri, {})[stream] = exposed
        if is_new:
            self._want(watched.server, known.keys())

    def _count(self, stream: Stream, watched: Watched) -> None:
        """One more of this principal; raises LimitExceeded."""
        known, who = self._of_server.get(watched.server, {}), _who(stream, watched)
        if self._of_principal[who] >= PER_PRINCIPAL or (watched.uri not in known and len(known) >= PER_SERVER):
            raise LimitExceeded("too many resources of this server are watched", code="limit.subscriptions")
        self._of_principal[who] += 1

    def _forget(self, stream: Stream, watched: Watched) -> None:
        known = self._of_server.get(watched.server, {})
        watching = known.get(watched.uri, {})
        if watching.pop(stream, None) is None:
            return
        who = _who(stream, watched)
        self._of_principal[who] -= 1
        if not self._of_principal[who]:
            del self._of_principal[who]
        if not watching:
            del known[watched.uri]
            self._want(watched.server, known.keys())
            if not known:
                del self._of_server[watched.server]


def _who(stream: Stream, watched: Watched) -> tuple[str, str, str]:
    return stream.principal.user, stream.principal.agent, watched.server


def _bases(uri: str) -> Iterator[str]:
    """`uri` and what it may be part of: a server may name a part of what is watched (MCP server/resources)."""
    yield uri
    end = len(uri)
    for _ in range(_MAX_SEGMENTS):
        end = uri.rfind("/", 0, end)
        if end <= 0:
            return
        yield uri[:end]
        yield uri[: end + 1]
