"""One upstream over HTTP: a pooled client pinned to vetted addresses.

With `body`, which reads the answers, the only module that knows pyreqwest's ways. It follows no
redirect, uses no proxy and keeps no cookie. Its errors say whether the request can have been
executed: only a connection that was never made proves that it was not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    ConnectError,
    ConnectTimeoutError,
    DecodeError,
    PoolTimeoutError,
    PyreqwestError,
    RequestError,
    RequestTimeoutError,
)
from pyreqwest.response import Response

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
from mcp_gateway.upstream.addresses import Resolve, networks, vet_all
from mcp_gateway.upstream.body import EVENTS, JSON, restored_cancellation
from mcp_gateway.upstream.limits import Limits

T = TypeVar("T")
Headers = Sequence[tuple[str, str]]

_REFUSALS = (401, 403, 429)
_RETIRE_SECONDS = 600.0
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
        self._url = transport.url
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._allowed = networks(transport.network)
        self._default_headers = [*fixed, *transport.headers]
        self._resolve = resolve
        self._limits = limits
        self._timeout = timedelta(seconds=timeout_seconds)
        self._opening = anyio.Lock()
        self._addresses: tuple[str, ...] = ()
        self._client: Client | None = None
        self._retired: list[tuple[float, Client]] = []

    @property
    def is_open(self) -> bool:
        """A request need not wait for a name to be resolved."""
        return self._client is not None

    def post(
        self, headers: Headers, body: bytes, consume: Callable[[Response], Awaitable[T]], *, patience: float = 0.0
    ) -> Awaitable[T]:
        """POST `body` and let `consume` read the answer; leaving early closes the request.

        `patience` is added to the upstream's deadline for who watches over the request himself.
        """
        seconds = self._timeout.total_seconds() + patience if patience else None
        return self._exchange("POST", self._url, headers, body, seconds, consume)

    @asynccontextmanager
    async def stream(self, headers: Headers, *, patience: float = 0.0) -> AsyncGenerator[Response, None]:
        """GET the endpoint. Raises what `post` raises; leaving closes the request."""
        client = self._client or await self._opened()
        try:
            request = client.get(self._url).headers(headers).timeout(self._timeout + timedelta(seconds=patience))
            streamed = request.streamed_read_buffer_limit(0).build_streamed()
            response = await streamed.__aenter__()
        except PyreqwestError as exc:
            raise self._translated(exc) from exc
        except anyio.get_cancelled_exc_class():
            await restored_cancellation()
            raise
        try:
            yield response
        except PyreqwestError as exc:
            raise self._translated(exc) from exc
        finally:
            await streamed.__aexit__(None, None, None)

    async def send(self, outgoing: Outgoing, consume: Callable[[Response], Awaitable[T]]) -> T:
        """The same for any method and any place of the origin."""
        if not outgoing.target.startswith("/"):
            raise UpstreamUnavailable("the request would leave the upstream's origin")
        url = self._origin + outgoing.target
        return await self._exchange(
            outgoing.method, url, outgoing.headers, outgoing.body or None, outgoing.seconds, consume
        )

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes | None,
        seconds: float | None,
        consume: Callable[[Response], Awaitable[T]],
    ) -> T:
        client = self._client or await self._opened()
        try:
            request = client.request(method, url).headers(headers)
            if body is not None:
                request = request.body_bytes(body)
            if seconds is not None:
                request = request.timeout(timedelta(seconds=seconds))
            # Without a buffer events arrive when they are sent, not when the stream ends.
            async with request.streamed_read_buffer_limit(0).build_streamed() as response:
                return await consume(response)
        except PyreqwestError as exc:
            raise self._translated(exc) from exc
        except anyio.get_cancelled_exc_class():
            await restored_cancellation()
            raise
        except ValueError:
            # Names the header's value, so it is not even chained.
            raise UpstreamUnavailable("a header of the registry entry or the credential is not valid") from None

    async def delete(self, headers: Headers) -> None:
        """End a session; the answer does not matter."""
        client = self._client or await self._opened()
        try:
            async with client.delete(self._url).headers(headers).build_streamed():
                return
        except PyreqwestError as exc:
            raise self._translated(exc) from exc

    async def refresh(self) -> None:
        """Resolve again; when the addresses changed, new calls use a new client. A failed resolution changes nothing."""
        if self._client is None:
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
        await self._close_retired()

    async def aclose(self) -> None:
        self._replace((), None)
        await self._close_retired(everything=True)

    async def _opened(self) -> Client:
        async with self._opening:
            if self._client is None:
                try:
                    found = await self._vetted()
                except OSError as exc:
                    raise UpstreamUnavailable("the upstream's host cannot be resolved") from exc
                self._replace(found, self._built(found[0]))
            assert self._client is not None
            return self._client

    async def _vetted(self) -> tuple[str, ...]:
        if _is_literal(self._host):
            return vet_all([self._host], self._allowed)
        return vet_all(await self._resolve(self._host, self._port), self._allowed)

    def _built(self, address: str) -> Client:
        limits = self._limits
        return (
            ClientBuilder()
            .follow_redirects(False)
            .no_proxy()
            .referer(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .user_agent("mcp-gateway")
            .default_headers(self._default_headers)
            # From the connection to the last byte; also of a request that was cancelled before its answer began.
            .timeout(self._timeout)
            .connect_timeout(timedelta(seconds=limits.connect_seconds))
            .max_connections(limits.connections)
            .pool_timeout(timedelta(seconds=limits.connect_seconds))
            .resolve(self._host, address, self._port)
            .build()
        )

    def _replace(self, addresses: tuple[str, ...], client: Client | None) -> None:
        if self._client is not None:
            self._retired.append((anyio.current_time(), self._client))
        self._addresses, self._client = addresses, client

    async def _close_retired(self, *, everything: bool = False) -> None:
        """Calls under way keep the client they began with."""
        now = anyio.current_time()
        due = [client for since, client in self._retired if everything or now - since > _RETIRE_SECONDS]
        self._retired = [pair for pair in self._retired if pair[1] not in due]
        for client in due:
            await client.close()

    def _translated(self, exc: PyreqwestError) -> UpstreamFailure | LimitExceeded:
        match exc:
            case PoolTimeoutError():
                return LimitExceeded("too many requests to this upstream are under way", code="limit.overload")
            case BuilderError():
                return UpstreamUnavailable("the request to the upstream cannot be built")
            case ConnectError() | ConnectTimeoutError() if _never_connected(exc):
                self._turn()
                return UpstreamUnavailable("no connection to the upstream")
            case RequestTimeoutError():
                return UpstreamTimeout("the upstream did not answer in time")
            case DecodeError() | RequestError() if _undecodable(exc):
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


def _never_connected(exc: RequestError) -> bool:
    """pyreqwest's connect errors also cover connections that broke, or timed out, with the request on its way."""
    return any(cause["message"] == "client error (Connect)" for cause in exc.details["causes"] or ())


def _undecodable(exc: RequestError) -> bool:
    """Bytes came, and they were not HTTP or not in the encoding they claim."""
    causes = [cause["message"] for cause in exc.details["causes"] or ()]
    broken_body = "request or response body error" in causes and "error reading a body from connection" not in causes
    return broken_body or isinstance(exc, DecodeError)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
