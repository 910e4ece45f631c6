"""What a sink is given: everything, once, in order per writer, whatever the files look like."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.audit.sinks.position import (
    FOLDER,
    Place,
    Position,
    State,
    had_by_all,
    least_position,
    load,
    store,
    turn,
)
from mcp_gateway.audit.sinks.reading import Batch, Reader, behind
from tests.unit.audit.sinks.records import Hand


def drained(reader: Reader, position: Position, *, records: int = 500, room: int = 1_000_000) -> list[Batch]:
    """Batches until there is nothing left; the last one is empty."""
    batches: list[Batch] = []
    while True:
        batches.append(reader.take(position, records=records, room=room))
        if not batches[-1].pieces:
            return batches
        position = batches[-1].after


def of_writer(batches: list[Batch], writer: str) -> list[bytes]:
    wanted = f'"writer":"{writer}"'.encode()
    return [line for batch in batches for line in batch.lines if wanted in line]


@settings(max_examples=60, deadline=None)
@given(
    writers=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    max_bytes=st.sampled_from([300, 900, 100_000]),
    records=st.integers(1, 30),
    room=st.sampled_from([1, 700, 1_000_000]),
    torn=st.booleans(),
)
def test_every_record_is_given_once_and_in_order(
    writers: list[int], max_bytes: int, records: int, room: int, torn: bool
) -> None:
    with TemporaryDirectory() as folder:
        hands = [Hand(Path(folder), f"w{i}", max_bytes=max_bytes) for i in range(len(writers))]
        for hand, count in zip(hands, writers, strict=True):
            hand.write(count)
            if torn:
                hand.tear()
            hand.close()
        batches = drained(Reader(Path(folder)), {}, records=records, room=room)
        for hand in hands:
            assert of_writer(batches, hand.writer) == hand.lines
        assert not [gap for batch in batches for gap in batch.gaps]
        assert all(batch.records <= records for batch in batches)
        assert behind(Path(folder), batches[-1].after).records == 0


def test_what_is_written_later_follows_what_was_given(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w", max_bytes=700)
    reader, got = Reader(tmp_path), list[bytes]()
    position: Position = {}
    for _ in range(10):
        hand.write(3)
        for batch in drained(reader, position, records=2):
            got += batch.lines
            position = batch.after
    assert got == hand.lines


def test_a_part_of_a_line_waits_until_its_writer_has_another_file(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w", max_bytes=1_000_000)
    hand.write(1)
    hand.tear()
    after = Reader(tmp_path).take({}).after
    assert after["w"].number == 1
    again = Hand(tmp_path, "x")
    again.write(1)
    (tmp_path / "x-000001.jsonl").rename(tmp_path / "w-000002.jsonl")
    moved = Reader(tmp_path).take(after)
    assert moved.after["w"].number == 2
    assert moved.records == 1


def test_records_that_are_gone_show_as_a_gap(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w", max_bytes=600)
    hand.write(2)
    after = Reader(tmp_path).take({}).after
    hand.write(10)
    files = sorted(tmp_path.glob("*.jsonl"))
    files[2].unlink()
    batches = drained(Reader(tmp_path), after)
    gaps = [gap for batch in batches for gap in batch.gaps]
    missing = sum(gap.before - gap.after - 1 for gap in gaps)
    assert [gap.writer for gap in gaps] == ["w"]
    assert missing == 12 - 2 - sum(batch.records for batch in batches)


def test_a_sink_that_is_new_starts_where_the_files_start(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w", max_bytes=600)
    hand.write(12)
    sorted(tmp_path.glob("*.jsonl"))[0].unlink()
    batches = drained(Reader(tmp_path), {})
    assert not [gap for batch in batches for gap in batch.gaps]
    assert sum(batch.records for batch in batches) < 12


def test_a_line_that_is_no_record_is_given_as_it_stands(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w")
    hand.write(3)
    path = tmp_path / "w-000001.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = b"nonsense"
    path.write_bytes(b"\n".join(lines))
    batch = Reader(tmp_path).take({})
    assert batch.lines[1] == b"nonsense"
    assert (batch.records, batch.gaps) == (3, ())


def test_behind_counts_what_was_not_given_and_says_since_when(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w", max_bytes=700, at=1_000.0)
    hand.write(20)
    found = behind(tmp_path, {})
    assert (found.records, found.oldest_at) == (20, 1_001.0)
    after = Reader(tmp_path).take({}, records=5).after
    found = behind(tmp_path, after)
    assert (found.records, found.oldest_at) == (15, 1_006.0)


def test_no_writer_waits_for_the_busiest(tmp_path: Path) -> None:
    busy, quiet = Hand(tmp_path, "a"), Hand(tmp_path, "b")
    busy.write(1_000)
    quiet.write(1)
    batches = drained(Reader(tmp_path), {}, records=10)
    first = next(i for i, batch in enumerate(batches) if of_writer([batch], "b"))
    assert first < 3


def test_the_position_survives_and_forgets_writers_without_files(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w")
    hand.write(2)
    after = Reader(tmp_path).take({"gone": Place(3, 9, 9)}).after
    assert set(after) == {"w"}
    store(tmp_path / FOLDER, "one", State(places=after, sent=2))
    assert load(tmp_path / FOLDER, "one") == State(places=after, sent=2)


def test_a_position_that_cannot_be_read_starts_anew(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    store(folder, "one", State(sent=2))
    for nonsense in (b"", b"[]", b'{"places": {"w": ["x"]}}', b'{"places": {}, "unknown": 1}'):
        (folder / "one.json").write_bytes(nonsense)
        assert load(folder, "one") == State()


def test_only_what_every_sink_has_had_may_be_removed(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "w", max_bytes=700)
    hand.write(10)
    files = sorted(tmp_path.glob("*.jsonl"))
    whole = drained(Reader(tmp_path), {})[-1].after
    store(tmp_path / FOLDER, "fast", State(places=whole))
    least = least_position(tmp_path, ["fast", "slow"])
    assert not any(had_by_all(path, least) for path in files)
    store(tmp_path / FOLDER, "slow", State(places=Reader(tmp_path).take({}, records=4).after))
    had = [had_by_all(path, least_position(tmp_path, ["fast", "slow"])) for path in files]
    assert had == sorted(had, reverse=True)
    assert had[0] and not had[-1]
    assert all(had_by_all(path, least_position(tmp_path, ["fast"])) for path in files)
    hand.tear()
    assert had_by_all(files[-1], least_position(tmp_path, ["fast"]))


def test_one_process_at_a_time_has_the_turn(tmp_path: Path) -> None:
    with turn(tmp_path, "one") as first, turn(tmp_path, "one") as second, turn(tmp_path, "two") as other:
        assert (first, second, other) == (True, False, True)
    with turn(tmp_path, "one") as again:
        assert again
