"""The pages and the event stream of a running gateway, with the real login, on both servers."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway import PASSWORD, Installation, install
from tests.support.processes import Running

HTML = {"Accept": "text/html"}
_STOP_SECONDS = 20


@pytest.fixture(params=["granian", "uvicorn"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    made = install(tmp_path, registry={}, server=request.param)
    made.cli("user", "add", "mira", "--password-stdin", stdin=PASSWORD)
    return made


def log_in(browser: httpx2.Client, *, to: str) -> httpx2.Response:
    sent_away = browser.get(to, headers=HTML)
    form = browser.get(sent_away.headers["location"])
    [sealed] = re.findall(r'name="form" value="([^"]+)"', form.text)
    fields = {"form": sealed, "username": "mira", "password": PASSWORD}
    landed = browser.post("/login", data=fields, headers={"Origin": str(browser.base_url)})
    assert landed.status_code == 303, landed.text
    return browser.get(landed.headers["location"], headers=HTML)


def events(lines: Iterator[str]) -> Iterator[str]:
    return (line.removeprefix("event: ") for line in lines if line.startswith("event: "))


def stopped(process: Running) -> int:
    process.process.send_signal(signal.SIGTERM)
    return process.process.wait(_STOP_SECONDS)


def test_a_person_logs_in_watches_and_is_let_go(gateway: Installation) -> None:
    with gateway.serving() as process, httpx2.Client(base_url=gateway.origin, timeout=30) as browser:
        page = log_in(browser, to="/catalog?q=tickets")
        assert (page.status_code, page.url.path) == (200, "/catalog")
        assert 'value="tickets"' in page.text
        assert browser.get("/api/v1/me").json()["auditor"] is False
        gateway.cli("access", "add", "user:mira", "auditor", "gateway:local")
        assert browser.get("/api/v1/me").json()["auditor"] is True

        with browser.stream("GET", "/api/v1/events") as stream:
            heard = events(stream.iter_lines())
            assert next(heard) == "ready"
            browser.post("/logout", headers={"Origin": gateway.origin})
            assert list(heard) == ["end"]
        assert browser.get("/catalog", headers=HTML).headers["location"] == "/login?next=%2Fcatalog"

        log_in(browser, to="/connect")
        with browser.stream("GET", "/api/v1/events") as stream:
            heard = events(stream.iter_lines())
            assert next(heard) == "ready"
            assert stopped(process) == 0, "an open stream does not hold up the end"
            assert list(heard) == []
