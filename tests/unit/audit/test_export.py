"""An export has the records as they were hashed, or a table no cell of which runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.audit import Wanted, sentence, verify
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.audit.export import to_directory, to_file
from mcp_gateway.audit.export_csv import COLUMNS, neutral, to_csv
from mcp_gateway.errors import OperatorError
from tests.unit.audit.own_trails import Written, decided, nobody
from tests.unit.audit.trails import Trailed

MIRA = Wanted(user="user:local/mira")
CHECKPOINT = b'{"signature":"s","v":1}\n'


@pytest.fixture
def trail(tmp_path: Path) -> Written:
    written = Written(tmp_path / "audit")
    written.put("a", decided(1), decided(2, user="user:local/ana"))
    written.put("a", decided(3), number=2)
    written.put("b", {"kind": "login.failed", "at": 2.5, "actor": "user:unknown", "named": {"address": "192.0.2.7"}})
    (written.directory / "checkpoints").mkdir()
    (written.directory / "checkpoints" / "000001.jsonl").write_bytes(CHECKPOINT)
    return written


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def records_of(trail: Written) -> list[bytes]:
    return [line for path in sorted(trail.directory.glob("*.jsonl")) for line in lines(path)]


def test_a_file_has_every_line_byte_for_byte_behind_the_checkpoints(trail: Written, tmp_path: Path) -> None:
    found = to_file(trail.directory, tmp_path / "out.jsonl", at=9.0, progress=nobody)
    header, checkpoint, *records = lines(tmp_path / "out.jsonl")
    assert json.loads(header) == {"export": 1, "at": 9.0, "filtered": None}
    assert header.startswith(b'{"export":1,')
    assert checkpoint == CHECKPOINT
    assert records == records_of(trail)
    assert (found.records, found.checkpoints, found.filtered) == (4, 1, False)
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_part_says_that_it_is_one_and_by_what(trail: Written, tmp_path: Path) -> None:
    found = to_file(trail.directory, tmp_path / "out.jsonl", wanted=MIRA, at=9.0, progress=nobody)
    header, _, *records = lines(tmp_path / "out.jsonl")
    assert json.loads(header)["filtered"] == {"user": "user:local/mira"}
    assert [json.loads(record)["at"] for record in records] == [1, 3]
    assert set(records) <= set(records_of(trail))
    assert (found.records, found.filtered) == (2, True)


def test_a_line_that_is_being_written_is_left_to_the_next_export(trail: Written, tmp_path: Path) -> None:
    with (trail.directory / "b-000001.jsonl").open("ab") as file:
        file.write(b'{"hash":"ab')
    found = to_file(trail.directory, tmp_path / "out.jsonl", at=9.0, progress=nobody)
    assert found.records == 4
    assert all(line.endswith(b"\n") for line in lines(tmp_path / "out.jsonl"))


def test_a_directory_has_the_same_files_and_verifies(trail: Written, tmp_path: Path) -> None:
    found = to_directory(trail.directory, tmp_path / "out", progress=nobody)
    for path in trail.directory.rglob("*.jsonl"):
        assert (tmp_path / "out" / path.relative_to(trail.directory)).read_bytes() == path.read_bytes()
    assert (found.records, found.checkpoints) == (4, 1)
    assert [chain.records for chain in verify(tmp_path / "out").writers] == [3, 1]


def test_a_part_with_proofs_shows_that_each_record_was_there(tmp_path: Path) -> None:
    trailed = Trailed(tmp_path / "data")
    writer = trailed.writer()
    trailed.write(writer, 40)
    trailed.checkpoint(writer)
    wanted, part = Wanted(since=1_005.0, until=1_008.0), tmp_path / "part.jsonl"
    found = to_file(trailed.audit, part, wanted=wanted, proofs=True, at=9.0, progress=nobody)
    assert found.proofs == found.records == 6
    report = verify(part)
    assert (report.findings, report.proofs, report.filtered) == ((), 6, True)
    trailed.write(writer, 1)
    with pytest.raises(OperatorError, match="no checkpoint covers"):
        to_file(trailed.audit, tmp_path / "more", wanted=Wanted(since=1.0), proofs=True, at=9.0, progress=nobody)
    assert not (tmp_path / "more").exists()


def test_what_is_there_is_replaced_only_by_force(trail: Written, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("mine")
    with pytest.raises(OperatorError, match="there is something already"):
        to_file(trail.directory, target, at=9.0, progress=nobody)
    assert target.read_text() == "mine"
    to_file(trail.directory, target, at=9.0, force=True, progress=nobody)
    assert len(lines(target)) == 6
    to_directory(trail.directory, tmp_path / "out", progress=nobody)
    (tmp_path / "out" / "old-000001.jsonl").write_text("of an earlier export")
    with pytest.raises(OperatorError, match="there is something already"):
        to_directory(trail.directory, tmp_path / "out", progress=nobody)
    to_directory(trail.directory, tmp_path / "out", force=True, progress=nobody)
    assert not (tmp_path / "out" / "old-000001.jsonl").exists()


def test_an_export_that_fails_leaves_nothing(trail: Written, tmp_path: Path) -> None:
    def give_up(done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OperatorError, match="No space left"):
        to_file(trail.directory, tmp_path / "out.jsonl", at=9.0, progress=give_up)
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]
    with pytest.raises(OperatorError, match="cannot be written"):
        to_file(trail.directory, tmp_path / "none" / "out.jsonl", at=9.0, progress=nobody)


def test_a_table_has_a_sentence_and_the_columns_of_each_record(trail: Written, tmp_path: Path) -> None:
    to_csv(trail.directory, tmp_path / "out.csv", wanted=MIRA, progress=nobody)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    first = rows[0]
    assert first["sentence"] == sentence(decided(1))
    assert (first["at"], first["latency_ms"]) == ("1970-01-01T00:00:01.000+00:00", "1.5")
    assert (first["objects"], first["reasons"]) == ("ticket:tickets/T-391", "agent.not_granted tool.unavailable")
    assert (first["writer"], first["seq"]) == ("a", "1")
    assert len(first["hash"]) == 64


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_a_cell_from_a_stranger_is_no_formula(tmp_path: Path, start: str) -> None:
    trail = Written(tmp_path / "audit")
    for evil in (f"{start}cmd|' /C calc'!A0", f"{start}=1", f"\u00a0 {start}=1"):
        trail.put("a", decided(1, tool=evil, user=evil, code=evil))
    to_csv(trail.directory, tmp_path / "out.csv", progress=nobody)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row[name].startswith("'") for row in rows for name in ("tool", "user"))


@given(cell=st.text())
def test_no_cell_begins_as_a_formula_and_none_loses_a_character(cell: str) -> None:
    made = neutral(cell)
    assert made in (cell, "'" + cell)
    assert not made.lstrip().startswith(("=", "+", "-", "@"))
    assert not made.startswith(("\t", "\r", "\n"))


def test_a_table_shows_what_is_sealed_only_when_asked_to(tmp_path: Path) -> None:
    personal, trail = Personal(tmp_path / "people"), Written(tmp_path / "audit")
    named = personal.of_event("user:local/mira", {"address": "192.0.2.7"})
    trail.put("a", {"kind": "login.succeeded", "at": 1, "actor": "user:local/mira", "named": named})
    to_csv(trail.directory, tmp_path / "sealed.csv", progress=nobody)
    to_csv(trail.directory, tmp_path / "open.csv", opened=personal.opened, progress=nobody)
    assert "192.0.2.7" not in (tmp_path / "sealed.csv").read_text()
    assert "address=192.0.2.7" in (tmp_path / "open.csv").read_text()
