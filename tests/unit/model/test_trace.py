"""What a client says of its trace is passed on exactly, or does not exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.model.trace import Incoming, Trace, told

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{ID}-{SPAN}-01"


def test_a_proper_traceparent_is_read_and_written_alike() -> None:
    trace = told({"traceparent": PARENT})
    assert trace == Trace(PARENT)
    assert trace is not None and trace.sampled and trace.traceparent == PARENT


@pytest.mark.parametrize(
    "value",
    [
        f"ff-{ID}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{ID}-{SPAN}",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}-01-more",
        f"{PARENT}\r\nx: y",
        f"{PARENT}\n",
        f"{PARENT}, {PARENT}",
        f" {PARENT}",
        "",
        7,
        None,
        [PARENT],
        "\u0660" + PARENT[1:],
    ],
)
def test_an_improper_traceparent_does_not_exist(value: object) -> None:
    assert told({"traceparent": value, "tracestate": "a=b"}) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert told({"traceparent": f"42-{ID}-{SPAN}-ff-what.is.to.come"}) == Trace(PARENT[:-1] + "3")


@pytest.mark.parametrize("state", ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a@b=1", "0x/y*=a b"])
def test_a_proper_tracestate_goes_with_it(state: str) -> None:
    trace = told({"traceparent": PARENT, "tracestate": state})
    assert trace is not None and trace.pairs() == [("traceparent", PARENT), ("tracestate", state)]


@pytest.mark.parametrize(
    "state",
    [
        "a=b\r\nx: y",
        "A=b",
        "a=",
        "a",
        "a=b,a=c",
        "a=\u00e9",
        "a=b=c",
        ",".join(f"k{number}=v" for number in range(33)),
        "a=" + "v" * 600,
        9,
        {"a": "b"},
    ],
)
def test_an_improper_tracestate_is_dropped_and_the_trace_goes_on(state: object) -> None:
    trace = told({"traceparent": PARENT, "tracestate": state})
    assert trace is not None and trace.pairs() == [("traceparent", PARENT)]


def test_baggage_travels_only_when_that_is_set() -> None:
    said = {"traceparent": PARENT, "baggage": "userId=alice, node=DF%2028;p=1"}
    assert told(said) == Trace(PARENT)
    trace = told(said, baggage=True)
    assert trace is not None and trace.pairs()[1:] == [("baggage", "userId=alice,node=DF%2028;p=1")]


@pytest.mark.parametrize("baggage", ["a=b\r\nx: y", 'a="b"', "a b=c", "=x", "a=b,," + "c" * 9000, "x" * 9000, 7])
def test_improper_baggage_is_dropped(baggage: object) -> None:
    assert told({"traceparent": PARENT, "baggage": baggage}, baggage=True) == Trace(PARENT)


def test_the_message_outweighs_the_http_request_around_it() -> None:
    other = f"00-{'a' * 32}-{'b' * 16}-00"
    incoming = Incoming()
    assert incoming.trace({"traceparent": PARENT}, {"traceparent": other}) == Trace(PARENT)
    assert incoming.trace({"traceparent": "nonsense"}, {"traceparent": other}) == Trace(other)
    assert incoming.trace({}, {}) is None


def test_a_trace_that_is_not_continued_is_not_passed_on() -> None:
    assert Incoming(continued=False).trace({"traceparent": PARENT}, {}) is None


_anything = st.one_of(
    st.text(),
    st.text("0123456789abcdef-,=;@ \t\r\n"),
    st.integers(),
    st.none(),
    st.lists(st.text()),
    st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", fullmatch=True),
)


@given(parent=_anything, state=_anything, baggage=_anything)
def test_whatever_is_said_what_is_passed_on_fits_a_header_line(parent: object, state: object, baggage: object) -> None:
    trace = told({"traceparent": parent, "tracestate": state, "baggage": baggage}, baggage=True)
    if trace is None:
        return
    assert len(trace.traceparent) == 55 and told({"traceparent": trace.traceparent}) is not None
    for _, value in trace.pairs():
        assert value.isascii() and value.isprintable()
    again = told(dict(trace.pairs()), baggage=True)
    assert again == trace


@given(st.text(";=, \ta%", max_size=8192))
def test_reading_takes_no_longer_than_its_input_is_long(text: str) -> None:
    told({"traceparent": PARENT, "tracestate": text, "baggage": text}, baggage=True)
