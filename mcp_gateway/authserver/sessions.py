"""Who is logged in, in a sealed cookie: ends by logout, by its age, with the user, the password or the switch."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from mcp_gateway.authserver.ports import Seals
from mcp_gateway.authserver.users import Users
from mcp_gateway.model.ids import LOCAL_ISSUER, user_id
from mcp_gateway.model.principal import Person
from mcp_gateway.storage.sessions import EndedSessions
from mcp_gateway.storage.switches import Switches

LOGIN_SECONDS = 8 * 3600
_NAME = "mcp_gateway_login"
_PURPOSE = "login"


@dataclass(frozen=True, slots=True)
class Sessions:
    users: Users
    seals: Seals
    ended: EndedSessions
    switches: Switches

    def person(self, cookies: Mapping[str, str]) -> Person | None:
        """The person these cookies belong to, None when nobody is logged in."""
        content = self._content(cookies)
        if content is None or content["fingerprint"] != self.users.fingerprint(content["user"]):
            return None
        session_id = _public(content["id"])
        if session_id in self.ended:
            return None
        user = user_id(LOCAL_ISSUER, content["user"])
        # A login from before the switch stays over when the user is switched on again.
        if self.switches.any_off(user) or content["at"] <= self.switches.last_off(user):
            return None
        return Person(user, session_id)

    def start(self, response: Response, user: str, *, issuer: str) -> None:
        """Log `user` in: a new session, whatever the browser had before."""
        name = cookie_name(_NAME, issuer)
        content = {
            "user": user,
            "id": secrets.token_urlsafe(16),
            "fingerprint": self.users.fingerprint(user),
            "at": time.time(),
        }
        sealed = self.seals.seal(_PURPOSE, name, content, seconds=LOGIN_SECONDS)
        set_cookie(response, name, sealed, seconds=LOGIN_SECONDS, issuer=issuer)

    async def end(self, response: Response, cookies: Mapping[str, str], *, issuer: str) -> None:
        """The cookie no longer counts, also where a copy of it is kept."""
        content = self._content(cookies)
        if content is not None:
            await self.ended.add(_public(content["id"]), LOGIN_SECONDS)
        set_cookie(response, cookie_name(_NAME, issuer), "", seconds=0, issuer=issuer)

    def _content(self, cookies: Mapping[str, str]) -> Mapping[str, Any] | None:
        for issuer in ("https:", "http:"):
            name = cookie_name(_NAME, issuer)
            if name in cookies:
                return self.seals.open(_PURPOSE, name, cookies[name])
        return None


def cookie_name(name: str, issuer: str) -> str:
    """With https the browser itself holds the cookie to this host, this path and https (`__Host-`)."""
    return f"__Host-{name}" if issuer.startswith("https:") else name


def set_cookie(response: Response, name: str, value: str, *, seconds: int, issuer: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=issuer.startswith("https:"),
        httponly=True,
        samesite="lax",
    )


def _public(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
