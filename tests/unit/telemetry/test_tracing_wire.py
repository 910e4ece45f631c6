"""What is written by hand is what OpenTelemetry's own definitions read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.model.trace import Incoming, Trace
from mcp_gateway.telemetry.tracing import Kind, Span, Tracer, Walk
from mcp_gateway.telemetry.tracing_wire import encoded, refused, request
from tests.support.collector import Seen, partial_success, spans_of

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{ID}-{SPAN}-01"

_ids = st.integers(1, 2**64 - 1)
_text = st.text(max_size=50)
_values = st.one_of(_text, st.booleans(), st.integers(-(2**63), 2**63 - 1))
_times = st.integers(0, 2**62)


def walk_of(spans: list[Span], **said: str) -> Walk:
    walk = Tracer(lambda _walk: None, sample=1.0, incoming=Incoming()).begin()
    walk.join({"traceparent": PARENT, **said}, {})
    walk.spans = spans
    return walk


def read(walk: Walk) -> tuple[Mapping[str, Any], list[Seen]]:
    return spans_of(request([encoded(walk)], {"service.name": "x"}, scope="mcp_gateway", version="1"))


@given(
    st.lists(
        st.builds(
            Span,
            name=_text,
            kind=st.sampled_from(Kind),
            id=_ids,
            parent=_ids,
            began=_times,
            ended=_times,
            attributes=st.dictionaries(_text, _values, max_size=5),
            error=st.just(""),
        ),
        max_size=5,
    )
)
def test_every_span_is_read_as_it_was(spans: list[Span]) -> None:
    resource, found = read(walk_of(spans))
    assert resource == {"service.name": "x"}
    for span, seen in zip(spans, found, strict=True):
        assert (seen.trace, seen.id, seen.parent) == (ID, f"{span.id:016x}", f"{span.parent:016x}")
        assert (seen.name, seen.kind, seen.began, seen.ended) == (
            span.name,
            span.kind.name.lower(),
            span.began,
            span.ended,
        )
        assert seen.attributes == span.attributes and not seen.failed


def test_a_failure_is_a_status_and_a_code() -> None:
    _, (seen,) = read(walk_of([Span("a", Kind.INTERNAL, 1, 2, 3, 4, {}, "upstream.timeout")]))
    assert seen.failed and seen.attributes == {"error.type": "upstream.timeout"}


def test_the_state_of_other_systems_and_the_distance_of_the_parent_are_told() -> None:
    walk = walk_of([], tracestate="rojo=1")
    walk.finish()
    _, (seen,) = read(walk)
    assert (seen.state, seen.parent, seen.kind) == ("rojo=1", SPAN, "server")
    assert seen.flags == 0x301  # sampled; the parent is known to be another process's


def test_a_trace_that_is_not_continued_is_linked() -> None:
    walk = Tracer(lambda _walk: None, sample=1.0, incoming=Incoming(continued=False)).begin()
    trace = walk.join({"traceparent": PARENT}, {})
    walk.finish()
    _, (seen,) = read(walk)
    assert seen.trace == trace.id != ID and seen.parent == ""
    assert seen.links == [(ID, SPAN)]


@given(_text.filter(lambda text: len(text) < 40))
def test_text_that_is_no_utf_8_is_sent_all_the_same(text: str) -> None:
    _, (seen,) = read(walk_of([Span(text + "\ud800", Kind.INTERNAL, 1, 2, 3, 4, {"a": "\udfff" * 400}, "")]))
    assert seen.name == text + "?" and len(seen.attributes["a"]) == 256


@given(st.integers(0, 2**63 - 1), st.text(max_size=300))
def test_what_a_collector_refused_is_counted(count: int, message: str) -> None:
    assert refused(partial_success(count, message)) == count


@given(st.binary(max_size=40))
def test_an_answer_of_any_bytes_is_read_without_failing(body: bytes) -> None:
    assert refused(body) >= 0


def test_the_share_of_traces_that_begin_here_is_kept_and_decided_by_their_id() -> None:
    tracer = Tracer(lambda _walk: None, sample=0.25, incoming=Incoming())
    traces: list[Trace] = [tracer.begin().join({}, {}) for _ in range(2_000)]
    recorded = [trace for trace in traces if trace.sampled]
    assert 350 < len(recorded) < 650
    assert all(trace.sampled == tracer.chosen(int(trace.id, 16)) for trace in traces)
    assert not tracer.begin().join({"traceparent": PARENT[:-1] + "0"}, {}).sampled
    assert Tracer(lambda _walk: None, sample=0.0, incoming=Incoming()).begin().join({"traceparent": PARENT}, {}).sampled


def test_a_request_that_never_ends_keeps_a_bounded_number_of_spans() -> None:
    walk = walk_of([])
    for _ in range(500):
        walk.span("decide", walk.began)
    walk.finish()
    assert len(walk.spans) < 110 and walk.attributes["mcp_gateway.spans_left_out"] is True
