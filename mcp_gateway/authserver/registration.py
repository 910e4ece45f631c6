"""Dynamic client registration (RFC 7591), with rails: public clients, few redirect URIs, limited in number.

Whoever reaches the endpoint may register, so a registration gives nothing: no scope, no secret, no
right. A user must still log in and approve this very client.
"""

from __future__ import annotations

import secrets
import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mcp_gateway.authserver import fields, redirects
from mcp_gateway.authserver.clients import Client, clean_name, row_of
from mcp_gateway.authserver.fields import Addresses
from mcp_gateway.authserver.ports import Journal
from mcp_gateway.authserver.problems import NO_STORE, OAuthProblem
from mcp_gateway.authserver.throttle import Throttle
from mcp_gateway.authserver.tokens import ALL_SCOPES
from mcp_gateway.errors import BadRequest
from mcp_gateway.model.ids import LOCAL_ISSUER, agent_id
from mcp_gateway.storage import Database
from mcp_gateway.storage.oauth import drop_unused_agents, registrations_since, write_agent

MAX_REDIRECT_URIS = 5
_PER_ADDRESS_A_MINUTE = 10
_IN_ALL_AN_HOUR = 100
_UNUSED_SECONDS = 86_400
_UNUSED_KEPT = 1_000
_GRANTS = ["authorization_code", "refresh_token"]


class _Wanted(BaseModel):
    """What a client may say of itself; other members are ignored, as RFC 7591 §2 wants."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_name: str = Field(default="", max_length=512)
    redirect_uris: list[str] = Field(min_length=1, max_length=MAX_REDIRECT_URIS)
    application_type: Literal["native", "web"] | None = None
    grant_types: list[str] = Field(default_factory=lambda: list(_GRANTS), max_length=10)
    response_types: list[str] = Field(default_factory=lambda: ["code"], max_length=10)


class Registration:
    def __init__(self, database: Database, journal: Journal, addresses: Addresses) -> None:
        self._database = database
        self._journal = journal
        self._addresses = addresses
        self._throttle = Throttle(_PER_ADDRESS_A_MINUTE, 60)

    async def register(self, request: Request) -> Response:
        self._addresses.issuer(request)
        await self._refuse_too_many(request)
        wanted = _parse(await fields.body(request, content_type="application/json"))
        client_id = secrets.token_urlsafe(16)
        client = Client(
            client_id,
            agent_id(LOCAL_ISSUER, client_id),
            "self",
            clean_name(wanted.client_name),
            tuple(wanted.redirect_uris),
        )
        async with self._database.write("gateway") as transaction:
            now = transaction.now
            await drop_unused_agents(transaction, older_than=now - _UNUSED_SECONDS, keep=_UNUSED_KEPT - 1)
            await write_agent(transaction, row_of(client, state="new", now=now))
            await self._journal.event("agent.registered", client.agent, name=client.name, client_kind=client.kind)
        return JSONResponse(_described(client, wanted, now), status_code=201, headers=NO_STORE)

    async def _refuse_too_many(self, request: Request) -> None:
        wait = self._throttle.attempt(request.client.host if request.client else "", now=time.monotonic())
        if wait is None and await registrations_since(self._database, time.time() - 3600) >= _IN_ALL_AN_HOUR:
            wait = 600
        if wait is not None:
            raise OAuthProblem(
                "temporarily_unavailable", "Too many registrations; try again later.", status=429, retry_after=wait
            )


def _parse(content: bytes) -> _Wanted:
    try:
        wanted = _Wanted.model_validate_json(content)
    except ValidationError as exc:
        name = str(next(iter(exc.errors(include_input=False)[0]["loc"]), "")) or "body"
        kind = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
        raise OAuthProblem(kind, f"The member {name} is missing or not valid.") from None
    if "authorization_code" not in wanted.grant_types or "code" not in wanted.response_types:
        raise OAuthProblem("invalid_client_metadata", "Only the authorization code flow is offered.")
    for uri in wanted.redirect_uris:
        try:
            redirects.check(uri)
        except BadRequest as exc:
            raise OAuthProblem("invalid_redirect_uri", f"Refused: {exc.detail}.") from exc
    return wanted


def _described(client: Client, wanted: _Wanted, now: float) -> dict[str, object]:
    """RFC 7591 §3.2.1: what was registered, with what was put in place of other wishes."""
    described: dict[str, object] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(now),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": [grant for grant in _GRANTS if grant in wanted.grant_types],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": ALL_SCOPES,
    }
    if wanted.application_type is not None:
        described["application_type"] = wanted.application_type
    return described
