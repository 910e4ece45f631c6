"""Who we are to a relationship server: nobody, a preshared token from a file, or an OAuth client.

A token obtained from an authorization server is fetched once for all who wait, renewed before it
ends, and forgotten when the server refuses it. No secret is in any error, log or repr.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import orjson
from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from mcp_gateway.authorization.backends.openfga_client import Resolve, bounded
from mcp_gateway.errors import AuthorizationUnavailable, GatewayError
from mcp_gateway.storage.secret_file import secret_of

PostForm: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""POST a form to a URL, the answer's JSON object; raises a GatewayError."""

_RENEW_BEFORE_SECONDS = 30.0
_DEFAULT_LIFE_SECONDS = 300.0


class NoCredential:
    """For a server that asks for none."""

    async def header(self) -> str | None:
        return None

    def refused(self) -> bool:
        return False


class TokenFile:
    """A preshared token; read again after the server refused it, so that it can be rotated without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header: str | None = None
        self._refused: str | None = None

    async def header(self) -> str | None:
        if self._header is None:
            self._header = f"Bearer {await anyio.to_thread.run_sync(secret_of, self._path)}"
        return self._header

    def refused(self) -> bool:
        again = self._header is not None and self._header != self._refused
        self._refused, self._header = self._header, None
        return again


class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749 §4.4)."""

    def __init__(
        self, token_url: str, client_id: str, *, secret_file: Path, audience: str | None, scope: str, post: PostForm
    ) -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._secret_file = secret_file
        self._asked_for = {"audience": audience} if audience else {}
        if scope:
            self._asked_for["scope"] = scope
        self._post = post
        self._renewing = anyio.Lock()
        self._header: str | None = None
        self._renew_at = 0.0

    async def header(self) -> str | None:
        if self._header is not None and time.monotonic() < self._renew_at:
            return self._header
        async with self._renewing:
            if self._header is None or time.monotonic() >= self._renew_at:
                await self._renew()
        return self._header

    def refused(self) -> bool:
        again, self._header = self._header is not None, None
        return again

    async def _renew(self) -> None:
        self._header = None
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": await anyio.to_thread.run_sync(secret_of, self._secret_file),
            **self._asked_for,
        }
        try:
            answer = await self._post(self._token_url, form)
        except GatewayError as exc:
            raise AuthorizationUnavailable("no token for the relationship server can be had now") from exc
        token, life = answer.get("access_token"), answer.get("expires_in", _DEFAULT_LIFE_SECONDS)
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token or not token:
            raise AuthorizationUnavailable("the token for the relationship server is not one")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else _DEFAULT_LIFE_SECONDS
        self._header = f"Bearer {token}"
        self._renew_at = time.monotonic() + max(seconds - _RENEW_BEFORE_SECONDS, seconds / 2)


def form_poster(resolve: Resolve, *, timeout_seconds: float) -> PostForm:
    """Posts to where tokens are given out, as carefully as the client of the server itself."""

    async def post(url: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            address = (await resolve(host, port))[0]
            builder = ClientBuilder().follow_redirects(False).no_proxy().referer(False).user_agent("mcp-gateway")
            builder = builder.timeout(timedelta(seconds=timeout_seconds)).resolve(host, address, port)
            async with builder.build() as client, client.post(url).form(dict(form)).build_streamed() as response:
                content = await bounded(response)
                if response.status != 200:
                    raise AuthorizationUnavailable(f"the token's issuer answered HTTP {response.status}")
        except (PyreqwestError, OSError) as exc:
            raise AuthorizationUnavailable("the token's issuer cannot be reached") from exc
        try:
            answer: object = orjson.loads(content)
        except orjson.JSONDecodeError:
            answer = None  # not even its position may be repeated: it may be a token
        if not isinstance(answer, dict):
            raise AuthorizationUnavailable("the token's issuer answered something that is not an object")
        return cast(dict[str, Any], answer)

    return post
