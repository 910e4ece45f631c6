"""The oldest HTTP transport: where requests go, what is lost with a stream, and what a server may not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyreqwest.http import Url

from mcp_gateway.errors import (
    OutcomeUnknown,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_gateway.model.call import Answer, Era
from mcp_gateway.model.tool import Risk, Upstream
from mcp_gateway.upstream import Limits, Upstreams
from mcp_gateway.upstream.http import Refused
from mcp_gateway.upstream.sse_stream import endpoint_of
from tests.support import upstreams as scripts
from tests.support.sse_upstreams import ScriptedSse, greeted, scripted_sse, sse_entry, sse_upstream
from tests.support.upstreams import Asked, Heard, http_entry, permit_for, scripted_upstream

pytestmark = pytest.mark.anyio


async def forwarded(entry: Upstream, directory: Path, *, risk: Risk = Risk.READ, **limits: Any) -> Answer:
    async with Upstreams(directory, limits=Limits(**limits)) as upstreams:
        upstreams.configure([entry])
        return await upstreams.forward(permit_for(entry, "echo", risk=risk), Heard())


def text_of(answer: Answer) -> str:
    assert answer.result is not None
    return answer.result["content"][0]["text"]


def methods(server: ScriptedSse) -> list[str]:
    return [asked.body.get("method", "answer") for asked in server.posted]


# --- where to post


@pytest.mark.parametrize("endpoint", ["/post?s=1", "{origin}/post?s=1", "post?s=1", "./post?s=1", "?s=1"])
async def test_requests_are_posted_where_the_stream_says_at_its_own_server(tmp_path: Path, endpoint: str) -> None:
    async with scripted_sse(endpoint=endpoint) as (server, entry):
        assert text_of(await forwarded(entry, tmp_path)) == "hi"
    assert methods(server) == ["initialize", "notifications/initialized", "tools/call"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:1/post",
        "http://localhost/post",
        "//127.0.0.1:1/post",
        "https:/post",
        "ftp://127.0.0.1/post",
        "http://user@{host}/post",
        "http://127.0.0.1:1\\@{host}/post",
        "\\\\127.0.0.1:1/post",
        "http://[::1/post",
        "http://127.0.0.1:99999/post",
        "/po st",
        "/p\u00f6st",
        "/" + "x" * 3_000,
        "",
    ],
)
async def test_an_endpoint_at_another_server_or_none_at_all_is_refused(tmp_path: Path, endpoint: str) -> None:
    async with scripted_upstream(scripts.hang) as elsewhere:
        told = endpoint.replace("127.0.0.1:1", elsewhere.url.removeprefix("http://").removesuffix("/mcp"))
        async with scripted_sse(endpoint=told) as (server, entry):
            with pytest.raises(UpstreamProtocolError, match="endpoint"):
                await forwarded(entry, tmp_path)
    assert server.opened and server.posted == [] and elsewhere.asked == []


async def test_the_credential_is_on_the_stream_and_on_every_post(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("Bearer s3cret")
    credential: dict[str, Any] = {"credential_header": "Authorization", "credential_file": "key"}
    async with scripted_sse(**credential) as (server, entry):
        await forwarded(entry, tmp_path)
    assert {asked.headers["authorization"] for asked in [*server.opened, *server.posted]} == {"Bearer s3cret"}


async def test_an_address_that_is_not_allowed_is_not_connected_to(tmp_path: Path) -> None:
    async with scripted_sse(network=()) as (server, entry):
        with pytest.raises(UpstreamUnavailable):
            await forwarded(entry, tmp_path)
    assert server.opened == []


# --- the stream


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "text/plain", Refused),
        (503, "text/plain", UpstreamUnavailable),
        (404, "text/plain", UpstreamProtocolError),
        (302, "text/plain", UpstreamProtocolError),
        (200, "application/json", UpstreamProtocolError),
    ],
)
async def test_what_is_no_stream_is_an_error_of_its_own(
    tmp_path: Path, status: int, kind: str, error: type[UpstreamFailure]
) -> None:
    async def script(_asked: Asked, stream: Any) -> None:
        await scripts.respond(stream, b"{}", status=status, kind=kind, extra="location: http://127.0.0.1:1/\r\n")

    async with scripted_upstream(script) as server:
        with pytest.raises(error):
            await forwarded(sse_entry("old", server.url), tmp_path)


async def test_a_stream_that_never_says_where_to_post_ends_with_the_calls_deadline(tmp_path: Path) -> None:
    async with scripted_sse(endpoint=None, timeout_seconds=0.5) as (server, entry):
        with pytest.raises(UpstreamTimeout):
            await forwarded(entry, tmp_path)
    assert server.posted == []


async def test_an_event_without_end_is_refused_and_pings_do_not_add_up(tmp_path: Path) -> None:
    async def handle(server: ScriptedSse, message: dict[str, Any]) -> int | None:
        for _ in range(100):
            await server.raw(b": ping" + b"g" * 500 + b"\n\n")
        if message.get("method") == "tools/call":
            for _ in range(100):
                await server.raw(b"data: " + b"x" * 1_000)
        return await greeted(server, message)

    async with scripted_sse(handle) as (server, entry):
        with pytest.raises(UpstreamProtocolError, match="too large"):
            await forwarded(entry, tmp_path, response_bytes=20_000)
    assert "tools/call" in methods(server)


async def test_what_is_no_message_on_the_stream_is_passed_over(tmp_path: Path) -> None:
    async def handle(server: ScriptedSse, message: dict[str, Any]) -> int | None:
        await server.send("not JSON")
        await server.send({"jsonrpc": "2.0", "id": "somebody else's", "result": {}})
        await server.send("http://127.0.0.1:1/evil", event="endpoint")
        return await greeted(server, message)

    async with scripted_sse(handle) as (_, entry):
        assert text_of(await forwarded(entry, tmp_path)) == "hi"


async def test_a_ping_is_answered_beside_the_call(tmp_path: Path) -> None:
    async def handle(server: ScriptedSse, message: dict[str, Any]) -> int | None:
        if message.get("method") == "tools/call":
            await server.send({"jsonrpc": "2.0", "id": "p", "method": "ping"})
            return 202
        if message.get("id") == "p":
            call = next(asked for asked in server.posted if asked.body.get("method") == "tools/call")
            return await greeted(server, call.body)
        return await greeted(server, message)

    async with scripted_sse(handle) as (server, entry):
        assert text_of(await forwarded(entry, tmp_path)) == "hi"
    assert server.posted[-1].body == {"jsonrpc": "2.0", "id": "p", "result": {}}


# --- what is lost


async def test_an_answer_counts_though_the_receipt_never_comes(tmp_path: Path) -> None:
    async def handle(server: ScriptedSse, message: dict[str, Any]) -> int | None:
        await greeted(server, message)
        return None if message.get("method") == "tools/call" else 202

    async with scripted_sse(handle) as (_, entry):
        assert text_of(await forwarded(entry, tmp_path)) == "hi"


@pytest.mark.parametrize(
    ("status", "risk", "error"),
    [
        (403, Risk.WRITE, Refused),
        (429, Risk.READ, Refused),
        (503, Risk.WRITE, UpstreamUnavailable),
        (500, Risk.READ, UpstreamUnavailable),
        (500, Risk.WRITE, OutcomeUnknown),
        (400, Risk.WRITE, UpstreamProtocolError),
        (413, Risk.READ, UpstreamProtocolError),
        (None, Risk.READ, OutcomeUnknown),
    ],
)
async def test_a_post_that_is_not_taken_says_whether_it_may_have_run(
    tmp_path: Path, status: int | None, risk: Risk, error: type[UpstreamFailure]
) -> None:
    async def handle(server: ScriptedSse, message: dict[str, Any]) -> int | None:
        return status if message.get("method") == "tools/call" else await greeted(server, message)

    async with scripted_sse(handle) as (server, entry):
        with pytest.raises(error):
            await forwarded(entry, tmp_path, risk=risk)
    assert methods(server).count("tools/call") == 1


async def test_a_session_the_server_forgot_is_opened_again_and_the_call_runs_once(tmp_path: Path) -> None:
    async with sse_upstream(tmp_path) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
        upstream.forget_sessions = True
        answer = await upstreams.forward(permit_for(upstream.entry, "echo", {"text": "again"}), Heard())
        await upstream.record.until("stream ended")
    assert text_of(answer) == "again"
    assert upstream.record.count("stream") == 2
    assert upstream.record.count("echo") == 2


async def test_a_server_that_forgets_every_session_is_not_tried_for_ever(tmp_path: Path) -> None:
    async def handle(server: ScriptedSse, message: dict[str, Any]) -> int | None:
        return 404 if message.get("method") == "tools/call" else await greeted(server, message)

    async with scripted_sse(handle) as (server, entry):
        with pytest.raises(UpstreamUnavailable):
            await forwarded(entry, tmp_path)
    assert methods(server).count("tools/call") == 2


async def test_a_stream_that_ends_between_calls_is_opened_again(tmp_path: Path) -> None:
    async with scripted_sse() as (server, entry), Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry])
        for streams in (1, 2, 3):
            assert text_of(await answered(upstreams, entry)) == "hi"
            assert len(server.opened) == streams
            await server.end_stream()


async def answered(upstreams: Upstreams, entry: Upstream) -> Answer:
    """The first answer there is: a call before the end of a stream was noticed is lost with it."""
    with anyio.fail_after(20):
        while True:
            try:
                return await upstreams.forward(permit_for(entry, "echo"), Heard())
            except OutcomeUnknown:
                await anyio.sleep(0.01)


# --- whose stream


@pytest.mark.parametrize(("sessions", "streams"), [("per_principal", 2), ("shared", 1)])
async def test_every_owner_has_a_stream_and_who_shares_has_one(tmp_path: Path, sessions: str, streams: int) -> None:
    async with sse_upstream(tmp_path, sessions=sessions) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        for user in ("mira", "jon", "mira"):
            await upstreams.forward(permit_for(upstream.entry, "echo", user=user), Heard())
    assert upstream.record.count("stream") == streams


async def test_an_answer_on_another_owners_stream_is_nobodys(tmp_path: Path) -> None:
    async with scripted_sse(timeout_seconds=1.0) as (server, entry), Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry])
        for user in ("mira", "jon"):
            await upstreams.forward(permit_for(entry, "echo", user=user), Heard())
        with pytest.raises(UpstreamTimeout):  # this server answers on the last stream that was opened
            await upstreams.forward(permit_for(entry, "echo", user="mira"), Heard())
    assert methods(server)[-1] == "notifications/cancelled"


async def test_an_idle_stream_is_closed(tmp_path: Path) -> None:
    limits = Limits(session_idle_seconds=0.0, sweep_seconds=0.05)
    async with sse_upstream(tmp_path) as upstream, Upstreams(tmp_path, limits=limits) as upstreams:
        upstreams.configure([upstream.entry])
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
        await upstream.record.until("stream ended")


async def test_leaving_closes_every_stream(tmp_path: Path) -> None:
    async with sse_upstream(tmp_path) as upstream:
        async with Upstreams(tmp_path) as upstreams:
            upstreams.configure([upstream.entry])
            for user in ("mira", "jon"):
                await upstreams.forward(permit_for(upstream.entry, "echo", user=user), Heard())
        await upstream.record.until("stream ended", times=2)


async def test_the_agreed_version_is_the_servers(tmp_path: Path) -> None:
    async with scripted_sse() as (_, entry), Upstreams(tmp_path) as upstreams:
        hello = await upstreams.probe(entry)
    assert (hello.era, hello.protocol_version) == (Era.LEGACY, "2024-11-05")
    assert hello.server_info == {"name": "old"}


# --- found out


class Changing:
    """One place that speaks HTTP+SSE first and streamable HTTP of an era afterwards."""

    def __init__(self) -> None:
        self.era: Era | None = None
        self.sse = ScriptedSse(greeted, "/post")

    async def __call__(self, asked: Asked, stream: Any) -> None:
        if self.era is None and (asked.method == "GET" or asked.target == "/post"):
            await self.sse(asked, stream)
        elif self.era is None or asked.method != "POST":
            await scripts.respond(stream, b"", status=405)
        elif self.era is Era.LEGACY and asked.body["method"] == "server/discover":
            await scripts.respond(stream, b"", status=400)
        else:
            await scripts.respond(stream, json.dumps(self._answer(asked)).encode())

    def _answer(self, asked: Asked) -> dict[str, Any]:
        result: Any = {"content": [{"type": "text", "text": "new"}], "resultType": "complete"}
        if asked.body["method"] == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
        return {"jsonrpc": "2.0", "id": asked.id, "result": result}


@pytest.mark.parametrize("era", [Era.MODERN, Era.LEGACY])
async def test_an_old_server_that_was_replaced_by_a_new_one_is_found_again(tmp_path: Path, era: Era) -> None:
    server = Changing()
    async with scripted_upstream(server) as upstream, Upstreams(tmp_path) as upstreams:
        entry = http_entry("scripted", upstream.url)
        upstreams.configure([entry])
        assert text_of(await answered(upstreams, entry)) == "hi"
        assert text_of(await answered(upstreams, entry)) == "hi"
        assert len(server.sse.opened) == 2  # one to find out, one that is the caller's
        server.era = era
        await server.sse.end_stream()
        assert text_of(await answered(upstreams, entry)) == "new"


async def test_a_server_that_refuses_everything_is_asked_for_a_stream_once(tmp_path: Path) -> None:
    async def refuse(_asked: Asked, stream: Any) -> None:
        await scripts.respond(stream, b"", status=405)

    async with scripted_upstream(refuse) as server:
        with pytest.raises(UpstreamProtocolError):
            await forwarded(http_entry("scripted", server.url), tmp_path)
    assert [asked.method for asked in server.asked].count("GET") == 1


async def test_a_server_with_a_declared_era_is_not_asked_for_an_old_stream(tmp_path: Path) -> None:
    async with sse_upstream(tmp_path, declared=False, protocol="legacy") as upstream:
        with pytest.raises(UpstreamProtocolError):
            await forwarded(upstream.entry, tmp_path)
    assert upstream.record.count("stream") == 0


URL_PARTS = [
    *("/", "\\", ":", "@", "?", "#", ".", "..", "//", "[", "[::1]", "%2f", "%5c", ";", "x"),
    *("http:", "https:", "HTTP://", "127.0.0.1:8101", "evil.com", "user:pw@"),
]


@given(
    st.lists(
        st.sampled_from([*URL_PARTS, "\t", "\n", " ", "\u2024", "\uff0f", "\u3002"]),
        max_size=8,
    ).map("".join)
    | st.text(max_size=20)
)
def test_no_spelling_of_an_endpoint_leads_elsewhere(said: str) -> None:
    """Judged by one parser, sent by another: both must see the stream's own server."""
    try:
        target = endpoint_of("http://127.0.0.1:8101/sse", said.encode())
    except UpstreamProtocolError:
        return
    assert target.startswith("/")
    url = Url("http://127.0.0.1:8101" + target)
    assert (url.scheme, url.host_str, url.port, url.username, url.password) == ("http", "127.0.0.1", 8101, "", None)
