"""Sign in as a person would, without a browser: follow the links, fill in the forms, keep the cookies.

For the demo and as an example of the flow: authorization code with PKCE S256 and `resource`
(MCP 2026-07-28 basic/authorization).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Mapping
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

_MAX_STEPS = 10


class SignInFailed(Exception):
    """The flow ended somewhere else than at the client's redirect."""


async def sign_in(
    http: httpx2.AsyncClient,
    origin: str,
    *,
    client_id: str,
    redirect_uri: str,
    resource: str,
    user: str,
    password: str,
    tick: Collection[str],
    scope: str = "mcp:read mcp:write",
) -> Mapping[str, object]:
    """The token response. `tick` names the checkboxes of the consent page by value, e.g. `tickets:read`."""
    verifier = secrets.token_urlsafe(48)
    state = secrets.token_urlsafe(16)
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "resource": resource,
    }
    metadata = (await http.get(f"{origin}/.well-known/oauth-authorization-server")).json()
    response = await http.get(metadata["authorization_endpoint"], params=parameters)
    answer = await _through_the_pages(http, response, redirect_uri, {"username": user, "password": password}, tick)
    if answer.get("state") != [state] or "code" not in answer:
        raise SignInFailed(f"no code came back: {answer.get('error', ['unknown'])[0]}")
    token = await http.post(
        metadata["token_endpoint"],
        data={
            "grant_type": "authorization_code",
            "code": answer["code"][0],
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "code_verifier": verifier,
            "resource": resource,
        },
    )
    token.raise_for_status()
    return token.json()


async def _through_the_pages(
    http: httpx2.AsyncClient,
    response: httpx2.Response,
    redirect_uri: str,
    credentials: Mapping[str, str],
    tick: Collection[str],
) -> dict[str, list[str]]:
    """Follow redirects and submit forms until the client's redirect URI is reached; its query."""
    for _ in range(_MAX_STEPS):
        if response.is_redirect:
            target = urljoin(str(response.url), response.headers["location"])
            if target.startswith(redirect_uri):
                return parse_qs(urlsplit(target).query)
            response = await http.get(target)
            continue
        form = Form.first(response.text)
        if form is None:
            raise SignInFailed(f"a page without a form, HTTP {response.status_code}")
        action = urljoin(str(response.url), form.action)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(action))
        response = await http.post(action, data=form.filled(credentials, tick), headers={"origin": origin})
    raise SignInFailed("too many pages")


class Form(HTMLParser):
    """The first form of a page: its action, fields, checkboxes and submit buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.boxes: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str]] = []
        self._inside: bool | None = None

    @staticmethod
    def first(html: str) -> Form | None:
        form = Form()
        form.feed(html)
        return form if form._inside is not None else None

    def filled(self, credentials: Mapping[str, str], tick: Collection[str]) -> dict[str, list[str]]:
        """What a person would submit: known fields filled in, wanted boxes ticked, the approving button pressed."""
        data = {name: [credentials.get(name, value)] for name, value in self.fields.items()}
        for name, value in self.boxes:
            if value in tick:
                data.setdefault(name, []).append(value)
        approving = [(name, value) for name, value in self.buttons if "approve" in (name, value)]
        if approving:
            data[approving[0][0]] = [approving[0][1]]
        return data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and self._inside is None:
            self._inside, self.action = True, found.get("action", "")
        elif self._inside and tag in {"input", "button"} and "name" in found:
            self._control(tag, found)

    def _control(self, tag: str, found: Mapping[str, str]) -> None:
        name, value, kind = found["name"], found.get("value", ""), found.get("type", "text")
        if tag == "button" or kind == "submit":
            self.buttons.append((name, value))
        elif kind == "checkbox":
            self.boxes.append((name, value or "on"))
        else:
            self.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
