"""Each way an upstream can fail has one coded error, in time, and says whether the call may have run."""

from __future__ import annotations

import json
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.errors import UpstreamFailure
from mcp_gateway.model.call import Answer
from mcp_gateway.model.tool import HttpTransport, Risk, Upstream
from mcp_gateway.upstream import Limits, Upstreams
from mcp_gateway.upstream.addresses import resolve
from mcp_gateway.upstream.http import HttpClient
from tests.support import upstreams as scripts
from tests.support.upstreams import (
    Asked,
    Heard,
    Script,
    answering,
    events,
    http_entry,
    permit_for,
    result_for,
    scripted_upstream,
)

pytestmark = pytest.mark.anyio

SECRET_BODY = b"<html>do not repeat me</html>"


async def forwarded(entry: Upstream, directory: Path, *, risk: Risk = Risk.READ, heard: Heard | None = None) -> Answer:
    async with Upstreams(directory, limits=Limits(response_bytes=1_000_000, connect_seconds=1)) as upstreams:
        upstreams.configure([entry])
        return await upstreams.forward(permit_for(entry, "echo", risk=risk, progress_token=1), heard or Heard())


async def code_of(script: Script, directory: Path, *, risk: Risk = Risk.READ, **changed: Any) -> str:
    async with scripted_upstream(script) as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await forwarded(upstream.entry(**changed), directory, risk=risk)
    assert "repeat" not in str(caught.value)
    return caught.value.code


def html(status: int) -> Script:
    async def script(_asked: Asked, stream: Any) -> None:
        await scripts.respond(stream, SECRET_BODY, status=status, kind="text/html")

    return script


def note(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def refused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def test_an_upstream_that_is_down_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UpstreamFailure) as caught:
        await forwarded(http_entry("down", f"http://127.0.0.1:{refused_port()}/mcp"), tmp_path)
    assert caught.value.code == "upstream.unavailable"


async def test_an_upstream_that_accepts_no_connection_is_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        queued = [socket.socket() for _ in range(4)]
        for one in queued:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        with pytest.raises(UpstreamFailure) as caught:
            await forwarded(http_entry("full", f"http://127.0.0.1:{port}/mcp"), tmp_path)
        for one in queued:
            one.close()
    assert caught.value.code == "upstream.unavailable"


async def test_the_clients_own_deadline_never_passes_for_a_request_that_was_not_sent() -> None:
    async with scripted_upstream(scripts.hang) as upstream:
        entry = upstream.entry()
        assert isinstance(entry.transport, HttpTransport)
        client = HttpClient(entry.transport, timeout_seconds=0.1, resolve=resolve, limits=Limits())
        with anyio.fail_after(10), pytest.raises(UpstreamFailure) as caught:
            await client.post([], b"{}", ignored)
        await client.aclose()
    assert caught.value.code == "upstream.timeout"
    assert len(upstream.asked) == 1


async def ignored(_response: object) -> None:
    """Nothing comes."""


async def test_an_upstream_that_does_not_speak_tls_is_unavailable(tmp_path: Path) -> None:
    async with scripted_upstream(scripts.hang) as upstream:
        entry = http_entry("tls", upstream.url.replace("http:", "https:"), protocol="modern", timeout_seconds=5.0)
        with pytest.raises(UpstreamFailure) as caught:
            await forwarded(entry, tmp_path)
    assert caught.value.code == "upstream.unavailable"


async def test_a_loopback_upstream_without_a_network_range_is_not_contacted(tmp_path: Path) -> None:
    async with scripted_upstream(answering(result_for)) as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await forwarded(upstream.entry(network=()), tmp_path)
    assert caught.value.code == "upstream.unavailable"
    assert upstream.asked == []


@pytest.mark.parametrize("script", [scripts.hang, scripts.drip])
async def test_a_cancelled_call_is_hung_up_on_long_before_its_deadline(tmp_path: Path, script: Script) -> None:
    async with scripted_upstream(script) as upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(forwarded, upstream.entry(timeout_seconds=600.0), tmp_path)
        with anyio.fail_after(10):
            await upstream.arrived.wait()
        tasks.cancel_scope.cancel()
        with anyio.fail_after(10, shield=True):
            await upstream.closed.wait()


@pytest.mark.parametrize("script", [scripts.hang, scripts.drip])
async def test_an_upstream_that_hangs_or_drips_times_out_and_is_hung_up_on(tmp_path: Path, script: Script) -> None:
    async with scripted_upstream(script) as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await forwarded(upstream.entry(timeout_seconds=0.4), tmp_path)
        with anyio.fail_after(10):
            await upstream.closed.wait()
    assert caught.value.code == "upstream.timeout"


@pytest.mark.parametrize("script", [scripts.reset, scripts.reset_midway, scripts.cut_stream])
async def test_a_connection_that_breaks_after_sending_leaves_the_outcome_unknown(
    tmp_path: Path, script: Script
) -> None:
    async with scripted_upstream(script) as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await forwarded(upstream.entry(), tmp_path)
    assert caught.value.code == "upstream.outcome_unknown"
    assert len(upstream.asked) == 1  # never sent twice


@pytest.mark.parametrize(
    "script",
    [
        answering(lambda _: b"{not json"),
        answering(lambda _: b"\xff\xfe"),
        answering(lambda _: b""),
        answering(lambda _: b"[" * 200_000),
        answering(lambda _: []),
        answering(lambda asked: [result_for(asked)]),
        answering(lambda asked: result_for(asked, id="another")),
        answering(lambda asked: result_for(asked, id=None)),
        answering(lambda asked: result_for(asked, jsonrpc="1.0")),
        answering(lambda asked: result_for(asked, error={"code": 1, "message": "both"})),
        answering(lambda asked: result_for(asked, result={"resultType": "input_required"})),
        events(lambda asked: [result_for(asked), result_for(asked)]),
        events(lambda asked: [result_for(asked, id="another")]),
        events(lambda asked: [{"jsonrpc": "2.0", "id": 1, "method": "roots/list"}, result_for(asked)]),
        answering(result_for, extra="content-encoding: gzip\r\n"),
        html(200),
        html(204),
        html(301),
        html(418),
        scripts.not_http,
        scripts.endless,
    ],
)
async def test_an_answer_that_is_not_mcp_is_a_protocol_error(tmp_path: Path, script: Script) -> None:
    assert await code_of(script, tmp_path) == "upstream.protocol_error"


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_refusal_over_http_is_unavailable(tmp_path: Path, status: int) -> None:
    assert await code_of(html(status), tmp_path, risk=Risk.DESTRUCTIVE) == "upstream.unavailable"


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_server_error_leaves_the_outcome_of_a_write_unknown(tmp_path: Path, status: int) -> None:
    assert await code_of(html(status), tmp_path, risk=Risk.READ) == "upstream.unavailable"
    assert await code_of(html(status), tmp_path, risk=Risk.WRITE) == "upstream.outcome_unknown"


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with scripted_upstream(answering(result_for)) as other:
        move = answering(lambda _: b"", status=307, extra=f"location: {other.url}\r\n")
        assert await code_of(move, tmp_path) == "upstream.protocol_error"
    assert other.asked == []


async def test_a_body_of_two_gigabytes_costs_no_more_than_the_limit(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        assert await code_of(scripts.endless, tmp_path) == "upstream.protocol_error"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


async def test_a_body_that_declares_too_much_is_not_read(tmp_path: Path) -> None:
    async def script(_asked: Asked, stream: Any) -> None:
        await stream.send(scripts.http_head(200, length=5_000_000_000))
        await stream.receive()

    assert await code_of(script, tmp_path) == "upstream.protocol_error"


async def test_a_json_rpc_error_in_an_http_refusal_is_an_answer(tmp_path: Path) -> None:
    def refused(asked: Asked) -> object:
        return {"jsonrpc": "2.0", "id": asked.id, "error": {"code": -32602, "message": "no such thing"}}

    async with scripted_upstream(answering(refused, status=400)) as upstream:
        answer = await forwarded(upstream.entry(), tmp_path)
    assert answer.error == {"code": -32602, "message": "no such thing"}


async def test_only_progress_of_this_call_and_asked_for_logs_are_relayed(tmp_path: Path) -> None:
    heard = Heard()

    def stream(asked: Asked) -> list[object]:
        ours = asked.body["params"]["_meta"]["progressToken"]
        return [
            note("notifications/progress", progressToken="someone else's", progress=1),
            note("notifications/progress", progressToken=ours, progress=2, vendor=[1]),
            note("notifications/message", level="info", data="x"),
            note("notifications/tools/list_changed"),
            {"jsonrpc": "2.0", "method": "notifications/progress"},
            result_for(asked),
        ]

    async with scripted_upstream(events(stream)) as upstream:
        answer = await forwarded(upstream.entry(), tmp_path, heard=heard)
    assert answer.result is not None and answer.result["vendor/x"] == {"kept": None}
    assert [(m["method"], m["params"].get("progressToken")) for m in heard.messages] == [
        ("notifications/progress", 1),
        ("notifications/message", None),
    ]
    assert heard.messages[0]["params"]["vendor"] == [1]


async def test_what_the_upstream_gets_is_ours_and_never_the_clients(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer upstream-secret\n")
    async with scripted_upstream(answering(result_for)) as upstream:
        entry = upstream.entry(credential_header="Authorization", credential_file="token", headers=(("x-static", "1"),))
        await forwarded(entry, tmp_path)
    sent = upstream.asked[0]
    assert sent.headers["authorization"] == "Bearer upstream-secret"
    assert sent.headers["x-static"] == "1"
    assert (
        sent.headers["mcp-protocol-version"] == sent.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]
    )
    assert (sent.headers["mcp-method"], sent.headers["mcp-name"]) == ("tools/call", "echo")
    assert "mira" not in json.dumps(sent.body) + json.dumps(sent.headers)
    assert "cookie" not in sent.headers


async def test_a_missing_secret_file_stops_the_call_before_it_leaves(tmp_path: Path) -> None:
    async with scripted_upstream(answering(result_for)) as upstream:
        entry = upstream.entry(credential_header="Authorization", credential_file="absent")
        with pytest.raises(UpstreamFailure, match="absent"):
            await forwarded(entry, tmp_path)
    assert upstream.asked == []


async def test_connections_are_kept_between_calls(tmp_path: Path) -> None:
    peers: set[object] = set()

    async def script(asked: Asked, stream: Any) -> None:
        peers.add(stream)
        reply = answering(result_for) if len(upstream.asked) % 2 else events(lambda a: [result_for(a)])
        await reply(asked, stream)

    async with scripted_upstream(script) as upstream, Upstreams(tmp_path) as upstreams:
        entry = upstream.entry()
        upstreams.configure([entry])
        for _ in range(6):
            await upstreams.forward(permit_for(entry, "echo"), Heard())
    assert len(peers) == 1
