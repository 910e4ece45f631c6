"""The authorization endpoint: a logged-in user sees who asks for what, ticks, and approves or denies.

It asks for every sign-in and every client; nothing is approved from memory. What may be ticked and
what a tick leads to is decided elsewhere (`ConsentOffers`, `ConsentLedger`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mcp_gateway.authserver import asked, fields, redirects
from mcp_gateway.authserver.asked import Asked, KnownResource, answer_url
from mcp_gateway.authserver.clients import Client, Clients
from mcp_gateway.authserver.fields import Addresses
from mcp_gateway.authserver.pages import page
from mcp_gateway.authserver.ports import ConsentLedger, ConsentOffers, Journal, Offer, OfferedLevel, Seals
from mcp_gateway.authserver.problems import NO_STORE, OAuthProblem
from mcp_gateway.authserver.sessions import Sessions
from mcp_gateway.authserver.tokens import WRITE_SCOPE, new_family
from mcp_gateway.authserver.users import Users
from mcp_gateway.model.ids import GATEWAY
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import Risk
from mcp_gateway.storage import Database
from mcp_gateway.storage.oauth import Code, SignIn, approve_agent, write_code
from mcp_gateway.storage.switches import first_off

CODE_SECONDS = 60
CONSENT_SECONDS = 30 * 86_400
_PAGE_SECONDS = 600
_PURPOSE = "consent"


@dataclass(frozen=True, slots=True)
class Consent:
    addresses: Addresses
    clients: Clients
    users: Users
    sessions: Sessions
    seals: Seals
    database: Database
    journal: Journal
    offers: ConsentOffers
    ledger: ConsentLedger
    known_resource: KnownResource

    async def show(self, request: Request) -> Response:
        issuer = self.addresses.issuer(request)
        query = fields.query(request)
        client = await self.clients.find(fields.required(query, "client_id"))
        redirect_uri = asked.redirect_of(query, client)
        try:
            wanted = asked.parse(
                query, client, redirect_uri=redirect_uri, issuer=issuer, known_resource=self.known_resource
            )
        except OAuthProblem as exc:
            return _told(exc, client, redirect_uri, issuer, query)
        person = self.sessions.person(request.cookies)
        if person is None:
            following = f"{request.url.path}?{request.url.query}"
            return RedirectResponse(f"/login?next={quote(following, safe='')}", status_code=303, headers=NO_STORE)
        await self._refuse_disabled(person, client)
        return await self._page(client, wanted, person)

    async def answer(self, request: Request) -> Response:
        issuer = self.addresses.issuer(request)
        self.addresses.refuse_foreign_origin(request)
        form = await fields.form(request)
        person = self.sessions.person(request.cookies)
        content = self._opened(person, form)
        if person is None or content is None:
            raise OAuthProblem("invalid_request", "This page is no longer valid. Start again from your MCP client.")
        wanted = Asked.of_json(content)
        client = await self.clients.find(wanted.client_id)
        if not redirects.allowed(wanted.redirect_uri, client.redirect_uris):
            raise OAuthProblem("invalid_request", "The redirect URI is not one the client has registered.")
        await self._refuse_disabled(person, client)
        if ("approve" in form) == ("deny" in form):
            raise OAuthProblem("invalid_request", "Approve or deny.")
        if "deny" in form:
            await self.journal.event(
                "consent.denied", person.user, agent=client.agent, client_name=client.name, resource=wanted.resource
            )
            return _redirect(wanted.redirect_uri, issuer, error="access_denied", state=wanted.state)
        ticks = _ticks(form.get("grant", []), await self._offered(person, wanted))
        code = await self._approve(client, wanted, person, ticks)
        return _redirect(wanted.redirect_uri, issuer, code=code, state=wanted.state)

    async def _refuse_disabled(self, person: Person, client: Client) -> None:
        """Asked of the store: what this process has followed may be a moment old."""
        if await first_off(self.database, person.user, client.agent, GATEWAY) is not None:
            raise OAuthProblem("access_denied", "Signing in is not possible now. Ask your administrator.", status=403)

    async def _page(self, client: Client, wanted: Asked, person: Person) -> Response:
        sealed = self.seals.seal(_PURPOSE, person.session_id, wanted.to_json(), seconds=_PAGE_SECONDS)
        return page(
            "consent.html",
            # A browser applies `form-action` to every redirect that follows, and the client's own
            # callback may lead anywhere.
            forms_stay_here=False,
            client=client,
            user=self.users.name_of(person.user),
            request=sealed,
            resource=wanted.resource,
            scopes=wanted.scope.split(),
            place=redirects.place(wanted.redirect_uri),
            loopback=redirects.is_loopback(wanted.redirect_uri),
            offers=await self._offered(person, wanted),
        )

    async def _offered(self, person: Person, wanted: Asked) -> list[Offer]:
        """What the user may use, without what the scope could never reach."""
        writing = WRITE_SCOPE in wanted.scope.split()
        found = await self.offers.offers(person.user)
        return [Offer(o.server, o.description, _levels(o.levels, writing=writing)) for o in found]

    def _opened(self, person: Person | None, form: Mapping[str, list[str]]) -> Mapping[str, str] | None:
        sealed = fields.one(form, "request", limit=4096)
        return self.seals.open(_PURPOSE, person.session_id, sealed) if person and sealed else None

    async def _approve(self, client: Client, wanted: Asked, person: Person, ticks: Mapping[str, Risk]) -> str:
        await self.journal.event(
            "consent.approved",
            person.user,
            agent=client.agent,
            client_name=client.name,
            resource=wanted.resource,
            scope=wanted.scope,
            ticks={server: str(risk) for server, risk in sorted(ticks.items())},
        )
        await self.ledger.approve(person.user, client.agent, client.name, ticks, time.time() + CONSENT_SECONDS)
        code = secrets.token_urlsafe(32)
        sign_in = SignIn(new_family(), client.client_id, person.user, wanted.scope, wanted.resource)
        async with self.database.write(person.user) as transaction:
            expires = transaction.now + CODE_SECONDS
            await write_code(transaction, code, Code(sign_in, wanted.redirect_uri, wanted.code_challenge, expires))
            await approve_agent(transaction, client.client_id)
        return code


def _levels(levels: Sequence[OfferedLevel], *, writing: bool) -> tuple[OfferedLevel, ...]:
    return tuple(level for level in levels if level.tools and (writing or level.risk is Risk.READ))


def _ticks(values: Sequence[str], offers: Sequence[Offer]) -> dict[str, Risk]:
    """Server → highest level ticked; only what was offered to be ticked."""
    tickable = {
        f"{o.server}:{level.risk}": (o.server, level.risk) for o in offers for level in o.levels if level.tickable
    }
    if any(value not in tickable for value in values):
        raise OAuthProblem("invalid_request", "Something was ticked that is not offered.")
    ticks: dict[str, Risk] = {}
    for server, risk in (tickable[value] for value in values):
        ticks[server] = Risk.WRITE if Risk.WRITE in {risk, ticks.get(server)} else Risk.READ
    return ticks


def _told(
    problem: OAuthProblem, client: Client, redirect_uri: str, issuer: str, query: Mapping[str, list[str]]
) -> Response:
    """RFC 9700 §4.11.2: a client nobody vouches for must not use us to send people to its site unasked."""
    if client.kind == "self" and not redirects.is_loopback(redirect_uri):
        raise problem
    state = asked.state_of(query)
    return _redirect(redirect_uri, issuer, error=problem.error, error_description=problem.detail, state=state)


def _redirect(redirect_uri: str, issuer: str, **parameters: str | None) -> Response:
    # 303: RFC 9700 §4.12, the browser must not post the form again to the client.
    return RedirectResponse(answer_url(redirect_uri, issuer, **parameters), status_code=303, headers=NO_STORE)
