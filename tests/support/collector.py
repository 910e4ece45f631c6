"""An OTLP/HTTP receiver on loopback that reads traces with OpenTelemetry's own definitions, or misbehaves as told."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.processes import wait_until

_KINDS = {trace_pb2.Span.SPAN_KIND_INTERNAL: "internal", 2: "server", 3: "client"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One span as the collector understands it."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    began: int
    ended: int
    attributes: Mapping[str, Any]
    failed: bool
    state: str
    links: Sequence[tuple[str, str]]
    flags: int


def spans_of(body: bytes) -> tuple[Mapping[str, Any], list[Seen]]:
    """The resource, and every span of one request."""
    request = ExportTraceServiceRequest.FromString(body)
    found = [
        _seen(span) for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]
    return _attributes(request.resource_spans[0].resource.attributes), found


def partial_success(rejected: int, message: str = "") -> bytes:
    success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=success).SerializeToString()


@dataclass(slots=True)
class Collector:
    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    resources: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    spans: list[Seen] = field(default_factory=list[Seen])
    statuses: list[int] = field(default_factory=list[int])
    """What to answer next; 200 when there is nothing."""
    answer: bytes = b""
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def trace(self, trace_id: str) -> dict[str, Seen]:
        """The spans of a trace by name."""
        return {span.name: span for span in self.spans if span.trace == trace_id}

    def wait_for(self, trace_id: str, name: str, *, seconds: float = 15) -> dict[str, Seen]:
        """Every span of the trace once that one has come; the gateway sends a request's spans together."""
        wait_until(lambda: name in self.trace(trace_id), seconds=seconds, what=f"the span {name}")
        return self.trace(trace_id)


@contextmanager
def collecting() -> Generator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if collector.hangs:
                collector.released.wait(60)
                return
            status = collector.statuses.pop(0) if collector.statuses else 200
            if status == 200:
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                resource, spans = spans_of(body)
                collector.resources.append(resource)
                collector.spans.extend(spans)
            self.send_response(status)
            self.send_header("content-length", str(len(collector.answer)))
            self.end_headers()
            self.wfile.write(collector.answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.released.set()
        server.shutdown()
        with suppress(OSError):
            server.server_close()
        thread.join(10)


def _seen(span: trace_pb2.Span) -> Seen:
    return Seen(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=_KINDS.get(span.kind, "?"),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        state=span.trace_state,
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        flags=span.flags,
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}
