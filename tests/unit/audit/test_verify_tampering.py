"""Whatever is done to a trail is found and called by its name, and nothing else is said; untouched trails are whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mcp_gateway.audit import Kind, Report, verify
from mcp_gateway.audit.checkpoint_keeper import Keeper
from mcp_gateway.audit.checkpoint_key import SigningKeys
from mcp_gateway.audit.checkpoint_log import checkpoint_files
from mcp_gateway.audit.record import GENESIS, seal
from tests.unit.audit.trails import Hand, Trailed

Lines: TypeAlias = list[bytes]


@dataclass(slots=True)
class Case:
    """Twelve to thirty records of one writer in one file among others, covered by several checkpoints."""

    trail: Trailed
    writer: Hand
    others: list[Hand]

    @property
    def path(self) -> Path:
        return self.trail.audit / f"{self.writer.id}-000001.jsonl"

    def verify(self, **asked: object) -> Report:
        keys = SigningKeys(self.trail.keys).public()
        return verify(self.trail.root, keys=keys, **asked)  # pyright: ignore[reportArgumentType]

    def change(self, tamper: Callable[[Lines], Lines]) -> None:
        self.path.write_bytes(b"".join(tamper(self.path.read_bytes().splitlines(keepends=True))))


def kinds(report: Report) -> set[Kind]:
    return {finding.kind for finding in report.findings}


@contextmanager
def prepared(root: Path, count: int = 20, *, covered: int | None = None) -> Generator[Case]:
    """`covered` records of `count` are under checkpoints; all when it is None."""
    trail = Trailed(root)
    writer, other, rolled = trail.writer(max_bytes=10**6), trail.writer(), trail.writer(max_bytes=900)
    trail.write(other, 3)
    trail.write(rolled, 12)
    signed = count if covered is None else covered
    for part in (signed // 2, signed - signed // 2):
        trail.write(writer, part)
        trail.checkpoint()
    trail.write(writer, count - signed)
    yield Case(trail, writer, [other, rolled])
    for one in (writer, other, rolled):
        one.end()


def forged(writer: str, seq: int, prev: str) -> bytes:
    return seal({"kind": "forged"}, seq=seq, prev=prev, writer=writer, at=5.0)[0]


def rehashed_tail(lines: Lines, at: int, writer: str) -> Lines:
    """Everything from `at` on made anew, so that all of it follows."""
    prev, made = (lines[at - 1][9:73].decode() if at else GENESIS), lines[:at]
    for seq in range(at + 1, len(lines) + 1):
        line, prev = seal({"kind": "forged"}, seq=seq, prev=prev, writer=writer, at=5.0)
        made.append(line)
    return made


BY_CHAIN = frozenset({"deleted", "edited", "reordered", "doubled", "forked"})
"""What shows without any checkpoint."""

numbers = st.integers(0, 10**6)
property_ = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@property_
@given(count=st.integers(12, 30), at=numbers, upto=numbers, covered=st.booleans(), data=st.data())
@pytest.mark.parametrize(
    "kind", ["deleted", "edited", "rehashed", "reordered", "truncated", "doubled", "forked", "rewritten", "appended"]
)
def test_every_change_is_found_and_named(
    kind: str, count: int, at: int, upto: int, covered: bool, data: st.DataObject
) -> None:
    signed = count if covered or kind not in BY_CHAIN else 0
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder), count, covered=signed) as case:
        at %= count
        name = case.writer.id
        if kind == "truncated":
            case.change(lambda lines: lines[:at])
            expected = {Kind.TRUNCATED} if at else {Kind.WRITER_GONE}
        elif kind == "deleted":
            at %= count - 1
            width = 1 + upto % (count - 1 - at)
            case.change(lambda lines: [*lines[:at], *lines[at + width :]])
            expected = {Kind.DELETED}
        elif kind == "edited":
            place = data.draw(st.integers(0, 250))
            case.change(lambda lines: [*lines[:at], _flipped(lines[at], place), *lines[at + 1 :]])
            expected = {Kind.EDITED}
        elif kind == "rehashed":
            case.change(
                lambda lines: [
                    *lines[:at],
                    forged(name, at + 1, lines[at - 1][9:73].decode() if at else GENESIS),
                    *lines[at + 1 :],
                ]
            )
            expected = {Kind.EDITED}
        elif kind == "rewritten":
            case.change(lambda lines: rehashed_tail(lines, at, name))
            expected = {Kind.EDITED}
        elif kind == "reordered":
            other = (at + 1 + upto % (count - 1)) % count
            case.change(lambda lines: _swapped(lines, at, other))
            expected = {Kind.REORDERED}
        elif kind == "doubled":
            where = upto % (count + 1)
            case.change(lambda lines: [*lines[:where], lines[at], *lines[where:]])
            # A copy that stands first makes those between it and its place come late.
            expected = {Kind.ADDED} if where >= at else {Kind.ADDED, Kind.REORDERED}
        elif kind == "forked":
            case.change(lambda lines: [*lines[: at + 1], forged(name, at + 1, GENESIS), *lines[at + 1 :]])
            expected = {Kind.FORKED}
        else:
            case.change(lambda lines: [*lines, forged(name, count + 1, "ab" * 32)])
            expected = {Kind.ADDED}
        assert kinds(case.verify()) == expected


def _flipped(line: bytes, place: int) -> bytes:
    """One character of the line, anywhere."""
    at = place % (len(line) - 1)
    return line[:at] + (b"a" if line[at : at + 1] != b"a" else b"b") + line[at + 1 :]


def _swapped(lines: Lines, one: int, other: int) -> Lines:
    made = list(lines)
    made[one], made[other] = made[other], made[one]
    return made


def test_untouched_trails_are_whole_and_say_what_is_covered(tmp_path: Path) -> None:
    with prepared(tmp_path, 20, covered=14) as case:
        report = case.verify()
    assert report.whole
    assert report.signed.pinned
    assert (report.records, report.uncovered, report.signed.count) == (35, 6, 2)


def test_a_trail_without_checkpoints_is_checked_by_its_chain(tmp_path: Path) -> None:
    """As gateways before checkpoints left them."""
    trail = Trailed(tmp_path)
    writer = trail.writer()
    trail.write(writer, 30)
    report = verify(tmp_path)
    assert (report.whole, report.uncovered, report.signed.count) == (True, 30, 0)


def test_checkpoints_that_should_be_there_are_missed(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        shutil.rmtree(case.trail.checkpoints)
        assert kinds(case.verify()) == {Kind.CHECKPOINT_GAP}
        # Without a pinned key too, because the trail itself tells of the key.
        case.writer.write({"kind": "audit.key_made"})
        assert kinds(verify(tmp_path)) == {Kind.CHECKPOINT_GAP}


def test_the_last_file_and_a_whole_writer_are_missed(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        other, rolled = case.others
        sorted(case.trail.audit.glob(f"{rolled.id}-*.jsonl"))[-1].unlink()
        (case.trail.audit / f"{other.id}-000001.jsonl").unlink()
        found = {finding.writer: finding.kind for finding in case.verify().findings}
    assert found == {rolled.id: Kind.TRUNCATED, other.id: Kind.WRITER_GONE}


def test_a_file_in_the_middle_is_missed_by_the_numbers_of_its_records(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        rolled = case.others[1]
        files = sorted(case.trail.audit.glob(f"{rolled.id}-*.jsonl"))
        files[1].unlink()
        (finding,) = case.verify().findings
    assert (finding.kind, finding.writer) == (Kind.DELETED, rolled.id)
    assert finding.first is not None
    assert finding.first > 1


def test_the_first_file_is_missed_unless_it_was_pruned(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        sorted(case.trail.audit.glob(f"{case.others[1].id}-*.jsonl"))[0].unlink()
        (finding,) = case.verify().findings
    assert (finding.kind, finding.first) == (Kind.DELETED, 1)


def test_a_record_after_its_writer_ended_is_added_even_when_it_follows(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        case.writer.end()
        case.trail.checkpoint()
        lines = case.path.read_bytes().splitlines(keepends=True)
        added = forged(case.writer.id, len(lines) + 1, lines[-1][9:73].decode())
        case.path.write_bytes(b"".join([*lines, added]))
        (finding,) = case.verify().findings
    assert (finding.kind, finding.first) == (Kind.ADDED, 21)


def test_records_after_the_newest_checkpoint_are_checked_by_their_chain(tmp_path: Path) -> None:
    with prepared(tmp_path, 20, covered=10) as case:
        case.change(lambda lines: [*lines[:14], *lines[15:]])
        (finding,) = case.verify().findings
    assert (finding.kind, finding.first, finding.last) == (Kind.DELETED, 15, 15)


def test_a_record_of_another_writer_is_added(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        other = (case.trail.audit / f"{case.others[0].id}-000001.jsonl").read_bytes()
        case.change(lambda lines: [*lines[:4], other.splitlines(keepends=True)[0], *lines[4:]])
        assert kinds(case.verify()) == {Kind.ADDED}


def first_line_changed(lines: Lines) -> Lines:
    return [lines[0].replace(b'"records":', b'"records":1'), *lines[1:]]


def not_one(lines: Lines) -> Lines:
    return [*lines, b"{}\n"]


def first_gone(lines: Lines) -> Lines:
    return lines[1:]


CHECKPOINT_CHANGES: Mapping[str, tuple[Callable[[Lines], Lines], set[Kind]]] = {
    "changed": (first_line_changed, {Kind.CHECKPOINT_FORGED, Kind.CHECKPOINT_GAP}),
    "no checkpoint": (not_one, {Kind.CHECKPOINT_FORGED}),
    "first gone": (first_gone, {Kind.CHECKPOINT_GAP}),
}


@pytest.mark.parametrize("change", CHECKPOINT_CHANGES)
def test_changed_checkpoints_are_found(tmp_path: Path, change: str) -> None:
    tamper, expected = CHECKPOINT_CHANGES[change]
    with prepared(tmp_path) as case:
        (path,) = checkpoint_files(case.trail.checkpoints)
        path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))
        assert kinds(case.verify()) == expected


def test_records_and_checkpoints_cut_off_together_show_by_the_second_place(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        second = tmp_path.with_name(f"{tmp_path.name}-second")
        shutil.copytree(case.trail.checkpoints, second)
        (path,) = checkpoint_files(case.trail.checkpoints)
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        case.change(lambda lines: lines[:10])
        assert case.verify().whole
        report = case.verify(copies=[second])
    assert kinds(report) == {Kind.CHECKPOINT_GAP, Kind.TRUNCATED}


def test_a_past_signed_anew_with_the_stolen_key_is_a_fork(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        second = tmp_path.with_name(f"{tmp_path.name}-second")
        shutil.copytree(case.trail.checkpoints, second)
        for path in (*checkpoint_files(case.trail.checkpoints), case.trail.checkpoints / "state.json"):
            path.unlink()
        case.change(lambda lines: rehashed_tail(lines, 3, case.writer.id))
        case.trail.checkpoint()
        report = case.verify(copies=[second])
    assert Kind.FORKED in kinds(report)


def test_a_past_signed_anew_with_another_key_is_signed_by_a_stranger(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        pinned = SigningKeys(case.trail.keys).public()
        for path in (*checkpoint_files(case.trail.checkpoints), case.trail.checkpoints / "state.json"):
            path.unlink()
        case.change(lambda lines: rehashed_tail(lines, 3, case.writer.id))
        keeper = Keeper(case.trail.audit, tmp_path / "own keys")
        assert keeper.begin()
        keeper.make(at=1.0)
        keeper.end()
        assert Kind.KEY_UNKNOWN in kinds(verify(tmp_path, keys=pinned))


def test_keys_that_were_announced_are_trusted_whichever_is_pinned(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        SigningKeys(case.trail.keys).add()
        case.trail.checkpoint()
        case.trail.write(case.writer, 2)
        case.trail.checkpoint()
        for pinned in SigningKeys(case.trail.keys).public():
            report = verify(tmp_path, keys=[pinned])
            assert report.whole
            assert len(report.signed.keys) == 2


def test_a_key_nobody_announced_is_named(tmp_path: Path) -> None:
    with prepared(tmp_path) as case:
        pinned = SigningKeys(case.trail.keys).public()
        for path in case.trail.keys.iterdir():
            path.unlink()
        case.trail.write(case.writer, 2)
        case.trail.checkpoint()
        assert kinds(verify(tmp_path, keys=pinned)) == {Kind.KEY_UNKNOWN}


def test_two_copies_that_part_are_a_fork_at_the_first_record_that_differs(tmp_path: Path) -> None:
    with prepared(tmp_path / "gateway", 20, covered=10) as case:
        copy = tmp_path / "copy"
        shutil.copytree(case.trail.audit, copy)
        case.change(lambda lines: rehashed_tail(lines, 14, case.writer.id))
        assert case.verify().whole, "no checkpoint covers the part that was rewritten"
        (finding,) = case.verify(against=[copy]).findings
    assert (finding.kind, finding.writer, finding.first) == (Kind.FORKED, case.writer.id, 15)


def test_a_copy_that_is_behind_is_no_fork(tmp_path: Path) -> None:
    with prepared(tmp_path / "gateway") as case:
        copy = tmp_path / "copy"
        shutil.copytree(case.trail.audit, copy)
        case.trail.write(case.writer, 3)
        assert case.verify(against=[copy]).whole


steps = st.lists(
    st.sampled_from(["write", "write", "checkpoint", "end", "torn", "forget", "rotate"]), min_size=3, max_size=14
)


@settings(max_examples=25, deadline=None)
@example(steps=["rotate", "rotate", "checkpoint", "write", "checkpoint"], rolls=300)
@given(steps=steps, rolls=st.sampled_from([300, 1_500, 10**6]))
def test_whatever_honest_processes_do_is_whole(steps: list[str], rolls: int) -> None:
    """Several writers, rolled files, kills, torn lines, a lost state, new keys: nothing is said of any of it."""
    with tempfile.TemporaryDirectory() as folder:
        trail = Trailed(Path(folder))
        writers = [trail.writer(max_bytes=rolls)]
        for step in ("write", *steps):
            if step == "write":
                trail.write(writers[-1], 7)
                trail.write(writers[len(writers) // 2], 1)
            elif step == "checkpoint":
                assert not trail.checkpoint(writers[-1]).damage
            elif step == "forget":
                (trail.checkpoints / "state.json").unlink(missing_ok=True)
            elif step == "rotate":
                SigningKeys(trail.keys).add()
            else:
                for writer in writers:
                    writer.end()
                last = sorted(trail.audit.glob(f"{writers[-1].id}-*.jsonl"))
                if step == "torn" and last:
                    with last[-1].open("ab") as file:
                        file.write(b'{"hash":"00')
                writers = [trail.writer(max_bytes=rolls)]
                trail.write(writers[-1], 1)
        for writer in writers:
            writer.end()
        report = verify(trail.root)
        assert [str(finding) for finding in report.findings] == []
        if SigningKeys(trail.keys).public() and report.signed.count:
            assert verify(trail.root, keys=SigningKeys(trail.keys).public()[:1]).whole
