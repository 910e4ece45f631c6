"""The first-party door over a real store, catalog, relationships and audit; only the login is short: a cookie names it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
from starlette.types import ASGIApp

from mcp_gateway.administration import Administration
from mcp_gateway.api import Desk, app
from mcp_gateway.audit import Journal, Trail
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.authorization import Authorization, EmbeddedRelationships, load_model
from mcp_gateway.authserver import Users
from mcp_gateway.catalog import Catalog, Review
from mcp_gateway.catalog.index import digest
from mcp_gateway.catalog.offers import NAME_FIELD
from mcp_gateway.catalog.review import Served
from mcp_gateway.errors import Unauthenticated
from mcp_gateway.inspection import EventBoard, Inspection
from mcp_gateway.model.ids import user_id
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import HttpTransport, Kind, ResourceRule, ReviewState, Risk, ToolPolicy, Upstream
from mcp_gateway.storage import ChangeFeed, Database
from mcp_gateway.storage.catalog import ServerRow, ToolRow, put_server, put_tool
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, write_tuple
from tests.support.processes import ROOT

ORIGIN = "http://127.0.0.1:8000"
BEARER = "Bearer for-the-api"


@dataclass
class FirstParty:
    database: Database
    feed: ChangeFeed
    catalog: Catalog
    inspection: Inspection
    administration: Administration
    events: EventBoard
    journal: Journal
    ended: set[str] = field(default_factory=set[str])
    """Names whose login is over."""

    async def person_of_cookies(self, cookies: Mapping[str, str]) -> Person | None:
        name = cookies.get("login")
        return None if name is None or name in self.ended else person(name)

    async def person_of_bearer(self, authorization: str) -> Person:
        if authorization != BEARER:
            raise Unauthenticated
        return person("mira")

    @property
    def app(self) -> ASGIApp:
        return app(Desk(self.inspection, self.administration, self.person_of_cookies, self.person_of_bearer, (ORIGIN,)))

    def client(self, name: str | None = None) -> httpx2.AsyncClient:
        """A browser in which `name` is logged in."""
        cookies = {"login": name} if name else {}
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=ORIGIN, cookies=cookies)

    async def relate(self, subject: str, relation: str, on: str) -> None:
        async with self.database.write("test") as transaction:
            await write_tuple(transaction, RelationshipTuple(on, relation, subject))

    async def unrelate(self, subject: str, relation: str, on: str) -> None:
        async with self.database.write("test") as transaction:
            await delete_tuple(transaction, RelationshipTuple(on, relation, subject))

    async def put_tool(self, server: str, name: str, risk: Risk, **more: Any) -> None:
        async with self.database.write("os:ana") as transaction:
            await put_tool(transaction, tool_row(server, name, risk, **more))

    async def put_server(self, name: str, *, last_error: str | None = None) -> None:
        async with self.database.write("os:ana") as transaction:
            row = ServerRow(
                name,
                enabled=True,
                protocol_version="2026-07-28",
                last_seen_at=1_790_000_000.0,
                last_error=last_error,
            )
            await put_server(transaction, row)


def person(name: str) -> Person:
    return Person(user_id("local", name), f"session of {name}")


def tool_row(
    server: str,
    name: str,
    risk: Risk,
    *,
    state: ReviewState = ReviewState.APPROVED,
    finding: str | None = None,
    kind: Kind = Kind.TOOL,
    **definition: Any,
) -> ToolRow:
    whole = {**({"inputSchema": {"type": "object"}} if kind is Kind.TOOL else {}), NAME_FIELD[kind]: name, **definition}
    approved = state is ReviewState.APPROVED
    return ToolRow(
        server=server,
        name=name,
        state=state,
        risk=risk,
        digest=digest(whole),
        definition=whole,
        approved_digest=digest(whole) if approved else None,
        approved_by="os:ana" if approved else None,
        approved_at=1_790_000_000.0 if approved else None,
        finding=finding,
        first_seen_at=1_780_000_000.0,
        kind=kind,
    )


def upstream(name: str, policies: Mapping[str, ToolPolicy], **more: Any) -> Upstream:
    values: dict[str, Any] = {"owner": "support@example.com", "description": f"The {name} server", **more}
    return Upstream(
        name=name,
        transport=HttpTransport("http://127.0.0.1:1/mcp", (), None, None, ()),
        trusted=False,
        sessions="shared",
        protocol="auto",
        timeout_seconds=5,
        default_risk=Risk.READ,
        tools=policies,
        **values,
    )


@asynccontextmanager
async def first_party(directory: Path, *upstreams: Upstream) -> AsyncGenerator[FirstParty]:
    path, audit = directory / "gateway.db", directory / "audit"
    audit.mkdir()
    await anyio.to_thread.run_sync(migrate, path)
    database = Database(path)
    feed, catalog, events = ChangeFeed(database), Catalog(database), EventBoard()
    authorization = Authorization(EmbeddedRelationships(load_model(ROOT / "policies")))
    for follower in (authorization, catalog, events):
        feed.add(follower)
    inspection = Inspection(catalog=catalog, authorization=authorization, trail=Trail(audit), feed=feed, events=events)
    try:
        async with Journal(audit, observe=events.decided) as journal:
            await authorization.load(database)
            await catalog.declare(upstreams)
            administration = Administration(
                database,
                journal,
                load_model(ROOT / "policies"),
                users=Users(directory / "users.yaml"),
                review=Review(database, _nobody_asks, lambda _: None),
                personal=Personal(directory / "people"),
                registry=directory / "registry",
                check_policies=lambda _: None,
            )
            made = FirstParty(database, feed, catalog, inspection, administration, events, journal)
            await made.relate("user:local/ana", "member", "group:admins")
            await made.relate("group:admins#member", "administrator", "gateway:local")
            yield made
    finally:
        feed.close()
        await database.close()


async def _nobody_asks(upstream: Upstream) -> Served:
    raise AssertionError(f"nothing here asks {upstream.name} what it serves")


READ = ToolPolicy(Risk.READ, ())
WRITE = ToolPolicy(Risk.WRITE, ())
DESTRUCTIVE = ToolPolicy(Risk.DESTRUCTIVE, ())
NAMED_TICKET = ToolPolicy(Risk.READ, (ResourceRule("can_read", "ticket", "/id", None),))


@asynccontextmanager
async def two_servers(directory: Path) -> AsyncGenerator[FirstParty]:
    """`tickets` with three approved tools and three that wait; `vault` with one. Mira reads tickets, Ana administers."""
    tickets = upstream("tickets", {"ticket_get": NAMED_TICKET, "ticket_update": WRITE, "ticket_delete": DESTRUCTIVE})
    async with first_party(directory, tickets, upstream("vault", {"secret_get": READ})) as made:
        await made.put_server("tickets")
        await made.put_server("vault", last_error="upstream.unavailable")
        await made.put_tool(
            "tickets",
            "ticket_get",
            Risk.READ,
            title="Read a ticket",
            description="Returns one ticket\u200b with its history.",
            inputSchema={
                "type": "object",
                "properties": {"fields": {"type": "array", "items": {"type": "string"}}, "id": {"type": "string"}},
                "required": ["id"],
            },
        )
        await made.put_tool("tickets", "ticket_update", Risk.WRITE, description="Changes a ticket.")
        await made.put_tool("tickets", "ticket_delete", Risk.DESTRUCTIVE, description="Deletes a ticket for good.")
        await made.put_tool("tickets", "new_one", Risk.READ, state=ReviewState.PENDING)
        await made.put_tool(
            "tickets",
            "sly",
            Risk.READ,
            state=ReviewState.CHANGED,
            finding="the definition differs from the approved one",
        )
        await made.put_tool(
            "tickets", "broken", Risk.READ, state=ReviewState.QUARANTINED, finding="inputSchema lacks type: object"
        )
        await made.put_tool("vault", "secret_get", Risk.READ)
        await made.relate("user:local/mira", "reader", "server:tickets")
        yield made
