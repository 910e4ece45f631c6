"""Log in and out. A wrong name and a wrong password look and cost the same; guessing is slowed down."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mcp_gateway.authserver import fields
from mcp_gateway.authserver.fields import Addresses
from mcp_gateway.authserver.pages import page
from mcp_gateway.authserver.ports import Journal, Seals
from mcp_gateway.authserver.problems import OAuthProblem
from mcp_gateway.authserver.sessions import Sessions, cookie_name, set_cookie
from mcp_gateway.authserver.throttle import Throttle
from mcp_gateway.authserver.users import MAX_PASSWORD, Users
from mcp_gateway.model.ids import LOCAL_ISSUER, UserId, user_id
from mcp_gateway.storage import Database
from mcp_gateway.storage.switches import first_off

HOME = "/catalog"
_FORM_COOKIE = "mcp_gateway_form"
_FORM_SECONDS = 1800
_FAILURES, _FAILURE_SECONDS = 10, 300.0
_FAILURES_OF_ADDRESS = 50
_HASHES_AT_ONCE = 2
"""Each takes 64 MB and a core."""
_VERIFY_SECONDS = 20.0


@dataclass(slots=True)
class Login:
    addresses: Addresses
    users: Users
    sessions: Sessions
    seals: Seals
    journal: Journal
    database: Database
    _by_user: Throttle = field(default_factory=lambda: Throttle(_FAILURES, _FAILURE_SECONDS))
    _by_address: Throttle = field(default_factory=lambda: Throttle(_FAILURES_OF_ADDRESS, _FAILURE_SECONDS))
    _hashing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_HASHES_AT_ONCE))

    async def show(self, request: Request) -> Response:
        self.addresses.issuer(request)
        return self._form(request, here(request.query_params.get("next")))

    async def log_in(self, request: Request) -> Response:
        issuer = self.addresses.issuer(request)
        self.addresses.refuse_foreign_origin(request)
        form = await fields.form(request)
        content = self._opened(request, form)
        if content is None:
            return self._form(request, HOME, message="The form was too old. Please try again.", status=400)
        name = fields.one(form, "username", limit=64) or ""
        if not await self._is_right(request, name, fields.one(form, "password", limit=MAX_PASSWORD) or ""):
            return self._form(request, content["next"], message="The name or the password is wrong.", status=401)
        response = RedirectResponse(content["next"], status_code=303)
        self.sessions.start(response, name, issuer=issuer)
        return response

    async def show_logout(self, request: Request) -> Response:
        self.addresses.issuer(request)
        person = self.sessions.person(request.cookies)
        return page("logout.html", user=person.user if person else None)

    async def log_out(self, request: Request) -> Response:
        """Needs no token in the form: the cookie is not sent with another site's form."""
        issuer = self.addresses.issuer(request)
        self.addresses.refuse_foreign_origin(request)
        person = self.sessions.person(request.cookies)
        if person is not None:
            await self.journal.event("login.ended", person.user)
        response = RedirectResponse("/login", status_code=303)
        await self.sessions.end(response, request.cookies, issuer=issuer)
        return response

    async def _is_right(self, request: Request, name: str, password: str) -> bool:
        address = request.client.host if request.client else ""
        pair = f"{name}\0{address}"
        await self._refuse_guessing(pair, address, name)
        right = await self._verify(name, password)
        known = self._known(name)
        disabled = right and known is not None and await first_off(self.database, known) is not None
        right = right and not disabled
        kind = "login.succeeded" if right else "login.failed"
        why = {"reason": "user.disabled"} if disabled else {}
        await self.journal.event(kind, known or "user:unknown", address=address, **why)
        if right:
            self._by_user.forgive(pair)
            self._by_address.forgive(address)
        return right

    def _known(self, name: str) -> UserId | None:
        """A name nobody has is not recorded: it may be a password typed into the wrong field."""
        return user_id(LOCAL_ISSUER, name) if name and self.users.fingerprint(name) else None

    async def _refuse_guessing(self, pair: str, address: str, name: str) -> None:
        # Counted before the password is looked at, so that many guesses at once are counted too.
        now = time.monotonic()
        throttle, key, guessed = self._by_address, address, ""
        wait = throttle.attempt(key, now=now)
        if wait is None:
            throttle, key, guessed = self._by_user, pair, name
            wait = throttle.attempt(key, now=now)
            if wait is None:
                return
            self._by_address.take_back(address)
        if throttle.is_news(key):
            await self.journal.event("login.throttled", self._known(guessed) or "user:unknown", address=address)
        raise OAuthProblem(
            "slow_down", "Too many failed attempts. Please wait and try again.", status=429, retry_after=wait
        )

    async def _verify(self, name: str, password: str) -> bool:
        try:
            with anyio.fail_after(_VERIFY_SECONDS):
                return await to_thread.run_sync(self.users.verify, name, password, limiter=self._hashing)
        except TimeoutError as exc:
            raise OAuthProblem(
                "temporarily_unavailable", "The gateway is busy; try again.", status=503, retry_after=5
            ) from exc

    def _opened(self, request: Request, form: Mapping[str, list[str]]) -> Mapping[str, str] | None:
        cookie = request.cookies.get(cookie_name(_FORM_COOKIE, self.addresses.issuer(request)))
        sealed = fields.one(form, "form", limit=4096)
        return self.seals.open("login form", cookie, sealed) if cookie and sealed else None

    def _form(self, request: Request, following: str, *, message: str = "", status: int = 200) -> Response:
        """The form is bound to this browser by a cookie, so that nobody can log a stranger in as himself."""
        issuer = self.addresses.issuer(request)
        name = cookie_name(_FORM_COOKIE, issuer)
        browser = request.cookies.get(name) or secrets.token_urlsafe(16)
        sealed = self.seals.seal("login form", browser, {"next": following}, seconds=_FORM_SECONDS)
        response = page("login.html", status=status, form=sealed, message=message)
        set_cookie(response, name, browser, seconds=_FORM_SECONDS, issuer=issuer)
        return response


def here(address: str | None) -> str:
    """Where to go after the login: a path of ours, never another site."""
    if not address or len(address) > 2900 or not address.startswith("/") or address.startswith("//"):
        return HOME
    if "\\" in address or not address.isascii() or not address.isprintable():
        return HOME
    return address
