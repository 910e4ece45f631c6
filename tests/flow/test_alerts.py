"""Every alert we ship is fired by a gateway that really is in that trouble, and none by an ordinary day.

The gateway's own /metrics is scraped before and after; Prometheus' evaluator decides, over made-up hours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import pytest

from mcp_gateway.telemetry.metrics_names import METRICS, PREFIX
from tests.support.gateway import PASSWORD, Installation, http_entry, install
from tests.support.openfga_double import STORE, OpenFgaDouble, Request, Said, agreeable, openfga_double
from tests.support.processes import Running, free_port
from tests.support.prometheus import Scrape, Timeline, alerts, promtool, scrape
from tests.support.sign_in import Person, filled, forms_of
from tests.support.upstreams import running_upstream, until
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
QUIET_MINUTES = 60
FIRED: set[str] = set()
"""What some test of this run has seen fire."""
SHOWN: set[str] = set()
"""The names that were on some real page."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway before one server, `echo`, whose tool `error` counts as destructive."""

    gateway: Installation
    running: Running
    metrics: str
    http: httpx2.AsyncClient
    folder: Path

    def scraped(self) -> Scrape:
        found = scrape(self.metrics)
        SHOWN.update(found.names)
        return found

    async def scraped_when(self, name: str, at_least: float, **labels: str) -> Scrape:
        """Once the value is there: some of it is counted a moment after the answer."""
        await until(lambda: self.scraped().value(name, **labels) >= at_least)
        return self.scraped()

    async def client(self) -> ModernClient:
        token = await anyio.to_thread.run_sync(partial(self.gateway.token, user="mira", agent=AGENT, server="echo"))
        return ModernClient(self.http, self.gateway.endpoint("echo"), token)

    def fires(self, before: Scrape, after: Scrape, *names: str, minutes: int = 4) -> bool:
        """After a quiet hour that ended with `before`, when things stay for some minutes as they are `after`."""
        FIRED.update(names)
        timeline = Timeline().then(before, minutes=QUIET_MINUTES).then(after, minutes=minutes)
        return timeline.firing(self.folder) >= set(names)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    promtool()
    folder = tmp_path_factory.mktemp("alerts")
    port = free_port()

    def prepared(url: str) -> Installation:
        entry = http_entry("echo", url, tools={"error": {"risk": "destructive"}})
        gateway = install(
            folder / "gateway",
            registry={"echo": entry},
            metrics={"listen": f"127.0.0.1:{port}"},
            discovery_seconds=1,
            limits={"concurrency": 4},
            audit={
                "checkpoints": {"seconds": 1, "directory": str(folder / "second")},
                "sinks": [{"type": "file", "directory": str(folder / "copy")}],
            },
        )
        gateway.add_user("mira", calls="echo")
        gateway.let_agent_act(AGENT, "mira", server="echo")
        return gateway

    for name in ("upstream", "second", "copy"):
        (folder / name).mkdir()
    async with running_upstream(folder / "upstream") as upstream, httpx2.AsyncClient(timeout=20) as http:
        gateway = await anyio.to_thread.run_sync(prepared, upstream.url)
        with gateway.serving() as running:
            await anyio.to_thread.run_sync(lambda: gateway.wait_for_tools("echo", count=5))
            yield Stage(gateway, running, f"http://127.0.0.1:{port}/metrics", http, folder)


async def settled(stage: Stage, since: float) -> Scrape:
    """When what was recorded has a checkpoint and a copy: a moment later in life, an hour later in the evaluator."""

    def is_settled() -> bool:
        found = stage.scraped()
        covered = found.value("mcp_gateway_audit_checkpoint_timestamp_seconds") >= since
        return covered and found.value("mcp_gateway_audit_sink_waiting") == 0

    await until(is_settled)
    return stage.scraped()


async def ordinary(client: ModernClient, calls: int) -> None:
    for _ in range(calls):
        assert "result" in (await client.call("echo", {"text": "x"})).body
        assert await client.names()


async def test_quiet_traffic_fires_no_alert(stage: Stage) -> None:
    client = await stage.client()
    begun = time.time()
    await ordinary(client, 3)
    await stage.scraped_when("mcp_gateway_first_use_timestamp_seconds", 1, tool="echo")
    day = Timeline().then(await settled(stage, begun), minutes=QUIET_MINUTES)
    for _ in range(3):
        begun = time.time()
        await ordinary(client, 5)
        day.then(await settled(stage, begun), minutes=10)
    # A person mistypes, and a tool is asked for that is not there.
    begun = time.time()
    await client.call("no_such_tool")
    await _sign_in(stage, "mira", "wrong")
    day.then(await settled(stage, begun), minutes=10)
    assert day.firing(stage.folder) == set()
    counted = stage.scraped()
    assert counted.value("mcp_gateway_calls_total", tool="echo") > 0
    assert counted.value("mcp_gateway_audit_unread_total") == 0, "records changed and the counting did not"


async def test_many_denials_fire_the_deny_alerts(stage: Stage) -> None:
    client, before = await stage.client(), stage.scraped()
    for number in range(30):
        assert (await client.call(f"no_such_tool_{number}")).reason == "tool.unavailable"
    after = stage.scraped()
    denied = "mcp_gateway_decisions_total"
    assert after.value(denied, effect="deny") - before.value(denied, effect="deny") == 30
    assert stage.fires(before, after, "McpGatewayDenySpike", "McpGatewayMostlyDenied")


async def test_denials_that_are_usual_fire_no_alert(stage: Stage) -> None:
    before, client = stage.scraped(), await stage.client()
    day, reached = Timeline().then(before, minutes=10), before
    for _ in range(6):
        for _ in range(8):
            await client.call("no_such_tool")
        reached = stage.scraped()
        day.then(reached, minutes=10)
    assert "McpGatewayDenySpike" not in day.firing(stage.folder)


async def test_many_registrations_fire_the_registration_alert(stage: Stage) -> None:
    before = stage.scraped()
    for number in range(8):
        wanted = {"client_name": f"client {number}", "redirect_uris": ["http://127.0.0.1:9/callback"]}
        assert (await stage.http.post(f"{stage.gateway.origin}/oauth/register", json=wanted)).status_code == 201
    count = "mcp_gateway_client_registrations_total"
    after = await stage.scraped_when(count, before.value(count, kind="self") + 8, kind="self")
    assert stage.fires(before, after, "McpGatewayClientRegistrationSpike")


async def test_many_wrong_passwords_fire_the_sign_in_alert(stage: Stage) -> None:
    before = stage.scraped()
    for number in range(12):
        await _sign_in(stage, f"user{number}", "wrong")
    after = stage.scraped()
    count = "mcp_gateway_sign_ins_total"
    assert after.value(count, result="failed") - before.value(count, result="failed") == 12
    assert stage.fires(before, after, "McpGatewayFailedSignInBurst")


async def test_many_bad_tokens_fire_the_token_alert_though_the_audit_does_not_tell_each(stage: Stage) -> None:
    before = stage.scraped()
    stranger = ModernClient(stage.http, stage.gateway.endpoint("echo"), "no.such.token")
    for _ in range(90):
        assert (await stranger.call("echo")).status == 401
    count = "mcp_gateway_refused_total"
    after = await stage.scraped_when(count, before.value(count) + 90)
    assert after.value(count, reason="uncounted_reason") > 0
    assert stage.fires(before, after, "McpGatewayTokenRefusalBurst")


async def test_a_new_grant_fires_whoever_gives_it(stage: Stage) -> None:
    before = stage.scraped()
    grant = ("grant", "add", "--agent", "another", "--on", "server:echo", "--access", "read", "--reason", "trial")
    await anyio.to_thread.run_sync(partial(stage.gateway.cli, *grant))
    count = "mcp_gateway_grants_total"
    after = await stage.scraped_when(count, before.value(count, change="written") + 1, change="written")
    assert stage.fires(before, after, "McpGatewayNewGrants")


async def test_the_first_use_of_a_destructive_tool_fires_two_alerts_and_its_second_use_one(stage: Stage) -> None:
    client, before = await stage.client(), stage.scraped()
    await client.call("error")
    first = await stage.scraped_when("mcp_gateway_first_use_timestamp_seconds", 1, tool="error", risk="destructive")
    assert stage.fires(before, first, "McpGatewayFirstUse", "McpGatewayHighRiskToolUse")
    await client.call("error")
    again = Timeline().then(first, minutes=QUIET_MINUTES).then(stage.scraped(), minutes=4).firing(stage.folder)
    assert "McpGatewayHighRiskToolUse" in again
    assert "McpGatewayFirstUse" not in again


async def test_a_first_use_stays_known_over_a_restart_and_in_another_process(stage: Stage) -> None:
    client = await stage.client()
    await ordinary(client, 1)
    known = await stage.scraped_when("mcp_gateway_first_use_timestamp_seconds", 1, tool="echo")
    port, door = free_port(), free_port()
    changed = {"listen": f"127.0.0.1:{port}", "metrics": {"listen": f"127.0.0.1:{door}"}}
    other = _beside(stage.gateway, port, changed)
    with other.serving():
        token = await anyio.to_thread.run_sync(partial(other.token, user="mira", agent=AGENT, server="echo"))
        await ordinary(ModernClient(stage.http, other.endpoint("echo"), token), 1)
        url = f"http://127.0.0.1:{door}/metrics"
        await until(lambda: scrape(url).value("mcp_gateway_first_use_timestamp_seconds", tool="echo") > 0)
        when = scrape(url).value("mcp_gateway_first_use_timestamp_seconds", tool="echo")
        assert when == known.value("mcp_gateway_first_use_timestamp_seconds", tool="echo")
        assert scrape(url).value("mcp_gateway_calls_by_risk_total", process=f"127.0.0.1:{port}", risk="read") == 1


async def test_far_more_calls_than_ever_fire_the_volume_alert(stage: Stage) -> None:
    client, before = await stage.client(), stage.scraped()
    for _ in range(60):
        await client.call("echo", {"text": "x"})
    assert stage.fires(before, stage.scraped(), "McpGatewayUnusualToolVolume")


async def test_a_copy_of_the_audit_that_is_behind_fires_the_sink_alert(stage: Stage) -> None:
    client = await stage.client()
    await until(lambda: stage.scraped().value("mcp_gateway_audit_sink_waiting", sink="file") == 0)
    before = stage.scraped()
    copy = stage.folder / "copy"
    copy.rename(stage.folder / "unmounted")
    await ordinary(client, 1)
    after = await stage.scraped_when("mcp_gateway_audit_sink_failures", 1, sink="file")
    assert stage.fires(before, after, "McpGatewaySinkLag", minutes=8)
    (stage.folder / "unmounted").rename(copy)


async def test_checkpoints_that_are_not_made_or_not_brought_fire_their_alerts(stage: Stage) -> None:
    client, before = await stage.client(), stage.scraped()
    (stage.folder / "second").rename(stage.folder / "elsewhere")
    await ordinary(client, 1)
    alone = await stage.scraped_when("mcp_gateway_audit_second_place_failing", 1)
    assert stage.fires(before, alone, "McpGatewaySecondPlaceFailing")
    (stage.folder / "elsewhere").rename(stage.folder / "second")
    checkpoints = stage.gateway.folder / "data" / "audit" / "checkpoints"
    checkpoints.rename(checkpoints.with_name("gone"))
    checkpoints.touch()
    begun = stage.scraped()
    await ordinary(client, 1)
    FIRED.add("McpGatewayCheckpointStale")
    day = Timeline().then(before, minutes=QUIET_MINUTES).then(begun, minutes=20).then(stage.scraped(), minutes=5)
    assert "McpGatewayCheckpointStale" in day.firing(stage.folder)
    checkpoints.unlink()
    checkpoints.with_name("gone").rename(checkpoints)


async def test_more_requests_than_the_process_may_have_fire_the_shedding_alert(stage: Stage) -> None:
    client, before = await stage.client(), stage.scraped()

    async def one() -> None:
        await client.call("echo", {"text": "x"})

    async def storm() -> bool:
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(one)
        shed = "mcp_gateway_requests_shed_total"
        return stage.scraped().value(shed) - before.value(shed) > 25

    with anyio.fail_after(30):
        while not await storm():
            await anyio.lowlevel.checkpoint()
    assert stage.fires(before, stage.scraped(), "McpGatewayShedding")


async def test_an_audit_that_is_deleted_fires_the_audit_alert(stage: Stage) -> None:
    client, before = await stage.client(), stage.scraped()
    for segment in (stage.gateway.folder / "data" / "audit").glob("*.jsonl"):
        segment.unlink()
    assert (await client.call("error")).reason == "audit.unavailable"
    after = stage.scraped()
    assert after.value("mcp_gateway_audit_failures_total", step="sync") > 0
    assert stage.fires(before, after, "McpGatewayAuditNotOnDisk")
    assert "result" in (await client.call("echo", {"text": "x"})).body, "a new file was begun"
    damaged = await stage.scraped_when("mcp_gateway_audit_damaged_writers", 1)
    assert stage.fires(before, damaged, "McpGatewayAuditDamaged")


async def test_a_process_that_stands_still_fires_the_lag_alert(stage: Stage) -> None:
    before = stage.scraped()
    for _ in range(4):
        os.kill(stage.running.pid, signal.SIGSTOP)
        begun = time.monotonic()
        await until(lambda begun=begun: time.monotonic() - begun > 0.7)
        os.kill(stage.running.pid, signal.SIGCONT)
        seen = stage.scraped().value("mcp_gateway_loop_lag_seconds_count")
        await stage.scraped_when("mcp_gateway_loop_lag_seconds_count", seen + 1)
    assert stage.fires(before, stage.scraped(), "McpGatewayLoopLag")


async def test_a_backend_that_is_slow_or_silent_and_a_server_that_is_gone_fire_their_alerts(
    stage: Stage, tmp_path: Path
) -> None:
    with openfga_double() as double:
        settings = _remote(double, "openfga")
        url = (stage.gateway.folder / "registry" / "echo.yaml").read_text()
        gone = http_entry("gone", f"http://127.0.0.1:{free_port()}/mcp")
        with _ill(tmp_path, {"echo": url, "gone": gone}, settings, stage.http) as ill:
            await anyio.to_thread.run_sync(lambda: ill.gateway.wait_for_tools("echo", count=5))
            client = await ill.client()
            before = await ill.scraped_when("mcp_gateway_upstream_circuit_open", 0)
            double.answer = _slowly(double, 0.15)
            await client.names()
            await client.call("echo", {"text": "x"})
            slow = ill.scraped()
            assert slow.value("mcp_gateway_relationship_seconds_count") > before.value(
                "mcp_gateway_relationship_seconds_count"
            )
            assert ill.fires(before, slow, "McpGatewayPolicyEngineSlow", "McpGatewayUpstreamDown")
            assert not ill.fires(before, slow, "McpGatewayPolicyEngineFailing")
            double.answer = lambda _request: Said(hang_up=True)
            assert (await client.call("structured")).reason == "authorization.unavailable"
            assert ill.fires(slow, ill.scraped(), "McpGatewayPolicyEngineFailing")


async def test_a_copy_that_hears_nothing_and_a_gateway_that_is_gone_fire_their_alerts(
    stage: Stage, tmp_path: Path
) -> None:
    with openfga_double() as double:
        double.answer = lambda request: (
            Said(hang_up=True) if request.asks in {"read", "changes"} else agreeable(request)
        )
        with _ill(tmp_path, {}, _remote(double, "replica"), stage.http) as ill:
            stale = ill.scraped()
            assert ill.fires(stage.scraped(), stale, "McpGatewayRelationshipsStale")
    down = ill.scraped()
    assert down.value("up") == 0
    assert ill.fires(stale, down, "McpGatewayDown")


async def test_every_metric_that_is_described_was_on_a_real_page(stage: Stage) -> None:
    described = {PREFIX + name + ("_count" if metric.type == "histogram" else "") for name, metric in METRICS.items()}
    assert described <= SHOWN, described - SHOWN
    assert "process_resident_memory_bytes" in SHOWN


async def test_every_alert_was_fired(stage: Stage) -> None:
    assert set(alerts()) == FIRED, "each alert of the rules is fired by a test before this one"


def _beside(gateway: Installation, port: int, changed: dict[str, Any]) -> Installation:
    """Another process over the same data, with other addresses."""
    folder = gateway.folder / f"beside-{port}"
    folder.mkdir()
    made = Installation(folder, port, gateway.settings)
    made.config.write_text(json.dumps({**json.loads(gateway.config.read_text()), **changed}), encoding="utf-8")
    return made


@contextlib.contextmanager
def _ill(
    folder: Path, registry: dict[str, str], settings: dict[str, object], http: httpx2.AsyncClient
) -> Generator[Stage]:
    """A gateway whose relationships are another server's."""
    port = free_port()
    gateway = install(
        folder / "ill",
        registry=registry,
        metrics={"listen": f"127.0.0.1:{port}"},
        relationships=settings,
        discovery_seconds=1,
    )
    gateway.cli("user", "add", "mira", "--password-stdin", stdin=PASSWORD)
    with gateway.serving() as running:
        yield Stage(gateway, running, f"http://127.0.0.1:{port}/metrics", http, folder)


def _remote(double: OpenFgaDouble, backend: str) -> dict[str, object]:
    return {
        "backend": backend,
        "url": double.url,
        "version": "1.18.0",
        "store_id": STORE,
        "network": ["127.0.0.0/8"],
        **({"max_staleness": 1} if backend == "replica" else {}),
    }


def _slowly(double: OpenFgaDouble, seconds: float) -> Callable[[Request], Said]:
    def answer(request: Request) -> Said:
        double.released.wait(seconds)
        return agreeable(request)

    return answer


async def _sign_in(stage: Stage, user: str, password: str) -> None:
    page = await stage.http.get(f"{stage.gateway.origin}/login")
    sent = filled(forms_of(page.text)[0], Person(user, password))
    answer = await stage.http.post(f"{stage.gateway.origin}/login", data=dict(sent))
    assert answer.status_code in {303, 401}, answer.text
