"""Events and lines come out whole, however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.upstream.lines import LineReader, LineTooLong
from mcp_gateway.upstream.sse import EventReader

STREAM = (
    b": comment\n\nevent: message\ndata: one\nid: 4\n\n"
    b"event: other\ndata: dropped\n\ndata:two\r\ndata: lines\r\n\r\ndata\n\nretry: 5\n\ndata: last\r\r"
)
EVENTS = [b"one", b"two\nlines", b"last"]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % len(data) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_events_do_not_depend_on_how_the_stream_is_cut(places: list[int]) -> None:
    reader = EventReader()
    found = [event for chunk in cut(STREAM, places) for event in reader.feed(chunk)]
    found += reader.feed(b"\n")  # what tells the last "\r" from the first half of "\r\n"
    assert found == EVENTS
    assert (reader.last_id, reader.retry_ms) == (b"4", 5)


def test_the_place_of_an_unfinished_event_does_not_count() -> None:
    reader = EventReader()
    reader.feed(b"id: 1\ndata: x\n\nid: 2\ndata: {")
    assert reader.last_id == b"1"


@pytest.mark.parametrize("line", [b"retry: soon", b"retry: -1", b"retry: 99999999999", b"id: a\0b", b"retry:"])
def test_what_is_no_place_and_no_time_is_ignored(line: bytes) -> None:
    reader = EventReader()
    reader.feed(line + b"\ndata: x\n\n")
    assert reader.last_id == b"" and reader.retry_ms is None


def test_an_event_that_only_names_an_id_is_no_message() -> None:
    assert EventReader().feed(b"id: 1\nretry: 100\ndata: \n\nid: 2\ndata: {}\n\n") == [b"{}"]


def test_an_unfinished_event_is_not_delivered() -> None:
    assert EventReader().feed(b"data: {}\n") == []


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_lines_do_not_depend_on_how_the_output_is_cut(places: list[int]) -> None:
    reader = LineReader(limit=10)
    assert [line for chunk in cut(b"one\n\ntwo\r\nthree\nrest", places) for line in reader.feed(chunk)] == [
        b"one",
        b"two\r",
        b"three",
    ]


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 6, b"x" * 6], [b"x" * 6, b"x" * 6 + b"\n"]])
def test_a_line_over_the_limit_is_refused_before_it_ends(chunks: list[bytes]) -> None:
    reader = LineReader(limit=10)
    with pytest.raises(LineTooLong):
        for chunk in chunks:
            reader.feed(chunk)
