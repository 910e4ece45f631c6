"""Tracing put together: which classes the rooms are made of, how the door answers, and where spans go."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mcp_gateway import __version__
from mcp_gateway.audit import Journal
from mcp_gateway.authorization import Authorization
from mcp_gateway.compose.traced import OUTERMOST, TracedAuthorization, TracedGateway, TracedJournal
from mcp_gateway.errors import UpstreamUnavailable
from mcp_gateway.gateway import Gateway
from mcp_gateway.guards.onion import Guard
from mcp_gateway.model.trace import Incoming
from mcp_gateway.settings_traces import TraceSettings, is_loopback
from mcp_gateway.storage.secret_file import secret_of
from mcp_gateway.telemetry.tracing import Tracer
from mcp_gateway.telemetry.tracing_export import Exporter
from mcp_gateway.transport import door
from mcp_gateway.transport.traced import Answerer, answering
from mcp_gateway.upstream.addresses import networks, resolve, vet_all

if TYPE_CHECKING:
    from mcp_gateway.telemetry.tracing_collector import Find

_FLUSH_SECONDS = 3.0
_LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the rooms are made of: their own classes, or the same with a clock around them."""

    journal: type[Journal] = Journal
    authorization: type[Authorization] = Authorization
    gateway: type[Gateway] = Gateway
    guards: Sequence[Guard] = ()


def rooms(settings: TraceSettings) -> Rooms:
    if settings.export == "off":
        return Rooms()
    return Rooms(TracedJournal, TracedAuthorization, TracedGateway, OUTERMOST)


class Tracing:
    """How the door answers, and the task that sends spans away. Raises OperatorError for a secret it cannot read."""

    def __init__(self, settings: TraceSettings) -> None:
        self.incoming = Incoming(continued=settings.clients == "continue", baggage=settings.baggage)
        self.exporter: Exporter | None = None
        self.answer: Answerer = door.answer
        if settings.export == "off":
            return
        self.exporter = _exporter(settings)
        self.answer = answering(
            Tracer(
                self.exporter.submit,
                sample=settings.sample,
                incoming=self.incoming,
                identities=settings.identities,
            )
        )

    async def run(self) -> None:
        """Until cancelled; at once over while tracing is off."""
        if self.exporter is not None:
            await self.exporter.run()

    async def flush(self) -> None:
        """Before the end: send what waits, as far as the collector takes it soon."""
        if self.exporter is not None:
            await self.exporter.flush(_FLUSH_SECONDS)


def _exporter(settings: TraceSettings) -> Exporter:
    # Seven megabytes of an HTTP client, for those who want it.
    from mcp_gateway.telemetry.tracing_collector import Collector

    headers = list(settings.headers.items())
    if settings.secret_file is not None:
        headers.append((settings.secret_header, secret_of(settings.secret_file)))
    collector = Collector(settings.endpoint, headers=headers, find=_finding(settings))
    return Exporter(
        collector.post,
        resource={
            "service.name": "mcp-gateway",
            "service.version": __version__,
            "service.instance.id": uuid.uuid4().hex,
        },
        version=__version__,
        queue_spans=settings.queue_spans,
    )


def _finding(settings: TraceSettings) -> Find:
    own = _LOOPBACK if is_loopback(urlsplit(settings.endpoint).hostname or "") else ()
    allowed = networks([*settings.network, *own])

    async def find(host: str, port: int) -> Sequence[str]:
        try:
            return vet_all(await resolve(host, port), allowed)
        except UpstreamUnavailable as exc:
            raise OSError("the collector's address may not be used; it needs a `network` range") from exc

    return find
