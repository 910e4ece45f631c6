"""An issuer's JWKS: fetched once, shared, rotated when a token names a key we do not have."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from mcp_gateway.errors import AuthorizationUnavailable, GatewayError, Unauthenticated
from mcp_gateway.identity.tokens import VerificationKey

_FRESH_SECONDS = 600.0
_STALE_SECONDS = 3600.0
"""How long known keys still count while the issuer cannot be reached."""
_COOL_DOWN_SECONDS = 30.0
"""An unknown `kid` costs the issuer one fetch in this time, however many tokens carry it."""
_FETCH_SECONDS = 5.0


class RemoteKeys:
    """`KeySource` over a JWKS URL. `fetch` returns the document's bytes and vets the address."""

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], Awaitable[bytes]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, VerificationKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = anyio.Lock()

    async def key(self, kid: str | None) -> VerificationKey:
        if kid not in self._keys or self._age() > _FRESH_SECONDS:
            await self._refresh(kid)
        if self._age() > _STALE_SECONDS:
            raise AuthorizationUnavailable("the issuer's keys cannot be fetched")
        if kid not in self._keys:
            raise Unauthenticated("the token names a key its issuer does not have")
        return self._keys[kid]

    async def _refresh(self, kid: str | None) -> None:
        async with self._lock:
            waited = kid in self._keys and self._age() <= _FRESH_SECONDS
            if waited or self._clock() - self._tried_at < _COOL_DOWN_SECONDS:
                return
            self._tried_at = self._clock()
            try:
                with anyio.fail_after(_FETCH_SECONDS):
                    keys = parse_keys(await self._fetch(self._url))
            except (GatewayError, TimeoutError, OSError):
                return  # known keys stay, within their bound
            if keys:
                self._keys, self._fetched_at = keys, self._clock()

    def _age(self) -> float:
        return self._clock() - self._fetched_at


def parse_keys(document: bytes) -> dict[str | None, VerificationKey]:
    """Usable asymmetric keys by `kid`; a set of exactly one key also answers tokens without a `kid`."""
    try:
        parsed: Any = json.loads(document)
        keys = [key for entry in parsed["keys"] if (key := _key(entry)) is not None]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    by_kid: dict[str | None, VerificationKey] = {key.kid: key for key in keys if key.kid}
    if len(keys) == 1:
        by_kid[None] = keys[0]
    return by_kid


def _key(entry: dict[str, Any]) -> VerificationKey | None:
    if entry.get("kty") not in {"EC", "RSA", "OKP"} or entry.get("use", "sig") != "sig":
        return None
    try:
        return cast("ECKey | RSAKey | OKPKey", KeySet.import_key_set({"keys": [cast("Any", entry)]}).keys[0])
    except (JoseError, ValueError, TypeError):
        return None
