"""The scripted person of tests/support: which forms it fills, what it sends, where it stops."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.node import browser_environment, require_node
from tests.support.processes import ROOT, free_port, listening, wait_until
from tests.support.sign_in import Browser, Form, Landed, Person, SignInFailed, filled, forms_of

LOGIN = '<form method="post" action="/login"><input type="hidden" name="csrf" value="c1"><input name="username"><input name="password" type="password"><button>Sign in</button></form>'
CONSENT = """<form method="post" action="/consent"><input type="hidden" name="csrf" value="c2">
<input type="checkbox" name="grant" value="tickets:read"><input type="checkbox" name="grant" value="tickets:write">
<button name="deny" value="1">Deny</button><button name="approve" value="1">Allow</button></form>"""
MIRA = Person("mira", "correct horse", frozenset({"tickets:read"}))


class _Pages(BaseHTTPRequestHandler):
    """Login, consent, redirect to the callback; the session cookie is marked Secure, as browsers accept on loopback."""

    @property
    def site(self) -> _Site:
        assert isinstance(self.server, _Site)
        return self.server

    def do_GET(self) -> None:
        if self.path.startswith("/callback"):
            self.site.called.set()
            return self._answer(200, "<p>You may close this window.</p>")
        signed_in = "session=yes" in self.headers.get("Cookie", "")
        return self._answer(200, CONSENT if signed_in else LOGIN)

    def do_POST(self) -> None:
        sent = parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True)
        self.site.posts.append((self.path, sent))
        if self.path == "/login":
            if ("password", MIRA.password) not in sent:
                return self._answer(200, LOGIN)
            return self._redirect("/authorize", cookie="session=yes; Secure; HttpOnly; Path=/")
        return self._redirect(self.site.callback)

    def _redirect(self, where: str, *, cookie: str | None = None) -> None:
        self.send_response(303)
        self.send_header("Location", where)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()

    def _answer(self, status: int, page: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        del format, args


class _Site(ThreadingHTTPServer):
    def __init__(self, callback: str) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.callback = callback
        self.posts: list[tuple[str, list[tuple[str, str]]]] = []
        self.called = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def client() -> Iterator[_Site]:
    """A client's callback listener."""
    site = _Site("")
    yield site
    site.shutdown()
    site.server_close()


@pytest.fixture
def site(client: _Site) -> Iterator[_Site]:
    site = _Site(f"{client.url}/callback?code=1")
    yield site
    site.shutdown()
    site.server_close()


def test_it_signs_in_ticks_what_it_was_told_and_lands_on_the_callback(site: _Site, client: _Site) -> None:
    landed = Browser().sign_in(f"{site.url}/authorize", MIRA)
    assert landed == Landed(f"{client.url}/callback?code=1", 200)
    assert site.posts == [
        ("/login", [("csrf", "c1"), ("username", "mira"), ("password", "correct horse")]),
        ("/consent", [("csrf", "c2"), ("grant", "tickets:read"), ("approve", "1")]),
    ]


def test_it_ticks_everything_unless_told_otherwise() -> None:
    sent = filled(forms_of(CONSENT)[0], Person("mira", "x"))
    assert [value for name, value in sent if name == "grant"] == ["tickets:read", "tickets:write"]


def test_a_refused_password_ends_instead_of_looping(site: _Site) -> None:
    with pytest.raises(SignInFailed, match="shows the same form again"):
        Browser().sign_in(f"{site.url}/authorize", Person("mira", "wrong"))


def test_a_redirect_to_an_application_scheme_is_where_it_lands(site: _Site) -> None:
    site.callback = "cursor://anysphere.cursor-mcp/oauth/callback?code=1"
    assert Browser().sign_in(f"{site.url}/authorize", MIRA) == Landed(site.callback, 0)


def test_a_disabled_control_is_not_sent() -> None:
    form = forms_of('<form method="post"><input name="a" value="1" disabled><input name="b" value="2"></form>')[0]
    assert isinstance(form, Form)
    assert filled(form, MIRA) == [("b", "2")]


def test_the_program_detaches_at_once_and_waits_for_a_callback_that_listens_later(site: _Site, tmp_path: Path) -> None:
    port = free_port()
    site.callback = f"http://127.0.0.1:{port}/callback?code=1"
    env = browser_environment(tmp_path, user=MIRA.username, password=MIRA.password, tick="")
    subprocess.run([env["BROWSER"], f"{site.url}/authorize"], env=env, check=True, timeout=20)
    wait_until(lambda: len(site.posts) == 2, what="the consent form")
    late = ThreadingHTTPServer(("127.0.0.1", port), _LateCallback)
    late.handle_request()  # its look whether somebody listens
    late.handle_request()
    late.server_close()
    log = tmp_path / "browser.log"
    wait_until(lambda: "200" in log.read_text(), what="the landing")
    assert urlsplit(log.read_text().split()[1]).path == "/callback"


class _LateCallback(_Pages):
    def do_GET(self) -> None:
        self._answer(200, "done")


@pytest.mark.node
@pytest.mark.parametrize(
    "listen", ["PORT", "{port: PORT}", 'PORT, "0.0.0.0"', '{port: PORT, host: "::"}', "PORT, () => {}"]
)
def test_node_servers_of_the_tests_listen_on_loopback_only(listen: str) -> None:
    node, port = require_node(), free_port()
    code = f"const s = require('net').createServer(); s.listen({listen.replace('PORT', str(port))}); s.on('listening', () => {{ console.log(s.address().address); s.close(); }})"
    answer = subprocess.run(
        [str(node.executable), "-e", code],
        env=node.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout.strip() == "127.0.0.1"
    assert not listening(port)()
