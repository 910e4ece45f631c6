"""A person at a browser, without one: opens an authorization URL, fills the real forms, follows every redirect.

Knows no page of ours by heart: the login form is the one with a field `username`, the consent
form the one with a button `approve`, and whatever hidden fields they have are sent back.
Standard library only, because `browser` runs it under whatever Python a client finds first.
"""

from __future__ import annotations

import http.cookiejar
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

_MAX_STEPS = 20
_PAGE_SECONDS = 20.0
_CALLBACK_SECONDS = 30.0


class SignInFailed(Exception):
    """The pages led nowhere; the message names the last address without its query."""


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    password: str
    ticks: frozenset[str] | None = None
    """Values of the checkboxes to tick on the consent page; None ticks all."""


@dataclass(slots=True)
class Form:
    action: str
    method: str
    inputs: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def has(self, name: str) -> bool:
        return any(control.get("name") == name for control in self.inputs)


@dataclass(frozen=True, slots=True)
class Landed:
    """Where the browser ended: a page of the client's callback, or a scheme that is not http."""

    url: str
    status: int


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
            self._inside = True
        elif self._inside and tag in {"input", "button"}:
            kind = given.get("type", "submit" if tag == "button" else "text").lower()
            self.forms[-1].inputs.append({**given, "type": kind})

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def forms_of(page: str) -> list[Form]:
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def filled(form: Form, person: Person) -> list[tuple[str, str]]:
    """What the browser would send: hidden fields as they are, credentials typed, boxes ticked, one button."""
    sent: list[tuple[str, str]] = []
    for control in form.inputs:
        name, kind = control.get("name", ""), control["type"]
        if not name or "disabled" in control:
            continue
        if kind == "checkbox":
            sent += [(name, value) for value in _ticked(control, person)]
        elif kind == "submit":
            sent += [(name, control.get("value", ""))] if _is_approval(control) else []
        elif kind not in {"button", "reset", "image"}:
            typed = {"username": person.username, "password": person.password}
            sent.append((name, typed.get(name, control.get("value", ""))))
    return sent


def _ticked(control: dict[str, str], person: Person) -> Iterable[str]:
    value = control.get("value", "on")
    return (value,) if person.ticks is None or value in person.ticks else ()


def _is_approval(control: dict[str, str]) -> bool:
    return "approve" in {control.get("name"), control.get("value")}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


class Browser:
    """A cookie jar and nothing else; one per person."""

    def __init__(self) -> None:
        # Browsers keep Secure cookies on loopback too; the standard library only with this.
        policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https"))
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar(policy))
        # No proxy from the environment: everything here is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar, _NoRedirect())

    def sign_in(self, url: str, person: Person) -> Landed:
        """Open `url`, pass login and consent as `person`, and stop at the page that asks for nothing more."""
        home = urlsplit(url).netloc
        body: list[tuple[str, str]] | None = None
        submitted: set[str] = set()
        for _ in range(_MAX_STEPS):
            if urlsplit(url).scheme not in {"http", "https"}:
                return Landed(url, 0)
            if urlsplit(url).netloc != home:
                _wait_listening(url)
            status, location, page = self._request(url, body)
            if location is not None:
                url, body = urljoin(url, location), body if status in {307, 308} else None
                continue
            form = _next_form(page)
            if form is None or status >= 400 or urlsplit(url).netloc != home:
                return Landed(url, status)
            url = urljoin(url, form.action)
            body = filled(form, person)
            if (step := f"{url} {sorted(name for name, _ in body)}") in submitted:
                raise SignInFailed(f"{_bare(url)} shows the same form again")
            submitted.add(step)
        raise SignInFailed(f"more than {_MAX_STEPS} pages, last {_bare(url)}")

    def _request(self, url: str, body: list[tuple[str, str]] | None) -> tuple[int, str | None, str]:
        request = urllib.request.Request(url, headers={"Accept": "text/html"})
        if body is not None:
            place = urlsplit(url)
            request.data = urlencode(body).encode()
            request.add_header("Origin", f"{place.scheme}://{place.netloc}")
            request.add_header("Sec-Fetch-Site", "same-origin")
        try:
            response: HTTPResponse = self._opener.open(request, timeout=_PAGE_SECONDS)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers.get("Location"), refused.read().decode("utf-8", "replace")
        with response:
            return response.status, None, response.read().decode("utf-8", "replace")


def _next_form(page: str) -> Form | None:
    wanted = [
        form
        for form in forms_of(page)
        if form.method == "post" and (form.has("username") or any(map(_is_approval, form.inputs)))
    ]
    return wanted[0] if wanted else None


def _wait_listening(url: str) -> None:
    """Clients open the browser before their callback port listens."""
    place = urlsplit(url)
    deadline = time.monotonic() + _CALLBACK_SECONDS
    while True:
        try:
            socket.create_connection((place.hostname or "", place.port or 80), timeout=1).close()
            return
        except OSError as exc:
            if time.monotonic() > deadline:
                raise SignInFailed(f"nobody listens at {_bare(url)}") from exc
            time.sleep(0.05)


def _bare(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()
