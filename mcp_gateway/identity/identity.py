"""The façade: an `Authorization` header → `Principal`.

A verified token is remembered by its SHA-256, so a call costs about a microsecond; time,
revocation and the switches of user, agent and gateway are compared again on every hit.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select

from mcp_gateway.errors import AuthorizationUnavailable, Unauthenticated
from mcp_gateway.identity.claims import identify, revocation_keys
from mcp_gateway.identity.tokens import TrustedIssuer, parse_header, unverified_issuer, verify
from mcp_gateway.model.ids import GATEWAY
from mcp_gateway.model.principal import Principal
from mcp_gateway.storage import Change, Database, schema
from mcp_gateway.storage.switches import after, switched_off

_REMEMBERED_TOKENS = 10_000
_REVERIFY_SECONDS = 60.0
"""A token is verified anew after this time, so a removed signing key stops counting."""


class Identity:
    def __init__(
        self,
        database: Database,
        issuers: Sequence[TrustedIssuer],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._issuers: Mapping[str, TrustedIssuer] = {issuer.issuer: issuer for issuer in issuers}
        self._clock = clock
        self._remembered: OrderedDict[tuple[bytes, str], _Remembered] = OrderedDict()
        self._revoked: dict[tuple[str, str], float] = {}
        self._off: frozenset[str] = frozenset()
        self._epoch = 0

    async def load(self) -> None:
        """Read what is switched off and the revocations that still matter."""
        self._off = frozenset(row.object for row in await switched_off(self._database))
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(schema.revocations).where(schema.revocations.c.until > self._clock())
            )
            self._revoked = {(row.kind, row.value): row.not_before for row in rows}
        self._epoch += 1

    async def follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.kind == "token.revoked":
                key = (str(change.payload["kind"]), str(change.payload["value"]))
                self._revoked[key] = max(self._revoked.get(key, 0.0), float(change.payload["not_before"]))
                self._epoch += 1
        off = after(self._off, changes)
        if off is not self._off:
            self._off = off
            self._epoch += 1

    async def authenticate(self, authorization: str | None, audience: str) -> Principal:
        """The principal a bearer token names at `audience`; raises Unauthenticated with the reason."""
        if not authorization:
            raise Unauthenticated(code="token.missing")
        token = _bearer(authorization)
        key = (hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest(), audience)
        remembered = self._remembered.get(key)
        now = self._clock()
        if remembered is None or now >= remembered.until:
            remembered = await self._verify(token, audience, now)
            self._remember(key, remembered, now)
        elif remembered.epoch != self._epoch:
            self.refuse_ended(remembered.principal)
            remembered.epoch = self._epoch
        return remembered.principal

    def refuse_ended(self, principal: Principal) -> None:
        """Refuse who is switched off and whose token was revoked; the token's age is no matter here.

        Raises AuthorizationUnavailable when the whole gateway is switched off.
        """
        if GATEWAY in self._off:
            raise AuthorizationUnavailable(code="gateway.disabled")
        # To the caller a disabled user's token is a revoked one.
        if principal.user in self._off:
            raise Unauthenticated(code="token.revoked", recorded="user.disabled")
        if principal.agent in self._off:
            raise Unauthenticated(code="token.revoked", recorded="agent.disabled")
        for key in revocation_keys(principal):
            if principal.issued_at < self._revoked.get(key, 0.0):
                raise Unauthenticated(code="token.revoked")

    async def _verify(self, token: str, audience: str, now: float) -> _Remembered:
        header = parse_header(token)
        issuer = self._issuers.get(unverified_issuer(token))
        if issuer is None:
            raise Unauthenticated("the token's issuer is not trusted")
        epoch = self._epoch
        claims = await verify(token, header, issuer)
        principal = identify(
            claims,
            alias=issuer.alias,
            audience=audience,
            accepted=(audience, *issuer.audiences),
            now=now,
            leeway=issuer.leeway_seconds,
            membership_claims=issuer.memberships,
        )
        self.refuse_ended(principal)
        expires = principal.expires_at + issuer.leeway_seconds
        return _Remembered(principal, min(expires, now + _REVERIFY_SECONDS), epoch)

    def _remember(self, key: tuple[bytes, str], remembered: _Remembered, now: float) -> None:
        self._remembered.pop(key, None)
        self._remembered[key] = remembered
        # What has to be verified anew is worth nothing, and a client brings another token every few minutes.
        while len(self._remembered) > 1:
            oldest = next(iter(self._remembered.values()))
            if oldest.until > now and len(self._remembered) <= _REMEMBERED_TOKENS:
                return
            self._remembered.popitem(last=False)


class _Remembered:
    __slots__ = ("epoch", "principal", "until")

    def __init__(self, principal: Principal, until: float, epoch: int) -> None:
        self.principal = principal
        self.until = until
        self.epoch = epoch


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise Unauthenticated("the Authorization header is not a bearer token")
    return token
