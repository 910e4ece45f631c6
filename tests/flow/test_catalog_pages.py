"""The pages for people: what they show, to whom, and that a hostile tool cannot use them."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from mcp_gateway.api.snippets import snippets
from mcp_gateway.inspection import Inspection
from mcp_gateway.model.tool import Kind, ReviewState, Risk
from tests.support.first_party import FirstParty, two_servers

pytestmark = pytest.mark.anyio

HTML = {"Accept": "text/html,application/xhtml+xml"}
PAGES = ["/catalog", "/catalog/tools/tickets/ticket_get", "/connect", "/access"]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[FirstParty]:
    async with two_servers(tmp_path) as made:
        yield made


async def get(door: FirstParty, name: str | None, path: str) -> httpx2.Response:
    async with door.client(name) as client:
        return await client.get(path, headers=HTML)


def listed(page: str) -> list[str]:
    return re.findall(r'<a href="/catalog/tools/[^"]+">([^<]+)</a>', page)


async def test_the_front_door_leads_to_the_catalog(door: FirstParty) -> None:
    answer = await get(door, None, "/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/catalog")


@pytest.mark.parametrize("path", [*PAGES, "/catalog?q=a%26b&risk=read", "/catalog?server=//evil.example"])
async def test_who_is_not_signed_in_is_sent_to_the_login_and_back(door: FirstParty, path: str) -> None:
    answer = await get(door, None, path)
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert (target.netloc, target.path) == ("", "/login")
    assert parse_qs(target.query)["next"] == [path]


@pytest.mark.parametrize("path", [*PAGES, "/catalog/tools/vault/secret_get", "/nothing"])
async def test_pages_are_not_cached_framed_or_scripted(door: FirstParty, path: str) -> None:
    answer = await get(door, "mira", path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "script" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in answer.text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)


async def test_people_see_their_own_catalog(door: FirstParty) -> None:
    assert listed((await get(door, "mira", "/catalog")).text) == ["tickets__ticket_get"]
    mira = (await get(door, "mira", "/catalog")).text
    assert "vault" not in mira
    assert "upstream.unavailable" not in mira
    ana = (await get(door, "ana", "/catalog")).text
    assert len(listed(ana)) == 7
    assert "upstream.unavailable" in ana
    assert "inputSchema lacks type: object" in ana


async def test_who_has_no_access_is_told_how_to_get_it(door: FirstParty) -> None:
    page = (await get(door, "stranger", "/catalog")).text
    assert listed(page) == []
    assert "mcp-gateway access add stranger reader server:NAME" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=deletes&server=&risk=&state=", ["tickets__ticket_delete"]),
        ("risk=write", ["tickets__ticket_update"]),
        ("state=pending", ["tickets__new_one"]),
        ("server=vault", ["vault__secret_get"]),
        ("q=zzz", []),
    ],
)
async def test_the_form_filters_and_keeps_what_was_asked(door: FirstParty, query: str, found: list[str]) -> None:
    page = (await get(door, "ana", f"/catalog?{query}")).text
    assert listed(page) == found
    for name, [value] in parse_qs(query).items():
        kept = f'value="{value}"' if name == "q" else f"<option selected>{value}</option>"
        assert kept in page


@pytest.mark.parametrize(
    ("query", "field"),
    [("risk=s3cret", "risk"), ("state=s3cret", "state"), ("q=" + "s3cret" * 50, "q"), ("cursor=s3cret!", "cursor")],
)
async def test_a_wrong_filter_is_named_and_not_repeated(door: FirstParty, query: str, field: str) -> None:
    answer = await get(door, "ana", f"/catalog?{query}")
    assert answer.status_code == 400
    assert f"<h1>{field}: " in answer.text
    assert "s3cret" not in answer.text


async def test_a_long_catalog_is_paged_with_its_filter(door: FirstParty) -> None:
    for number in range(60):
        await door.put_tool("vault", f"peek_{number:02}", Risk.READ)
    first = (await get(door, "ana", "/catalog?server=vault")).text
    [following] = re.findall(r'<a rel="next" href="([^"]+)"', first)
    second = (await get(door, "ana", unescape(following))).text
    assert (len(listed(first)), len(listed(second))) == (50, 11)
    assert "server=vault" in following
    assert 'rel="next"' not in second


async def test_a_tools_words_stay_words(door: FirstParty) -> None:
    await door.put_tool(
        "tickets",
        'x"><script>alert(1)</script>/..',
        Risk.READ,
        title="<img src=x onerror=alert(1)>",
        description="{{ 7*7 }} <script>alert(1)</script> safe‮evil ​text",
        inputSchema={"type": "object", "properties": {"<b>": {"type": "<i>", "description": "</dl><script>"}}},
    )
    catalog = (await get(door, "ana", "/catalog")).text
    [link] = re.findall(r'<a href="(/catalog/tools/tickets/x[^"]+)"', catalog)
    page = await get(door, "ana", unescape(link))
    assert page.status_code == 200
    for text in (catalog, page.text):
        assert "<script" not in text and "<img" not in text and "<b>" not in text and "<i>" not in text
        assert "{{ 7*7 }}" in text
        assert "‮" not in text and "​" not in text
    assert "\\u202e" in page.text, "the definition shows what hides"


async def test_a_tool_page_tells_reviewers_who_approved_and_what_is_wrong(door: FirstParty) -> None:
    approved = (await get(door, "ana", "/catalog/tools/tickets/ticket_get")).text
    assert "by os:ana" in approved
    assert "<code>can_read</code> on the ticket" in approved
    assert "by os:ana" not in (await get(door, "mira", "/catalog/tools/tickets/ticket_get")).text
    broken = (await get(door, "ana", "/catalog/tools/tickets/broken")).text
    assert "Nobody can call it as it stands." in broken


@pytest.mark.parametrize("path", ["/catalog/tools/tickets/ticket_delete", "/catalog/tools/tickets/no_such"])
async def test_a_hidden_tool_and_an_absent_one_are_the_same_page(door: FirstParty, path: str) -> None:
    answer = await get(door, "mira", path)
    assert answer.status_code == 404
    words = re.sub(r'<span class="mono">[0-9a-f]+</span>', "", answer.text)
    assert "This tool is not available." in words
    assert path.rpartition("/")[2] not in words


async def test_the_connect_page_shows_every_snippet_for_this_address(door: FirstParty) -> None:
    page = unescape((await get(door, "mira", "/connect")).text)
    for snippet in snippets("http://127.0.0.1:8000/mcp"):
        assert snippet.text in page
        assert (snippet.install_link or "") in page


async def test_a_foreign_host_name_is_never_offered_as_an_address(door: FirstParty) -> None:
    async with door.client("mira") as client:
        page = await client.get("/connect", headers={**HTML, "Host": "evil.example"})
    assert "evil.example" not in page.text
    assert "http://127.0.0.1:8000/mcp" in page.text


async def test_an_error_nobody_foresaw_shows_its_request_id_and_nothing_else(
    door: FirstParty, caplog: pytest.LogCaptureFixture
) -> None:
    door.inspection = Inspection.__new__(Inspection)
    answer = await get(door, "mira", "/catalog")
    assert answer.status_code == 500
    assert answer.json()["reason"] == "internal.error"
    assert "Inspection" not in answer.text
    assert [record.levelname for record in caplog.records if answer.json()["request_id"] in record.message] == ["ERROR"]


async def test_a_state_that_changes_shows_on_the_next_look(door: FirstParty) -> None:
    await door.put_tool("tickets", "ticket_get", Risk.READ, state=ReviewState.CHANGED)
    assert listed((await get(door, "mira", "/catalog")).text) == []


async def test_prompts_and_resources_stand_beside_the_tools_of_their_server(door: FirstParty) -> None:
    await door.put_tool("tickets", "triage", Risk.READ, kind=Kind.PROMPT, arguments=[{"name": "id", "required": True}])
    await door.put_tool(
        "tickets", "ticket://{id}", Risk.READ, kind=Kind.TEMPLATE, title="<b>One</b>", state=ReviewState.PENDING
    )
    page = (await get(door, "ana", "/catalog?server=tickets")).text
    assert "6 tools, 1 prompt, 1 resource" in page and "8 found" in page
    only = (await get(door, "ana", "/catalog?kind=prompt")).text
    assert "1 found" in only and listed(only) == []
    [prompt] = re.findall(r'<a href="(/catalog/prompts/[^"]+)"', only)
    shown = (await get(door, "ana", prompt)).text
    assert "tickets__triage" in shown and "string, required" in shown
    [template] = re.findall(r'<a href="(/catalog/resources/[^"]+)"', page)
    shown = (await get(door, "ana", unescape(template))).text
    assert "tickets+ticket://{id}" in shown and "&lt;b&gt;One" in shown and "Nobody can read it as it stands" in shown
    assert (await get(door, "ana", "/catalog/secrets/tickets/triage")).status_code == 404
