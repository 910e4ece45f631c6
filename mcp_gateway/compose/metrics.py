"""What is counted where, and what is read at a scrape: the observers and the gauges of one server process.

Without `metrics.listen` nothing is attached anywhere, so that nothing is paid for.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import anyio
import anyio.to_thread

from mcp_gateway.authorization.backends.replica import ReplicaRelationships, since_boot
from mcp_gateway.compose.metrics_audit import Kept
from mcp_gateway.compose.office import Office
from mcp_gateway.errors import OperatorError
from mcp_gateway.telemetry.metrics import Tally, place
from mcp_gateway.telemetry.metrics_door import MetricsDoor, listen
from mcp_gateway.telemetry.metrics_histogram import LAG_BOUNDS, QUESTION_BOUNDS, SYNC_BOUNDS, Histogram
from mcp_gateway.telemetry.metrics_page import Page, Reading, agent_name
from mcp_gateway.telemetry.metrics_uses import FirstUses
from mcp_gateway.transport.inflight import InFlight
from mcp_gateway.transport.sessions import Sessions
from mcp_gateway.transport.streams import Streams

_LAG_SECONDS = 0.25
_MAX_TOKEN_BYTES = 4_096
_MIN_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Watched:
    """What others do not keep themselves."""

    questions: dict[str, Histogram] = field(
        default_factory=lambda: {name: Histogram(QUESTION_BOUNDS) for name in ("check", "list")}
    )
    unanswered: dict[str, int] = field(default_factory=lambda: {"check": 0, "list": 0})
    syncs: Histogram = field(default_factory=lambda: Histogram(SYNC_BOUNDS))
    lag: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS))

    def asked(self, question: str, nanoseconds: int, answered: bool) -> None:
        self.questions[question].add(nanoseconds / 1000)
        if not answered:
            self.unanswered[question] += 1

    def synced(self, seconds: float) -> None:
        self.syncs.add(seconds * 1e6)


@dataclass(frozen=True, slots=True)
class _Sources:
    made: Office
    inflight: InFlight
    streams: Streams
    sessions: Sessions
    uses: FirstUses
    watched: _Watched


class Metrics:
    """Counts from now on; `run` serves what was counted, until cancelled."""

    def __init__(self, made: Office, inflight: InFlight, streams: Streams, sessions: Sessions) -> None:
        settings = made.settings.metrics
        self._token = _token(settings.token_file) if settings.token_file is not None else None
        self._socket = _opened(settings.host, settings.port)
        self._watched = _Watched()
        self._uses = FirstUses(made.data_dir.root / "metrics" / "first-uses.jsonl")
        self._kept = Kept(made.settings)
        self._sources = _Sources(made, inflight, streams, sessions, self._uses, self._watched)
        self._page = Page(tally := Tally(self._uses.noticed), process=made.settings.listen)
        made.journal.writer.observe_also(tally.observe)
        made.journal.writer.synced = self._watched.synced
        made.authorization.asked = self._watched.asked
        made.feed.add(tally)

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._uses.run)
            tasks.start_soon(self._keep_measuring_lag)
            await listen(MetricsDoor(self._text, token=self._token), self._socket)

    async def _text(self) -> bytes:
        # Values are read here, between two turns of the loop; making text of them takes milliseconds, elsewhere.
        readings = list(readings_of(self._sources))
        return await anyio.to_thread.run_sync(self._rendered, readings)

    def _rendered(self, readings: list[Reading]) -> bytes:
        return self._page.render([*readings, *self._kept.readings()])

    async def _keep_measuring_lag(self) -> None:
        while True:
            due = time.monotonic() + _LAG_SECONDS
            await anyio.sleep(_LAG_SECONDS)
            self._watched.lag.add(max(time.monotonic() - due, 0.0) * 1e6)


def metrics(made: Office, inflight: InFlight, streams: Streams, sessions: Sessions) -> Metrics | None:
    """None unless the settings ask for them; raises OperatorError when they cannot be had."""
    return Metrics(made, inflight, streams, sessions) if made.settings.metrics.listen is not None else None


def readings_of(sources: _Sources) -> Iterator[Reading]:
    """What others keep, as it is now."""
    made = sources.made
    yield Reading("requests_in_flight", sources.inflight.under_way)
    yield Reading("requests_shed_total", sources.inflight.shedding.refused)
    yield Reading("streams_open", len(sources.streams))
    yield Reading("sessions", sources.sessions.lately())
    yield from (
        Reading("first_use_timestamp_seconds", use.at, (agent_name(use.agent), *place(use.tool), use.risk))
        for use in sources.uses.recent()
    )
    yield from _of_relationships(made, sources.watched)
    yield from _of_upstreams(made)
    yield from _of_audit(made, sources.watched)
    yield Reading("loop_lag_seconds", sources.watched.lag)
    yield Reading("process_info", 1, (version("mcp-gateway"), made.journal.writer_id))


def _of_relationships(made: Office, watched: _Watched) -> Iterator[Reading]:
    for question, took in watched.questions.items():
        yield Reading("relationship_seconds", took, (question,))
        yield Reading("relationship_failures_total", watched.unanswered[question], (question,))
    inner = made.authorization.relationships
    as_of = inner.as_of if isinstance(inner, ReplicaRelationships) else since_boot()
    yield Reading("relationship_revision", made.feed.revision)
    yield Reading("relationship_staleness_seconds", float("inf") if as_of is None else max(since_boot() - as_of, 0.0))
    yield Reading("relationship_refusing", inner.refusal is not None)


def _of_upstreams(made: Office) -> Iterator[Reading]:
    for health in made.upstreams.health():
        name = (health.server,)
        if health.answered is not None:
            yield Reading("upstream_up", health.answered and not health.circuit_open, name)
        yield Reading("upstream_circuit_open", health.circuit_open, name)
        if health.connections is not None:
            yield Reading("upstream_connections", health.connections, name)
        if health.era is not None:
            yield Reading("upstream_info", 1, (health.server, str(health.era)))


def _of_audit(made: Office, watched: _Watched) -> Iterator[Reading]:
    writer = made.journal.writer
    for step, number in writer.failures.items():
        yield Reading("audit_failures_total", number, (step,))
    yield Reading("audit_sync_seconds", watched.syncs)
    oldest = writer.dirty_since
    yield Reading("audit_unsynced_seconds", 0.0 if oldest is None else time.monotonic() - oldest)


def _token(path: Path) -> str:
    """What scrapers bring; raises OperatorError unless it is a secret."""
    try:
        mode, text = path.stat().st_mode, path.read_bytes()[:_MAX_TOKEN_BYTES].decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as text", where=f"metrics.token_file: {path}") from exc
    if mode & 0o077:
        raise OperatorError("others can read it", where=f"metrics.token_file: {path}", remedy=f"chmod 600 {path}")
    if len(text) < _MIN_TOKEN_BYTES or not text.isprintable() or " " in text:
        raise OperatorError(
            f"must hold one word of at least {_MIN_TOKEN_BYTES} characters",
            where=f"metrics.token_file: {path}",
            remedy="Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return text


def _opened(host: str, port: int) -> socket.socket:
    """Bound at once, so that a taken address ends the start and not a task."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise OperatorError(
            f"cannot listen there: {exc.strerror}",
            where=f"metrics.listen: {host}:{port}",
            remedy="Choose another port; every process needs its own",
        ) from exc
