from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from mcp_gateway.authserver.login import here
from tests.unit.authserver.desk import PASSWORD, Desk, asking, hidden, new_verifier, open_desk, the_form

pytestmark = pytest.mark.anyio


def _person(desk: Desk) -> str | None:
    person = desk.server.sessions.person(dict(desk.browser.cookies))
    return person.user if person else None


async def test_a_user_logs_in_and_out(desk: Desk) -> None:
    assert _person(desk) is None
    response = await desk.log_in()
    assert (response.status_code, response.headers["location"]) == (303, "/catalog")
    assert _person(desk) == "user:local/mira"
    kept = dict(desk.browser.cookies)
    assert (await desk.browser.post("/logout")).status_code == 303
    assert _person(desk) is None
    assert desk.server.sessions.person(kept) is None, "a kept copy of the cookie counts no more"
    assert desk.events.kinds[-2:] == ["login.succeeded", "login.ended"]


async def test_a_login_ends_with_the_password_and_with_the_user(desk: Desk) -> None:
    await desk.log_in()
    desk.users.set_password("mira", "a new password")
    assert _person(desk) is None
    await desk.log_in(password="a new password")
    assert _person(desk) is not None
    desk.users.remove("mira")
    assert _person(desk) is None


async def test_a_wrong_name_and_a_wrong_password_look_alike(desk: Desk) -> None:
    wrong_password, wrong_name = await desk.log_in(password="wrong"), await desk.log_in(user="nobody")
    assert wrong_password.status_code == wrong_name.status_code == 401
    assert _without_form(wrong_password) == _without_form(wrong_name)
    assert _person(desk) is None


def _without_form(page: httpx2.Response) -> str:
    return page.text.replace(hidden(the_form(page))["form"], "")


async def test_a_failure_is_recorded_without_a_name_that_may_be_a_password(desk: Desk) -> None:
    await desk.log_in(user="mira", password="wrong")
    await desk.log_in(user="hunter2", password="mira")
    failures = [(actor, named) for kind, actor, named in desk.events.seen if kind == "login.failed"]
    assert [actor for actor, _ in failures] == ["user:local/mira", "user:unknown"]
    assert "hunter2" not in str(failures)


async def test_ten_failures_close_the_door_also_to_the_right_password(desk: Desk) -> None:
    for _ in range(10):
        assert (await desk.log_in(password="wrong")).status_code == 401
    refused = await desk.log_in()
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert _person(desk) is None


async def test_guessing_that_is_refused_is_recorded_once_however_often_it_is_tried(desk: Desk) -> None:
    for _ in range(15):
        await desk.log_in(password="wrong")
    assert desk.events.kinds.count("login.failed") == 10
    throttled = [(actor, named) for kind, actor, named in desk.events.seen if kind == "login.throttled"]
    assert [actor for actor, _ in throttled] == ["user:local/mira"]
    assert throttled[0][1]["address"]


async def test_an_address_that_guesses_at_many_names_is_recorded_once_and_blames_nobody(desk: Desk) -> None:
    for number in range(70):
        await desk.log_in(user=f"name-{number}", password="wrong")
    assert (await desk.log_in(user="mira")).status_code == 429
    throttled = [actor for kind, actor, _ in desk.events.seen if kind == "login.throttled"]
    assert throttled == ["user:unknown"]


async def test_a_success_forgives_the_failures_before_it(desk: Desk) -> None:
    for _ in range(9):
        await desk.log_in(password="wrong")
    assert (await desk.log_in()).status_code == 303
    assert (await desk.log_in(password="wrong")).status_code == 401


async def test_a_form_without_our_token_or_from_another_browser_logs_nobody_in(desk: Desk, tmp_path: Path) -> None:
    foreign = hidden(the_form(await desk.browser.get("/login")), username="mira", password=PASSWORD)
    desk.browser.cookies.clear()
    for form in (foreign, {"username": "mira", "password": PASSWORD}):
        response = await desk.browser.post("/login", data=form)
        assert response.status_code == 400
        assert _person(desk) is None


async def test_a_form_on_another_site_is_refused(desk: Desk) -> None:
    form = hidden(the_form(await desk.browser.get("/login")), username="mira", password=PASSWORD)
    refused = await desk.browser.post("/login", data=form, headers={"origin": "http://evil.example"})
    assert refused.status_code == 403
    assert _person(desk) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "javascript:alert(1)",
        "",
        "x",
        "/\nx",
    ],
)
async def test_the_login_never_leads_to_another_site(desk: Desk, address: str) -> None:
    page = await desk.browser.get("/login", params={"next": address})
    form = hidden(the_form(page), username="mira", password=PASSWORD)
    response = await desk.browser.post("/login", data=form)
    assert response.headers["location"] == here(address) == "/catalog"


async def test_the_login_leads_back_to_the_sign_in_it_interrupted(desk: Desk) -> None:
    client_id = await desk.register()
    first = await desk.ask(asking(client_id, new_verifier()))
    assert first.status_code == 303
    page = await desk.browser.get(first.headers["location"])
    response = await desk.browser.post("/login", data=hidden(the_form(page), username="mira", password=PASSWORD))
    consent = await desk.browser.get(response.headers["location"])
    assert consent.status_code == 200
    assert the_form(consent).has("approve")


async def test_pages_are_neither_framed_nor_cached_nor_scripted(desk: Desk) -> None:
    headers = (await desk.browser.get("/login")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


async def test_the_cookie_is_kept_from_scripts_and_with_https_to_this_host(desk: Desk, tmp_path: Path) -> None:
    cookie = (await desk.log_in()).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    issuer = "https://gateway.example.com"
    (tmp_path / "other").mkdir()
    async with open_desk(tmp_path / "other", issuer=issuer, public_urls=[issuer]) as safe:
        cookie = (await safe.log_in()).headers["set-cookie"]
        assert cookie.startswith("__Host-mcp_gateway_login=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert _person(safe) == "user:local/mira"


async def test_a_login_that_cannot_be_recorded_does_not_happen(desk: Desk) -> None:
    desk.events.broken = True
    assert (await desk.log_in()).status_code == 503
    assert _person(desk) is None


async def test_an_altered_cookie_is_nobody(desk: Desk) -> None:
    await desk.log_in()
    (name, value), *_ = [(n, v) for n, v in desk.browser.cookies.items() if n == "mcp_gateway_login"]
    assert desk.server.sessions.person({name: value[:-2] + "AA"}) is None
    assert desk.server.sessions.person({"__Host-" + name: value}) is None
    assert desk.server.sessions.person({name: ""}) is None
