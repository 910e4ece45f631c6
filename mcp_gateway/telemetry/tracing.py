"""Spans of one request on its way through the gateway, gathered in memory and handed over when it has ended.

A span is a tuple and two clock readings, some 2 µs; OpenTelemetry's SDK takes 60 µs for each, more than the gateway
takes for everything it decides (docs/traces.md). Nothing here waits, and nothing exists while tracing is off.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from mcp_gateway.model.principal import Principal
from mcp_gateway.model.trace import SAMPLED, Incoming, Trace

Attributes: TypeAlias = Mapping[str, str | int | bool]

_NOTHING: Attributes = {}
_HALF = (1 << 64) - 1
_MAX_SPANS = 100
"""Of one request."""


class Kind(IntEnum):
    """As OTLP numbers them."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Span(NamedTuple):
    name: str
    kind: Kind
    id: int
    parent: int
    """0 in a trace that begins here."""
    began: int
    """Nanoseconds of the monotonic clock."""
    ended: int
    attributes: Attributes
    error: str
    """What went wrong, as a code; empty when nothing did."""


class Walk:
    """One request: its place in a trace, and the spans of what was done about it."""

    __slots__ = (
        "_tracer",
        "asked",
        "attributes",
        "authenticated",
        "began",
        "current",
        "error",
        "flags",
        "id",
        "link",
        "name",
        "parent",
        "principal",
        "root",
        "sampled",
        "shift",
        "spans",
        "state",
        "target",
    )

    def __init__(self, tracer: Tracer) -> None:
        self.began = time.perf_counter_ns()
        self._tracer = tracer
        self.id = 0
        """Of the trace; 0 until the request was read."""
        self.root = self.current = _span_id()
        """The span of the request itself, and the one that what happens now belongs to."""
        self.parent = 0
        self.flags = 0
        self.state = ""
        self.link: Trace | None = None
        """Another trace the client said it was in."""
        self.sampled = True
        """Until it is known."""
        self.spans: list[Span] = []
        self.attributes: dict[str, str | int | bool] = {}
        self.name = self.target = ""
        self.error = ""
        self.principal: Principal | None = None
        self.authenticated: tuple[int, int, str] | None = None
        """When that began and ended, and what was wrong; a span of it waits until it is known whether it is wanted."""
        self.asked = 0
        """How often the relationships were asked."""
        self.shift = 0
        """From the monotonic clock to the epoch."""

    def join(self, meta: Mapping[str, object], headers: Mapping[str, str]) -> Trace:
        """Be part of the trace the client names, or begin one; what an upstream is told unless a span is nearer."""
        incoming = self._tracer.incoming
        said = incoming.said(meta, headers)
        if said is None or not incoming.continued:
            self._begin()
            self.link = said
            return Trace.of(self.id, self.root, self.flags)
        self.id, self.parent = int(said.id, 16), int(said.parent, 16)
        self.flags, self.sampled, self.state = said.flags, said.sampled, said.state
        return Trace.of(self.id, self.root, said.flags, said.state, said.baggage)

    def span(
        self, name: str, began: int, attributes: Attributes = _NOTHING, *, error: str = "", place: int = 0
    ) -> None:
        """Something of the gateway's own that ended now; `place` is what `enter` gave."""
        ended = time.perf_counter_ns()
        self._add(Span(name, Kind.INTERNAL, place or _span_id(), self.current, began, ended, attributes, error))

    def enter(self) -> tuple[int, int]:
        """What happens until `leave` belongs to a span of its own: that span's id, and whom it belongs to itself."""
        outer, self.current = self.current, _span_id()
        return self.current, outer

    def leave(self, outer: int) -> None:
        self.current = outer

    def ask(self, name: str, id: int, began: int, attributes: Attributes, error: str) -> None:
        """A request to an upstream that ended now."""
        ended = time.perf_counter_ns()
        self._add(Span(name, Kind.CLIENT, id, self.current, began, ended, attributes, error))

    def _add(self, span: Span) -> None:
        if len(self.spans) < _MAX_SPANS:
            self.spans.append(span)
        else:
            # A client may listen for hours.
            self.attributes["mcp_gateway.spans_left_out"] = True

    def finish(self) -> None:
        """The request is answered, or nobody waits for an answer any more."""
        if not self.id:
            self._begin()
        if not self.sampled:
            return
        if self._tracer.identities and self.principal is not None:
            self.attributes["enduser.id"] = self.principal.user
            self.attributes["mcp_gateway.agent"] = self.principal.agent
        if self.authenticated is not None:
            began, ended, error = self.authenticated
            self.spans.append(Span("authenticate", Kind.INTERNAL, _span_id(), self.root, began, ended, _NOTHING, error))
        now = time.perf_counter_ns()
        self.spans.append(
            Span(self.name, Kind.SERVER, self.root, self.parent, self.began, now, self.attributes, self.error)
        )
        self.shift = time.time_ns() - now
        self.sampled = False  # what a task that outlives the request still does belongs to no trace
        self._tracer.submit(self)

    def _begin(self) -> None:
        self.id = random.getrandbits(128) or 1
        self.sampled = self._tracer.chosen(self.id)
        self.flags = SAMPLED if self.sampled else 0


class Tracer:
    """`sample` is the share of traces that begin here and are recorded; others are as their client says."""

    def __init__(
        self, submit: Callable[[Walk], None], *, sample: float, incoming: Incoming, identities: bool = False
    ) -> None:
        self.submit = submit
        self.incoming = incoming
        self.identities = identities
        """Whether spans say who the user and the agent are."""
        self._bound = round(sample * (_HALF + 1))

    def begin(self) -> Walk:
        return Walk(self)

    def chosen(self, id: int) -> bool:
        """By the trace id, so that every process decides alike."""
        return (id & _HALF) < self._bound


WALK: ContextVar[Walk | None] = ContextVar("walk", default=None)
"""The request that this task works on, while tracing is on."""


def walked() -> Walk | None:
    """The request this task works on, if its spans are wanted."""
    walk = WALK.get()
    return walk if walk is not None and walk.sampled else None


def _span_id() -> int:
    # Unguessable it need not be, only another one; a system call for each would cost more than the span.
    return random.getrandbits(64) or 1
