"""Sessions, eras, circuits and processes behind the façade, against real servers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.model.call import Answer, Era
from mcp_gateway.model.tool import StdioTransport
from mcp_gateway.upstream import Limits, Upstreams
from tests.support import upstreams as scripts
from tests.support.upstreams import (
    Asked,
    Heard,
    answering,
    http_entry,
    permit_for,
    result_for,
    running_upstream,
    scripted_upstream,
    stdio_entry,
    stdio_upstream,
    until,
)

pytestmark = pytest.mark.anyio


def text_of(answer: Answer) -> str:
    assert answer.result is not None
    return answer.result["content"][0]["text"]


def sessions_used(requests: list[dict[str, str]]) -> set[str]:
    return {headers["mcp-session-id"] for headers in requests if "mcp-session-id" in headers}


# --- eras


async def test_the_era_is_probed_once_and_remembered(tmp_path: Path) -> None:
    async with running_upstream(tmp_path, era="modern") as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        for _ in range(3):
            await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
    assert upstream.record.count("http server/discover") == 1
    assert upstream.record.count("http tools/call") == 3
    assert upstream.record.count("tools/list") == 0


@pytest.mark.parametrize(("first", "then"), [("modern", "legacy"), ("legacy", "modern")])
async def test_an_upstream_that_changed_its_era_is_asked_again_and_the_call_runs_once(
    tmp_path: Path, first: scripts.Era, then: scripts.Era
) -> None:
    async with running_upstream(tmp_path, era=first) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        before = await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
        upstream.era = then
        after = await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
    assert (before.era, after.era) == (Era(first), Era(then))
    assert upstream.record.count("echo") == 2


async def test_a_refusal_that_only_looks_like_the_other_era_is_not_sent_again(tmp_path: Path) -> None:
    """The server is modern and stays so; its 400 may have come after the tool ran."""

    async def script(asked: Asked, stream: scripts.SocketStream) -> None:
        if asked.body["method"] == "server/discover":
            discovered = {"supportedVersions": ["2026-07-28"], "resultType": "complete"}
            await answering(lambda asked: result_for(asked, result=discovered))(asked, stream)
            return
        refusal = {"jsonrpc": "2.0", "id": asked.id, "error": {"code": -32600, "message": "no"}}
        await scripts.respond(stream, json.dumps(refusal).encode(), status=400)

    async with scripted_upstream(script) as upstream, Upstreams(tmp_path) as upstreams:
        entry = upstream.entry(protocol="auto")
        upstreams.configure([entry])
        with pytest.raises(UpstreamProtocolError):
            await upstreams.forward(permit_for(entry, "echo"), Heard())
    assert [asked.body["method"] for asked in upstream.asked].count("tools/call") == 1


async def test_a_pinned_era_is_never_probed(tmp_path: Path) -> None:
    async with running_upstream(tmp_path, protocol="legacy") as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        assert (await upstreams.probe(upstream.entry)).era is Era.LEGACY
    assert upstream.record.count("http server/discover") == 0


async def test_an_upstream_that_refuses_to_talk_is_no_legacy_upstream(tmp_path: Path) -> None:
    async with scripted_upstream(answering(lambda _: b"no", status=401)) as upstream, Upstreams(tmp_path) as upstreams:
        with pytest.raises(UpstreamUnavailable):
            await upstreams.probe(upstream.entry(protocol="auto"))
    assert [asked.body["method"] for asked in upstream.asked] == ["server/discover"]


# --- legacy sessions


async def test_principals_do_not_share_a_legacy_session(tmp_path: Path) -> None:
    async with running_upstream(tmp_path, era="legacy") as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        for user, agent in (("mira", "docs"), ("mira", "docs"), ("mira", "mail"), ("otto", "docs")):
            await upstreams.forward(permit_for(upstream.entry, "echo", user=user, agent=agent), Heard())
    assert upstream.record.count("http initialize") == 3
    assert len(sessions_used(upstream.requests)) == 3
    assert upstream.record.count("http DELETE") == 3  # ended with the gateway


async def test_a_shared_entry_uses_one_legacy_session(tmp_path: Path) -> None:
    shared = running_upstream(tmp_path, era="legacy", sessions="shared")
    async with shared as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        for user in ("mira", "otto"):
            await upstreams.forward(permit_for(upstream.entry, "echo", user=user), Heard())
    assert upstream.record.count("http initialize") == 1


async def test_a_lost_session_is_opened_again_and_the_call_runs_once(tmp_path: Path) -> None:
    async with running_upstream(tmp_path, era="legacy") as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
        upstream.forget_sessions = True
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
    assert upstream.record.count("http initialize") == 2
    assert upstream.record.count("echo") == 2


async def test_a_session_is_not_kept_past_its_credential(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    credential: dict[str, Any] = {"credential_header": "X-Key", "credential_file": "token"}
    async with running_upstream(tmp_path, era="legacy", **credential) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
        (tmp_path / "token").write_text("another")
        await upstreams.forward(permit_for(upstream.entry, "echo"), Heard())
    assert upstream.record.count("http initialize") == 2
    assert {headers["x-key"] for headers in upstream.requests[-3:]} >= {"another"}


async def test_a_request_of_a_legacy_upstream_is_refused_and_the_call_goes_on(tmp_path: Path) -> None:
    async with running_upstream(tmp_path, era="legacy") as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        answer = await upstreams.forward(permit_for(upstream.entry, "ask"), Heard())
    assert text_of(answer) == "refused -32601"


# --- circuits and isolation


async def test_after_repeated_failures_an_upstream_is_not_tried_until_it_may_have_recovered(tmp_path: Path) -> None:
    limits = Limits(breaker_failures=3, breaker_cooldown_seconds=0.2)
    failing = True

    async def script(asked: Asked, stream: scripts.SocketStream) -> None:
        if failing:
            await scripts.reset(asked, stream)
        await answering(result_for)(asked, stream)

    async with scripted_upstream(script) as upstream, Upstreams(tmp_path, limits=limits) as upstreams:
        entry = upstream.entry()
        permit = permit_for(entry, "echo")
        upstreams.configure([entry])
        codes: list[str] = []
        for _ in range(5):
            with pytest.raises(UpstreamFailure) as caught:
                await upstreams.forward(permit, Heard())
            codes.append(caught.value.code)
        assert codes == ["upstream.outcome_unknown"] * 3 + ["upstream.unavailable"] * 2
        assert len(upstream.asked) == 3
        failing = False
        answer = None
        with anyio.fail_after(10):
            while answer is None:
                try:
                    answer = await upstreams.forward(permit, Heard())
                except UpstreamUnavailable:
                    await anyio.sleep(0.02)
    assert text_of(answer) == "hi"


async def test_a_hanging_upstream_leaves_another_alone(tmp_path: Path) -> None:
    async with (
        scripted_upstream(scripts.hang) as hanging,
        scripted_upstream(answering(result_for)) as healthy,
        Upstreams(tmp_path) as upstreams,
    ):
        stuck, well = hanging.entry(name="stuck", timeout_seconds=60.0), healthy.entry(name="well")
        upstreams.configure([stuck, well])
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(upstreams.forward, permit_for(stuck, "echo"), Heard())
            await hanging.arrived.wait()
            for _ in range(20):
                assert text_of(await upstreams.forward(permit_for(well, "echo"), Heard())) == "hi"
            tasks.cancel_scope.cancel()


async def test_one_entry_that_cannot_be_used_does_not_stop_the_others(tmp_path: Path) -> None:
    async with scripted_upstream(answering(result_for)) as upstream, Upstreams(tmp_path) as upstreams:
        entry = upstream.entry()
        upstreams.configure([http_entry("bad", "ftp://example.com/"), entry])
        assert text_of(await upstreams.forward(permit_for(entry, "echo"), Heard())) == "hi"
        with pytest.raises(UpstreamUnavailable):
            await upstreams.forward(permit_for(http_entry("bad", "ftp://x/"), "echo"), Heard())


# --- addresses


async def test_a_host_whose_address_changes_is_followed_and_never_to_a_refused_one(tmp_path: Path) -> None:
    answers: list[Sequence[str]] = [["127.0.0.1"]]
    resolved = 0

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        nonlocal resolved
        resolved += 1
        return answers[-1]

    async def refusal() -> str | None:
        try:
            await upstreams.forward(permit_for(entry, "echo"), Heard())
        except UpstreamUnavailable as exc:
            return str(exc)
        return None

    limits = Limits(sweep_seconds=0.01, breaker_failures=1_000)
    moving = Upstreams(tmp_path, resolve=resolve, limits=limits)
    async with scripted_upstream(answering(result_for)) as upstream, moving as upstreams:
        entry = upstream.entry(url=upstream.url.replace("127.0.0.1", "moving.example"))
        upstreams.configure([entry])
        assert await refusal() is None
        answers.append(["169.254.169.254"])
        seen = resolved
        await until(lambda: resolved > seen)
        refused = await refusal()
        assert refused is not None and "metadata" in refused
        answers.append(["127.0.0.1"])
        assert await refusal() is None


async def test_a_host_that_cannot_be_resolved_is_unavailable(tmp_path: Path) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such host")

    async with Upstreams(tmp_path, resolve=resolve) as upstreams:
        with pytest.raises(UpstreamUnavailable):
            await upstreams.probe(http_entry("gone", "http://gone.example/mcp"))


# --- child processes


async def test_a_child_learns_nothing_of_our_environment_but_four_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SECRET", "s3cr3t")
    monkeypatch.setenv("USER", "root")
    async with stdio_upstream(tmp_path, env=(("ADDED", "1"),)) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        answer = await upstreams.forward(permit_for(upstream.entry, "environment"), Heard())
    # Python adds LC_CTYPE to its own environment in the C locale.
    assert set(json.loads(text_of(answer))["names"]) - {"LC_CTYPE"} <= {"PATH", "HOME", "LANG", "TZ", "ADDED"}


async def test_principals_do_not_share_a_child_and_none_outlives_the_gateway(tmp_path: Path) -> None:
    pids: list[int] = []
    async with stdio_upstream(tmp_path) as upstream, Upstreams(tmp_path) as upstreams:
        upstreams.configure([upstream.entry])
        for user in ("mira", "otto", "mira"):
            answer = await upstreams.forward(permit_for(upstream.entry, "environment", user=user), Heard())
            pids.append(json.loads(text_of(answer))["pid"])
    assert pids[0] == pids[2] != pids[1]
    assert upstream.record.count("started") == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_command_that_cannot_be_run_is_unavailable(tmp_path: Path) -> None:
    entry = stdio_entry("absent", ("/nonexistent/server",))
    async with Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry])
        with pytest.raises(UpstreamUnavailable) as caught:
            await upstreams.forward(permit_for(entry, "echo"), Heard())
    assert "/nonexistent" not in str(caught.value)


CHATTER = """
import json, sys
print("starting up, not JSON", flush=True)
print("x" * 200_000, file=sys.stderr, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": "someone else's", "result": {}}), flush=True)
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "content": [{"type": "text", "text": "hi"}]}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""
DEAF = "import time\nwhile True: time.sleep(60)"
ENDLESS_LINE = "import sys\nsys.stdin.readline()\nwhile True: sys.stdout.write('x' * 65536)"


def python_entry(code: str, *, timeout_seconds: float = 10.0) -> scripts.Upstream:
    entry = stdio_entry("child", ("python", "-c", code), timeout_seconds=timeout_seconds)
    assert isinstance(entry.transport, StdioTransport)
    return entry


async def test_noise_on_a_childs_output_does_not_disturb_its_answers(tmp_path: Path) -> None:
    entry = python_entry(CHATTER)
    async with Upstreams(tmp_path) as upstreams:
        upstreams.configure([entry])
        assert text_of(await upstreams.forward(permit_for(entry, "echo"), Heard())) == "hi"


async def test_a_child_that_never_answers_times_out_and_is_ended(tmp_path: Path) -> None:
    entry = python_entry(DEAF, timeout_seconds=0.5)
    with anyio.fail_after(20):
        async with Upstreams(tmp_path) as upstreams:
            upstreams.configure([entry])
            with pytest.raises(UpstreamFailure) as caught:
                await upstreams.forward(permit_for(entry, "echo"), Heard())
    assert caught.value.code == "upstream.timeout"


async def test_a_child_that_writes_one_endless_line_is_ended(tmp_path: Path) -> None:
    entry = python_entry(ENDLESS_LINE)
    async with Upstreams(tmp_path, limits=Limits(response_bytes=1_000_000)) as upstreams:
        upstreams.configure([entry])
        with pytest.raises(UpstreamProtocolError):
            await upstreams.forward(permit_for(entry, "echo"), Heard())
