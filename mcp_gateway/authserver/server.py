"""The authorization server as a list of routes: put the parts together, give every path its handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from mcp_gateway.authserver import metadata
from mcp_gateway.authserver.asked import KnownResource
from mcp_gateway.authserver.clients import Clients, RegisteredClient
from mcp_gateway.authserver.consent import Consent
from mcp_gateway.authserver.documents import TRUSTED_HOSTS, Documents
from mcp_gateway.authserver.exchange import Exchange
from mcp_gateway.authserver.fields import Addresses
from mcp_gateway.authserver.keys import KeyRing
from mcp_gateway.authserver.login import Login
from mcp_gateway.authserver.pages import on_a_page, style
from mcp_gateway.authserver.ports import ConsentLedger, ConsentOffers, Fetch, Journal, Seals
from mcp_gateway.authserver.problems import Handler, in_json
from mcp_gateway.authserver.registration import Registration
from mcp_gateway.authserver.sessions import Sessions
from mcp_gateway.authserver.users import Users
from mcp_gateway.storage import Database

_PUBLIC = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}


@dataclass(slots=True)
class AuthServer:
    """One per process. Call `load` once before the first request."""

    public_urls: Sequence[str]
    """Every address we are reached by; each is an issuer of its own. Origins without a path."""
    database: Database
    users: Users
    keys: KeyRing
    sessions: Sessions
    seals: Seals
    journal: Journal
    offers: ConsentOffers
    ledger: ConsentLedger
    known_resource: KnownResource
    fetch: Fetch
    registration: bool
    """Whether strangers may register a client (RFC 7591)."""
    registered: Sequence[RegisteredClient] = ()
    document_hosts: Sequence[str] = TRUSTED_HOSTS
    """Hosts whose client ID metadata documents are believed; none turns them off."""
    addresses: Addresses = field(init=False)
    clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        self.addresses = Addresses(self.public_urls)
        documents = Documents(self.fetch, hosts=self.document_hosts)
        self.clients = Clients(self.database, documents, self.journal, self.registered)

    async def load(self) -> None:
        await self.clients.load()


def routes(server: AuthServer) -> list[BaseRoute]:
    found = [*_documents(server), *_pages(server), *_endpoints(server)]
    if server.registration:
        registration = Registration(server.database, server.journal, server.addresses)
        found.append(Route(metadata.REGISTER, in_json(registration.register), methods=["POST"]))
    return found


def _documents(server: AuthServer) -> list[BaseRoute]:
    described = {
        metadata.WELL_KNOWN: metadata.metadata,
        metadata.OPENID: metadata.openid_configuration,
    }
    found: list[BaseRoute] = []
    for path, describe in described.items():
        answer = in_json(_metadata(server, describe))
        # Clients of older revisions put the endpoint's path behind or before the well-known one.
        forms = (path, path + "/mcp", path + "/mcp/{server}", "/mcp" + path, "/mcp/{server}" + path)
        found += [Route(form, answer, methods=["GET"]) for form in forms]
    return [*found, Route(metadata.JWKS, in_json(_jwks(server)), methods=["GET"])]


def _pages(server: AuthServer) -> list[BaseRoute]:
    login = Login(server.addresses, server.users, server.sessions, server.seals, server.journal, server.database)
    consent = Consent(
        server.addresses,
        server.clients,
        server.users,
        server.sessions,
        server.seals,
        server.database,
        server.journal,
        server.offers,
        server.ledger,
        server.known_resource,
    )
    return [
        Route("/login", on_a_page(login.show), methods=["GET"]),
        Route("/login", on_a_page(login.log_in), methods=["POST"]),
        Route("/logout", on_a_page(login.show_logout), methods=["GET"]),
        Route("/logout", on_a_page(login.log_out), methods=["POST"]),
        Route(metadata.AUTHORIZE, on_a_page(consent.show), methods=["GET"]),
        Route(metadata.AUTHORIZE, on_a_page(consent.answer), methods=["POST"]),
        Route("/oauth/style.css", style, methods=["GET"]),
    ]


def _endpoints(server: AuthServer) -> list[BaseRoute]:
    exchange = Exchange(
        server.addresses,
        server.clients,
        server.users,
        server.keys,
        server.database,
        server.journal,
        server.known_resource,
    )
    return [
        Route(metadata.TOKEN, in_json(exchange.token), methods=["POST"]),
        Route(metadata.REVOKE, in_json(exchange.revoke), methods=["POST"]),
    ]


def _metadata(server: AuthServer, describe: Callable[..., dict[str, object]]) -> Handler:
    async def answer(request: Request) -> Response:
        issuer = server.addresses.issuer(request)
        documents = bool(server.document_hosts)
        return JSONResponse(describe(issuer, registration=server.registration, documents=documents), headers=_PUBLIC)

    return answer


def _jwks(server: AuthServer) -> Handler:
    async def answer(_request: Request) -> Response:
        return JSONResponse(server.keys.jwks(), headers=_PUBLIC)

    return answer
