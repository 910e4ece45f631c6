"""The real authorization server in process, on a real store, and a person with a browser's cookies."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from mcp_gateway.authserver import AuthServer, KeyRing, Offer, OfferedLevel, RegisteredClient, Sessions, Users, routes
from mcp_gateway.errors import AuditUnavailable, BadRequest
from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.tool import Risk
from mcp_gateway.storage import Database
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.sessions import EndedSessions
from mcp_gateway.storage.switches import Switches, switch_off
from mcp_gateway.transport.sealing import Sealer
from tests.support.sign_in import Form, forms_of

ISSUER = "http://127.0.0.1:8000"
LOCALHOST = "http://localhost:8000"
RESOURCE = f"{ISSUER}/mcp"
CALLBACK = "http://127.0.0.1:3334/callback"
PASSWORD = "correct horse battery"
DOCUMENT = "https://claude.ai/oauth/client.json"
KNOWN = frozenset({RESOURCE, f"{RESOURCE}/tickets", f"{LOCALHOST}/mcp"})

Fields = list[tuple[str, str]]


@dataclass
class Events:
    """Where the audit's events go; `broken` is a full disk."""

    seen: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list[tuple[str, str, dict[str, Any]]])
    broken: bool = False

    async def event(self, kind: str, actor: str, **named: Any) -> None:
        if self.broken:
            raise AuditUnavailable("no space")
        self.seen.append((kind, actor, named))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.seen]


@dataclass
class Ledger:
    """What was approved, as Administration would be told."""

    approvals: list[tuple[UserId, AgentId, dict[str, Risk]]] = field(
        default_factory=list[tuple[UserId, AgentId, dict[str, Risk]]]
    )

    async def approve(
        self, user: UserId, agent: AgentId, client: str, ticks: Mapping[str, Risk], expires: float
    ) -> None:
        assert client
        assert expires > time.time()
        self.approvals.append((user, agent, dict(ticks)))

    async def offers(self, user: UserId) -> Sequence[Offer]:
        assert user
        return [
            Offer(
                "tickets",
                "Tickets and projects of the sample company",
                (
                    OfferedLevel(
                        Risk.READ, ("ticket_get", "ticket_list"), True, ("triage",), ("ticket://open", "ticket://{id}")
                    ),
                    OfferedLevel(Risk.WRITE, ("ticket_create",), True),
                    OfferedLevel(Risk.DESTRUCTIVE, ("ticket_delete",), False),
                ),
            ),
            Offer("time", "", (OfferedLevel(Risk.READ, ("now",), True),)),
        ]


@dataclass
class Web:
    """The documents of the outside world; counts who asks."""

    documents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[str] = field(default_factory=list[str])

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.documents:
            raise BadRequest("not found")
        return self.documents[url]


@dataclass
class Desk:
    server: AuthServer
    database: Database
    users: Users
    events: Events
    ledger: Ledger
    web: Web
    app: Starlette
    browser: httpx2.AsyncClient
    switches: Switches

    async def switch_off(self, object_: str) -> None:
        async with self.database.write("test") as transaction:
            await switch_off(transaction, object_, "test")
        await self.switches.load()

    async def register(self, *uris: str, name: str = "Test client") -> str:
        wanted = {"client_name": name, "redirect_uris": list(uris) or [CALLBACK], "token_endpoint_auth_method": "none"}
        response = await self.browser.post("/oauth/register", json=wanted)
        assert response.status_code == 201, response.text
        return response.json()["client_id"]

    async def log_in(self, user: str = "mira", password: str = PASSWORD) -> httpx2.Response:
        page = await self.browser.get("/login")
        form = hidden(the_form(page), username=user, password=password)
        return await self.browser.post("/login", data=form)

    async def ask(self, asked: Mapping[str, str]) -> httpx2.Response:
        return await self.browser.get("/oauth/authorize", params=dict(asked))

    async def approve(self, page: httpx2.Response, *ticks: str) -> httpx2.Response:
        form: dict[str, Any] = {**hidden(the_form(page)), "grant": list(ticks), "approve": "yes"}
        return await self.browser.post("/oauth/authorize", data=form)

    async def code(self, client_id: str, verifier: str, /, **other: str) -> str:
        """A code as a client gets it after a person approved; the person is logged in already."""
        answer = await self.approve(await self.ask(asking(client_id, verifier, **other)), "tickets:read")
        return answered(answer)["code"]

    async def exchange(self, client_id: str, code: str, verifier: str, /, **other: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
        }
        return await self.browser.post("/oauth/token", data=form | other)

    async def refresh(self, client_id: str, token: str, **other: str) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
        return await self.browser.post("/oauth/token", data=form | other)

    async def sign_in(self) -> tuple[str, dict[str, Any]]:
        """A registered client and its first tokens, for a user already logged in."""
        client_id, verifier = await self.register(), new_verifier()
        response = await self.exchange(client_id, await self.code(client_id, verifier), verifier)
        assert response.status_code == 200, response.text
        return client_id, response.json()


@asynccontextmanager
async def open_desk(
    directory: Path,
    *,
    registration: bool = True,
    issuer: str = ISSUER,
    public_urls: Sequence[str] = (ISSUER, LOCALHOST),
    further: Sequence[BaseRoute] = (),
) -> AsyncGenerator[Desk]:
    _copy_store(directory / "gateway.db")
    database = Database(directory / "gateway.db")
    users = Users(directory / "users.yaml", hasher=PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    users.add("mira", PASSWORD)
    seals = Sealer([secrets.token_bytes(32)], clock=time.time)
    events, ledger, web = Events(), Ledger(), Web()
    switches = Switches(database)
    server = AuthServer(
        public_urls=public_urls,
        database=database,
        users=users,
        keys=KeyRing(directory / "keys"),
        sessions=Sessions(users, seals, EndedSessions(database), switches),
        seals=seals,
        journal=events,
        offers=ledger,
        ledger=ledger,
        known_resource=lambda url: url if url in KNOWN or url == f"{issuer}/mcp" else None,
        fetch=web.fetch,
        registration=registration,
        registered=[RegisteredClient("docs-assistant", ("http://127.0.0.1/callback",))],
    )
    await server.load()
    app = Starlette(routes=[*routes(server), *further])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=issuer) as browser:
        yield Desk(server, database, users, events, ledger, web, app, browser, switches)
    await database.close()


@cache
def _empty_store() -> bytes:
    """Migrated once: it takes longer than most tests here."""
    with TemporaryDirectory() as directory:
        migrate(Path(directory) / "gateway.db")
        return (Path(directory) / "gateway.db").read_bytes()


def _copy_store(path: Path) -> None:
    path.write_bytes(_empty_store())


def new_verifier() -> str:
    return secrets.token_urlsafe(48)


def asking(client_id: str, verifier: str, /, **other: str) -> dict[str, str]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "state": "st4te",
        "scope": "mcp:read mcp:write",
        "resource": RESOURCE,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (asked | other).items() if value}


def answered(response: httpx2.Response) -> dict[str, str]:
    """What the client's callback is told."""
    assert response.status_code == 303, response.text
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


def the_form(page: httpx2.Response) -> Form:
    return next(form for form in forms_of(page.text) if form.method == "post")


def hidden(form: Form, **typed: str) -> dict[str, str]:
    return {c["name"]: c["value"] for c in form.inputs if c["type"] == "hidden"} | typed


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
