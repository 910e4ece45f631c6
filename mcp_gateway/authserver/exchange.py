"""The token and revocation endpoints: a code or a refresh token for a new pair, each good for one use.

Looking a secret up, judging it, using it up and writing its successor is one exclusive
transaction, so of two exchanges at once only one succeeds; the other counts as a replay, and a
replay ends the whole sign-in (RFC 9700 §4.14.2).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest

from joserfc import jwt
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mcp_gateway.authserver import fields
from mcp_gateway.authserver.asked import KnownResource, resource_of
from mcp_gateway.authserver.clients import Client, Clients
from mcp_gateway.authserver.fields import Addresses, one, required
from mcp_gateway.authserver.keys import ALGORITHM, KeyRing
from mcp_gateway.authserver.ports import Journal
from mcp_gateway.authserver.problems import NO_STORE, OAuthProblem
from mcp_gateway.authserver.tokens import mint, narrowed
from mcp_gateway.authserver.users import Users
from mcp_gateway.storage import Database, Transaction
from mcp_gateway.storage.oauth import (
    ACCESS_SECONDS,
    Code,
    Refresh,
    SignIn,
    end_family,
    find_code,
    find_refresh,
    use,
    write_refresh,
)
from mcp_gateway.storage.switches import is_off

REFRESH_SECONDS = 30 * 86_400
"""Of the whole sign-in: a new refresh token does not live longer than the one it replaces."""
_MIN_VERIFIER, _MAX_VERIFIER = 43, 128
_SPENT = "The code or token is not valid."

Fields = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Exchange:
    addresses: Addresses
    clients: Clients
    users: Users
    keys: KeyRing
    database: Database
    journal: Journal
    known_resource: KnownResource

    async def token(self, request: Request) -> Response:
        issuer = self.addresses.issuer(request)
        form, client = await self._client(request)
        grant = required(form, "grant_type")
        if grant == "authorization_code":
            return await self._redeem(form, client, issuer)
        if grant == "refresh_token":
            return await self._refresh(form, client, issuer)
        raise OAuthProblem("unsupported_grant_type", "Offered: authorization_code and refresh_token.")

    async def revoke(self, request: Request) -> Response:
        """RFC 7009; either token ends the whole sign-in. An unknown token is as good as revoked."""
        self.addresses.issuer(request)
        form, client = await self._client(request)
        token = required(form, "token", limit=8192)
        async with self.database.write(client.agent) as transaction:
            found = await find_refresh(transaction, token)
            family, client_id = (found.sign_in.family, found.sign_in.client_id) if found else self._of_access(token)
            if family and client_id != client.client_id:
                raise OAuthProblem("unauthorized_client", "The token was issued to another client.")
            if family:
                await end_family(transaction, family)
                await self.journal.event("token.revoked", client.agent, family=family)
        return Response(status_code=200, headers=NO_STORE)

    async def _client(self, request: Request) -> tuple[Fields, Client]:
        form = await fields.form(request)
        if "authorization" in request.headers or one(form, "client_secret"):
            raise OAuthProblem("invalid_client", "Clients have no secret here; send only the client_id.", status=401)
        return form, await self.clients.known(required(form, "client_id"))

    async def _redeem(self, form: Fields, client: Client, issuer: str) -> Response:
        secret = required(form, "code")
        async with self.database.write(client.agent) as transaction:
            code = await find_code(transaction, secret)
            if code is not None and code.used:
                return await self._replayed(transaction, code.sign_in, client)
            sign_in = self._check_code(code, form, client, issuer, now=transaction.now)
            await use(transaction, secret)
            expires = transaction.now + REFRESH_SECONDS
            return await self._issue(transaction, sign_in, sign_in.scope, issuer, expires, kind="token.issued")

    async def _refresh(self, form: Fields, client: Client, issuer: str) -> Response:
        secret = required(form, "refresh_token")
        async with self.database.write(client.agent) as transaction:
            refresh = await find_refresh(transaction, secret)
            if refresh is not None and refresh.used:
                return await self._replayed(transaction, refresh.sign_in, client)
            kept = self._check_refresh(refresh, form, client, issuer, now=transaction.now)
            scope = narrowed(one(form, "scope"), kept.sign_in.scope)
            if not scope:
                raise OAuthProblem("invalid_scope", "The sign-in does not include this scope.")
            await use(transaction, secret)
            expires = kept.expires_at
            return await self._issue(transaction, kept.sign_in, scope, issuer, expires, kind="token.refreshed")

    def _check_code(self, code: Code | None, form: Fields, client: Client, issuer: str, *, now: float) -> SignIn:
        if code is None or code.expires_at <= now or code.sign_in.client_id != client.client_id:
            raise OAuthProblem("invalid_grant", _SPENT)
        if required(form, "redirect_uri") != code.redirect_uri:
            raise OAuthProblem("invalid_grant", "The redirect URI differs from the one the code was sent to.")
        if not _verifies(required(form, "code_verifier"), code.code_challenge):
            raise OAuthProblem("invalid_grant", "The code_verifier does not fit the code_challenge.")
        self._check_resource(code.sign_in, form, issuer)
        return code.sign_in

    def _check_refresh(
        self, refresh: Refresh | None, form: Fields, client: Client, issuer: str, *, now: float
    ) -> Refresh:
        if refresh is None or refresh.expires_at <= now or refresh.sign_in.client_id != client.client_id:
            raise OAuthProblem("invalid_grant", _SPENT)
        self._check_resource(refresh.sign_in, form, issuer)
        return refresh

    def _check_resource(self, sign_in: SignIn, form: Fields, issuer: str) -> None:
        if "resource" not in form:
            return
        if resource_of(form, issuer=issuer, known_resource=self.known_resource) != sign_in.resource:
            raise OAuthProblem("invalid_target", "The sign-in is for another resource.")

    async def _issue(
        self, transaction: Transaction, sign_in: SignIn, scope: str, issuer: str, expires: float, *, kind: str
    ) -> Response:
        name = self.users.name_of(sign_in.user)
        if name is None:
            raise OAuthProblem("invalid_grant", "The user no longer exists.")
        if await is_off(transaction, sign_in.user, transaction.actor):
            raise OAuthProblem("invalid_grant", _SPENT)
        minted = mint(
            self.keys.current,
            issuer=issuer,
            user=name,
            client_id=sign_in.client_id,
            resource=sign_in.resource,
            scope=scope,
            family=sign_in.family,
            # The transaction's time: a revocation that commits after it also hits this token.
            now=transaction.now,
        )
        refresh = secrets.token_urlsafe(32)
        await write_refresh(transaction, refresh, Refresh(sign_in, expires))
        await self.journal.event(
            kind,
            sign_in.user,
            agent=transaction.actor,
            resource=sign_in.resource,
            scope=scope,
            token_id=minted.token_id,
            family=sign_in.family,
        )
        answer = {
            "access_token": minted.token,
            "token_type": "Bearer",
            "expires_in": ACCESS_SECONDS,
            "scope": scope,
            "refresh_token": refresh,
        }
        return JSONResponse(answer, headers=NO_STORE)

    async def _replayed(self, transaction: Transaction, sign_in: SignIn, client: Client) -> Response:
        """Returned, not raised: the end of the family must be committed."""
        await end_family(transaction, sign_in.family)
        await self.journal.event("token.replayed", sign_in.user, agent=client.agent, family=sign_in.family)
        return OAuthProblem("invalid_grant", _SPENT).as_json()

    def _of_access(self, token: str) -> tuple[str, str]:
        """Family and client of an access token of ours; empty for anything else."""
        try:
            claims = jwt.decode(token, self.keys.verifying(), algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return "", ""
        return str(claims.get("fam", "")), str(claims.get("client_id", ""))


def _verifies(verifier: str, challenge: str) -> bool:
    if not _MIN_VERIFIER <= len(verifier) <= _MAX_VERIFIER or not verifier.isascii():
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)
