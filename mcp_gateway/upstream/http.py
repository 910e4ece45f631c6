"""One upstream over HTTP: a pooled client pinned to vetted addresses.

It follows no redirect, uses no proxy and keeps no cookie. Its errors say whether the request can have been
executed: only a connection that was never made proves that it was not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import anyio

from mcp_gateway.errors import (
    LimitExceeded,
    OperatorError,
    OutcomeUnknown,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_gateway.model.tool import HttpTransport, Risk
from mcp_gateway.upstream.addresses import Resolve, is_literal, networks, vet_all
from mcp_gateway.upstream.body import EVENTS, JSON
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.pool import Pool
from mcp_gateway.upstream.requests import Headers, Requests
from mcp_gateway.upstream.response import Malformed, NotConnected, PoolIsFull, Response, TimedOut, WireError

T = TypeVar("T")

_REFUSALS = (401, 403, 429)
_BODILESS = ("GET", "HEAD", "DELETE")
_FIXED = (("accept", f"{JSON}, {EVENTS}"), ("content-type", JSON))


class Refused(UpstreamUnavailable):
    """A healthy upstream did not want this request: HTTP 401, 403 or 429."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to any place of the registry entry's origin."""

    method: str
    target: str
    """Path and query, beginning with `/`; scheme, host and port are the entry's."""
    headers: Headers = ()
    body: bytes = b""
    seconds: float | None = None
    """Its own deadline; None = the upstream's."""


class HttpClient:
    """Safe to share; resolves on first use, and again when `refresh` is called.

    `fixed` are the headers of every request that does not say otherwise.
    """

    def __init__(
        self,
        transport: HttpTransport,
        *,
        timeout_seconds: float,
        resolve: Resolve,
        limits: Limits,
        fixed: Headers = _FIXED,
    ) -> None:
        parts = urlsplit(transport.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise OperatorError("needs an http: or https: URL without credentials", where="transport.url")
        try:
            self._requests = Requests(transport.url, [*fixed, *transport.headers])
        except ValueError as exc:
            raise OperatorError("has a name or value that no request can carry", where="transport.headers") from exc
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._secure = parts.scheme == "https"
        self._allowed = networks(transport.network)
        self._resolve = resolve
        self._limits = limits
        self._seconds = timeout_seconds
        self._opening = anyio.Lock()
        self._addresses: tuple[str, ...] = ()
        self._pool: Pool | None = None

    @property
    def is_open(self) -> bool:
        """A request need not wait for a name to be resolved."""
        return self._pool is not None

    @property
    def connections(self) -> int:
        return 0 if self._pool is None else self._pool.open

    def post(
        self, headers: Headers, body: bytes, consume: Callable[[Response], Awaitable[T]], *, patience: float = 0.0
    ) -> Awaitable[T]:
        """POST `body` and let `consume` read the answer; leaving early closes the request.

        `patience` is added to the upstream's deadline for who watches over the request himself.
        """
        try:
            request = self._requests.post(headers, body)
        except ValueError:
            raise _not_sendable() from None
        return self._exchange(request, self._seconds + patience, consume)

    @asynccontextmanager
    async def stream(self, headers: Headers, *, patience: float = 0.0) -> AsyncGenerator[Response, None]:
        """GET the endpoint. Raises what `post` raises; leaving closes the request."""
        request = self._other(Outgoing("GET", self._requests.target, headers))
        pool = self._pool or await self._opened()
        try:
            connection = pool.take() or await pool.acquire()
            try:
                connection.begin(request, seconds=self._seconds + patience)
                yield await connection.head()
            finally:
                pool.give_back(connection)
        except WireError as exc:
            raise self._translated(exc) from exc

    async def send(self, outgoing: Outgoing, consume: Callable[[Response], Awaitable[T]]) -> T:
        """The same for any method and any place of the origin."""
        seconds = self._seconds if outgoing.seconds is None else outgoing.seconds
        return await self._exchange(self._other(outgoing), seconds, consume, bodiless=outgoing.method == "HEAD")

    async def delete(self, headers: Headers) -> None:
        """End a session; the answer does not matter."""
        await self.send(Outgoing("DELETE", self._requests.target, headers), _disregard)

    async def _exchange(
        self,
        request: bytes,
        seconds: float,
        consume: Callable[[Response], Awaitable[T]],
        *,
        bodiless: bool = False,
    ) -> T:
        pool = self._pool or await self._opened()
        try:
            connection = pool.take() or await pool.acquire()
            try:
                connection.begin(request, seconds=seconds, bodiless=bodiless)
                return await consume(await connection.head())
            finally:
                pool.give_back(connection)
        except WireError as exc:
            raise self._translated(exc) from exc

    def _other(self, outgoing: Outgoing) -> bytes:
        if not outgoing.target.startswith("/"):
            raise UpstreamUnavailable("the request would leave the upstream's origin")
        body = outgoing.body or (None if outgoing.method in _BODILESS else b"")
        try:
            return self._requests.other(outgoing.method, outgoing.target, outgoing.headers, body)
        except ValueError:
            raise _not_sendable() from None

    async def refresh(self) -> None:
        """Resolve again; when the addresses changed, new calls use a new client. A failed resolution changes nothing."""
        if self._pool is None:
            return
        async with self._opening:
            try:
                found = await self._vetted()
            except OSError:
                return
            except UpstreamUnavailable:
                self._replace((), None)  # it moved to where we may not follow
                return
            if found != self._addresses:
                self._replace(found, self._built(found[0]))

    async def aclose(self) -> None:
        self._replace((), None)

    async def _opened(self) -> Pool:
        async with self._opening:
            if self._pool is None:
                try:
                    found = await self._vetted()
                except OSError as exc:
                    raise UpstreamUnavailable("the upstream's host cannot be resolved") from exc
                self._replace(found, self._built(found[0]))
            assert self._pool is not None
            return self._pool

    async def _vetted(self) -> tuple[str, ...]:
        if is_literal(self._host):
            return vet_all([self._host], self._allowed)
        return vet_all(await self._resolve(self._host, self._port), self._allowed)

    def _built(self, address: str) -> Pool:
        return Pool(
            address,
            self._port,
            server_name=self._host if self._secure else None,
            limit=self._limits.connections,
            connect_seconds=self._limits.connect_seconds,
        )

    def _replace(self, addresses: tuple[str, ...], pool: Pool | None) -> None:
        if self._pool is not None:
            self._pool.close()  # calls under way end where they began
        self._addresses, self._pool = addresses, pool

    def _translated(self, exc: WireError) -> UpstreamFailure | LimitExceeded:
        match exc:
            case PoolIsFull():
                return LimitExceeded("too many requests to this upstream are under way", code="limit.overload")
            case NotConnected():
                self._turn()
                return UpstreamUnavailable("no connection to the upstream")
            case TimedOut():
                return UpstreamTimeout("the upstream did not answer in time")
            case Malformed():
                return UpstreamProtocolError("the upstream does not speak HTTP as it should")
            case _:
                return OutcomeUnknown("the connection to the upstream broke before it answered")

    def _turn(self) -> None:
        """The next call tries the host's next address."""
        if len(self._addresses) > 1:
            turned = (*self._addresses[1:], self._addresses[0])
            self._replace(turned, self._built(turned[0]))


def failure_of(status: int, risk: Risk | None) -> UpstreamFailure:
    """What an answer without JSON-RPC in it means; `risk` is None for questions that change nothing."""
    if status in _REFUSALS:
        return Refused(f"the upstream refused with HTTP {status}")
    if status == 503:
        return UpstreamUnavailable("the upstream is overloaded or down: HTTP 503")
    if status >= 500:
        if risk in (None, Risk.READ):
            return UpstreamUnavailable(f"the upstream failed with HTTP {status}")
        return OutcomeUnknown(f"the upstream failed with HTTP {status}")
    return UpstreamProtocolError(f"the upstream answered HTTP {status} without JSON-RPC")


async def _disregard(_response: Response) -> None:
    """What a server says to the end of a session changes nothing."""


def _not_sendable() -> UpstreamUnavailable:
    # Without what made it so: that may be a credential.
    return UpstreamUnavailable("a header of the registry entry or the credential is not valid")
