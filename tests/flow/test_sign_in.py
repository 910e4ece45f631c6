"""The Python SDK's own OAuth client signs in by itself: discovery, registration, consent, token, refresh, revocation."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_gateway.authserver import ALGORITHM, TOKEN_TYPE
from mcp_gateway.errors import Unauthenticated
from mcp_gateway.identity import Identity, TrustedIssuer
from mcp_gateway.storage import ChangeFeed
from mcp_gateway.transport.challenge import WELL_KNOWN, challenge, resource_metadata
from tests.unit.authserver.desk import CALLBACK, DOCUMENT, ISSUER, RESOURCE, Desk, answered, hidden, open_desk, the_form

pytestmark = pytest.mark.anyio


@dataclass
class Memory:
    """Where the SDK keeps what it learned."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass
class Mira:
    """Opens the URL the client prints, logs in, ticks, approves; the client's callback gets the answer."""

    desk: Desk
    answer: dict[str, str] = field(default_factory=dict[str, str])

    async def open(self, url: str) -> None:
        page = await self.desk.browser.get(url)
        while page.status_code == 303 and not page.headers["location"].startswith(CALLBACK):
            page = await self.desk.browser.get(page.headers["location"])
        if the_form(page).has("username"):
            form = hidden(the_form(page), username="mira", password="correct horse battery")
            back = await self.desk.browser.post("/login", data=form)
            page = await self.desk.browser.get(back.headers["location"])
        self.answer = answered(await self.desk.approve(page, "tickets:read"))

    async def callback(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**self.answer)


@dataclass
class World:
    desk: Desk
    memory: Memory
    agent: httpx2.AsyncClient
    feed: ChangeFeed

    async def who(self) -> dict[str, Any]:
        response = await self.agent.get(RESOURCE)
        assert response.status_code == 200, response.text
        return response.json()


def _protected(identity: Callable[[], Identity]) -> list[Route]:
    """An endpoint that says who calls, with the gateway's own challenge and metadata."""

    async def who(request: Request) -> Response:
        try:
            principal = await identity().authenticate(request.headers.get("authorization"), RESOURCE)
        except Unauthenticated as exc:
            header = {"www-authenticate": challenge(exc, origin=ISSUER, endpoint=None)}
            return JSONResponse({"error": exc.code}, status_code=401, headers=header)
        return JSONResponse(
            {
                "user": principal.user,
                "agent": principal.agent,
                "scopes": sorted(principal.scopes),
                "id": principal.token_id,
            }
        )

    async def metadata(_request: Request) -> Response:
        return JSONResponse(resource_metadata(ISSUER, None, [ISSUER]))

    return [Route("/mcp", who), Route(WELL_KNOWN + "/mcp", metadata)]


@asynccontextmanager
async def _world(directory: Path, *, document: str | None = None) -> AsyncGenerator[World]:
    identities: list[Identity] = []
    async with open_desk(directory, further=_protected(lambda: identities[0])) as desk:
        issuer = TrustedIssuer("local", ISSUER, (), (ALGORITHM,), (TOKEN_TYPE,), 0.0, desk.server.keys)
        identities.append(Identity(desk.database, [issuer]))
        feed = ChangeFeed(desk.database)
        feed.add(identities[0])
        memory, mira = Memory(), Mira(desk)
        provider = OAuthClientProvider(
            RESOURCE,
            OAuthClientMetadata(client_name="SDK client", redirect_uris=[AnyUrl(CALLBACK)]),
            memory,
            mira.open,
            mira.callback,
            client_metadata_url=document,
        )
        transport = httpx2.ASGITransport(app=desk.app)
        async with httpx2.AsyncClient(transport=transport, auth=provider) as agent:
            yield World(desk, memory, agent, feed)
        feed.close()


async def test_the_sdk_registers_signs_in_and_is_known_as_user_and_agent(tmp_path: Path) -> None:
    async with _world(tmp_path) as world:
        seen = await world.who()
        assert world.memory.client is not None
        assert seen["user"] == "user:local/mira"
        assert seen["agent"] == f"agent:local/{world.memory.client.client_id}"
        assert seen["scopes"] == ["mcp:read", "mcp:write"]
        ((user, agent, ticks),) = world.desk.ledger.approvals
        assert (user, agent, list(ticks)) == (seen["user"], seen["agent"], ["tickets"])
        assert (await world.who())["id"] == seen["id"], "the second call uses the same token"


async def test_the_sdk_signs_in_with_its_metadata_document_and_registers_nothing(tmp_path: Path) -> None:
    async with _world(tmp_path, document=DOCUMENT) as world:
        world.desk.web.documents[DOCUMENT] = (
            f'{{"client_id": "{DOCUMENT}", "client_name": "SDK client", "redirect_uris": ["{CALLBACK}"]}}'.encode()
        )
        seen = await world.who()
        assert seen["agent"] == "agent:local/https%3A%2F%2Fclaude.ai%2Foauth%2Fclient.json"


async def test_the_sdk_refreshes_by_itself_when_its_token_is_too_old(tmp_path: Path) -> None:
    async with _world(tmp_path) as world:
        first = await world.who()
        await _forget_access_token(world)
        second = await world.who()
        assert second["id"] != first["id"]
        assert world.desk.events.kinds.count("consent.approved") == 1
        assert "token.refreshed" in world.desk.events.kinds


async def _forget_access_token(world: World) -> None:
    provider = world.agent.auth
    assert isinstance(provider, OAuthClientProvider)
    provider.context.token_expiry_time = time.time() - 1


async def test_a_revoked_sign_in_ends_at_the_next_call_and_the_sdk_asks_the_user_again(tmp_path: Path) -> None:
    async with _world(tmp_path) as world:
        first = await world.who()
        tokens, client = world.memory.tokens, world.memory.client
        assert tokens is not None
        assert client is not None
        form = {"client_id": client.client_id or "", "token": tokens.access_token}
        assert (await world.desk.browser.post("/oauth/revoke", data=form)).status_code == 200
        assert world.feed.moved()
        await world.feed.catch_up()
        bare = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.desk.app))
        async with bare:
            refused = await bare.get(RESOURCE, headers={"authorization": f"Bearer {tokens.access_token}"})
        assert (refused.status_code, refused.json()["error"]) == (401, "token.revoked")
        assert (await world.who())["id"] != first["id"]
        assert world.desk.events.kinds.count("consent.approved") == 2
