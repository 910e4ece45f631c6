"""OpenFGA's HTTP API, thin: one pooled client, pinned to vetted addresses, bounded in time and bytes.

For the call path, where the official SDK costs five times the CPU; administration uses the SDK
(`openfga_admin`). Follows no redirect and uses no proxy. Every failure is an AuthorizationUnavailable
whose text holds no token, no tuple and nothing a server wrote but its error code.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import orjson
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, PyreqwestError, RequestTimeoutError
from pyreqwest.response import Response

from mcp_gateway.authorization.backends.circuit import Circuit
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to the addresses one may connect to; raises OSError or a GatewayError."""

_MAX_ANSWER_BYTES = 4_194_304
_CONNECTIONS = 64
CODE = re.compile(r"[A-Za-z_]{1,64}")
"""A code of the server, safe to repeat."""
_WRONG_STORE = frozenset({"store_id_not_found", "store_id_invalid_length"})
_WRONG_MODEL = frozenset({"authorization_model_not_found", "latest_authorization_model_not_found"})


class Credential(Protocol):
    """What says who we are to the server."""

    async def header(self) -> str | None:
        """The value of `authorization`; raises AuthorizationUnavailable when there is none now."""
        ...

    def refused(self) -> bool:
        """The server said 401; True when another header may be tried."""
        ...


class ServerRefused(AuthorizationUnavailable):
    """The server answered, with an error."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"the relationship server answered HTTP {status} {error}".rstrip())
        self.status = status
        self.error = error
        """The server's own code, such as `validation_error`; empty when it gave none."""

    @property
    def wrong_store(self) -> bool:
        return self.error in _WRONG_STORE

    @property
    def wrong_model(self) -> bool:
        return self.error in _WRONG_MODEL


class Answer(NamedTuple):
    body: Mapping[str, Any]
    store: str | None
    """The store the server says it answered for; None when it does not say."""
    model: str | None


class OpenFgaClient:
    """Safe to share. Resolves on first use, and again after a connection failed."""

    def __init__(self, url: str, *, credential: Credential, resolve: Resolve, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise OperatorError("needs an http: or https: URL without credentials", where="relationships.url")
        self.url = url.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._credential = credential
        self._resolve = resolve
        self._timeout_seconds = timeout_seconds
        self._opening = anyio.Lock()
        self._client: Client | None = None
        self._retired: list[Client] = []
        self.circuit = Circuit()
        self.reconnects = 0
        """Grows whenever the server could not be reached; what was verified before then is to be verified again."""

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self._governed(path, orjson.dumps(body))

    async def get(self, path: str) -> Answer:
        return await self._governed(path, None)

    async def aclose(self) -> None:
        self._drop()
        retired, self._retired = self._retired, []
        for client in retired:
            await client.close()

    async def _governed(self, path: str, body: bytes | None) -> Answer:
        if not self.circuit.admits(time.monotonic()):
            raise AuthorizationUnavailable("the relationship server keeps failing; it is tried again shortly")
        try:
            answer = await self._with_deadline(path, body)
        except ServerRefused as exc:
            # A server that says no is up; one that fails or is overloaded is not.
            self._failed() if exc.status >= 500 or exc.status == 429 else self.circuit.succeeded()
            raise
        except AuthorizationUnavailable:
            self._failed()
            raise
        self.circuit.succeeded()
        return answer

    async def _with_deadline(self, path: str, body: bytes | None) -> Answer:
        try:
            # Over everything: resolving, a token, both attempts. The client's own timeout ends what was abandoned.
            with anyio.fail_after(self._timeout_seconds):
                return await self._asked(path, body)
        except TimeoutError as exc:
            raise AuthorizationUnavailable("the relationship server did not answer in time") from exc

    async def _asked(self, path: str, body: bytes | None) -> Answer:
        try:
            return await self._sent(path, body)
        except ServerRefused as exc:
            if exc.status != 401 or not self._credential.refused():
                raise
        except _Broken:
            # A pooled connection the server had closed, or a restart: every question here may be asked twice.
            pass
        return await self._sent(path, body)

    async def _sent(self, path: str, body: bytes | None) -> Answer:
        client = self._client or await self._opened()
        header = await self._credential.header()
        url = self.url + path
        request = client.get(url) if body is None else client.post(url).body_bytes(body)
        if header is not None:
            request = request.header("authorization", header, is_sensitive=True)
        try:
            async with request.build_streamed() as response:
                return _answer(response, await bounded(response))
        except PyreqwestError as exc:
            raise self._translated(exc) from exc
        except anyio.get_cancelled_exc_class():
            # pyreqwest raises a cancellation in which a cancel scope does not recognise itself; raise the scope's.
            await anyio.lowlevel.checkpoint_if_cancelled()
            raise

    async def _opened(self) -> Client:
        async with self._opening:
            if self._client is None:
                try:
                    addresses = await self._resolve(self._host, self._port)
                except OSError as exc:
                    raise AuthorizationUnavailable("the relationship server's host cannot be resolved") from exc
                self._client = self._built(addresses[0])
            return self._client

    def _built(self, address: str) -> Client:
        return (
            ClientBuilder()
            .follow_redirects(False)
            .no_proxy()
            .referer(False)
            .user_agent("mcp-gateway")
            .default_headers([("accept", "application/json"), ("content-type", "application/json")])
            .timeout(timedelta(seconds=self._timeout_seconds))
            .connect_timeout(timedelta(seconds=self._timeout_seconds))
            .max_connections(_CONNECTIONS)
            .pool_timeout(timedelta(seconds=self._timeout_seconds))
            .resolve(self._host, address, self._port)
            .build()
        )

    def _translated(self, exc: PyreqwestError) -> AuthorizationUnavailable:
        if isinstance(exc, RequestTimeoutError):
            return AuthorizationUnavailable("the relationship server did not answer in time")
        if isinstance(exc, ConnectError):
            self._drop()
        return _Broken("no connection to the relationship server")

    def _failed(self) -> None:
        self.reconnects += 1
        self.circuit.failed(time.monotonic())

    def _drop(self) -> None:
        """The next request resolves again; those under way keep the client they began with."""
        if self._client is not None:
            self._retired = [*self._retired[-7:], self._client]
            self._client = None


class _Broken(AuthorizationUnavailable):
    """The connection was not made, or broke."""


async def bounded(response: Response) -> bytes:
    """The answer's body, up to a size."""
    content = bytearray()
    reader = response.body_reader
    while (chunk := await reader.read_chunk()) is not None:
        content += chunk.to_bytes()
        if len(content) > _MAX_ANSWER_BYTES:
            raise AuthorizationUnavailable("the relationship server's answer is too large")
    return bytes(content)


def _answer(response: Response, content: bytes) -> Answer:
    try:
        body: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    if response.status != 200:
        raise ServerRefused(response.status, _code(body))
    if not isinstance(body, dict):
        raise AuthorizationUnavailable("the relationship server answered something that is not an object")
    headers = response.get_header("openfga-store-id"), response.get_header("openfga-authorization-model-id")
    return Answer(cast(dict[str, Any], body), *headers)


def _code(body: object) -> str:
    code: object = cast(dict[str, object], body).get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and CODE.fullmatch(code) else ""
