"""Only what is old, vouched for, sent and finished goes; what is left verifies, and a gap nobody declared does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_gateway.audit import Kind, covered, verify
from mcp_gateway.audit.retention import Doomed, alone, doomed
from mcp_gateway.errors import OperatorError
from tests.unit.audit.trails import Hand, Trailed

FOREVER = 1e12


@pytest.fixture
def trailed(tmp_path: Path) -> Trailed:
    return Trailed(tmp_path)


def found(
    trailed: Trailed, *, before: float = FOREVER, was_sent: Callable[[Path], bool] = lambda path: True
) -> list[Doomed]:
    return doomed(trailed.audit, before=before, covered=covered(trailed.audit), was_sent=was_sent)


def prune(trailed: Trailed, by: Hand, what: list[Doomed]) -> None:
    for one in what:
        by.write({"kind": "audit.pruned", "actor": "os:test", "named": dict(one.declaration())}, at=trailed.tick())
        one.remove()


def files_of(trailed: Trailed, writer: Hand) -> list[str]:
    return sorted(path.name for path in trailed.audit.glob(f"{writer.id}-*.jsonl"))


def test_old_files_of_a_living_writer_go_and_the_rest_verifies(trailed: Trailed) -> None:
    alive, other = trailed.writer(), trailed.writer()
    trailed.write(alive, 60)
    trailed.checkpoint(alive)
    before = files_of(trailed, alive)
    [one] = found(trailed)
    assert [path.name for path in one.paths] == before[:-1]
    prune(trailed, other, [one])
    assert files_of(trailed, alive) == before[-1:]
    assert verify(trailed.root).findings == ()
    trailed.write(alive, 5)
    trailed.checkpoint(alive)
    report = verify(trailed.root)
    assert report.findings == ()
    assert {chain.writer: chain.pruned for chain in report.writers}[alive.id] > 0


def test_the_same_gap_undeclared_is_a_deletion(trailed: Trailed) -> None:
    alive = trailed.writer()
    trailed.write(alive, 60)
    trailed.checkpoint(alive)
    [one] = found(trailed)
    one.remove()
    assert {finding.kind for finding in verify(trailed.root).findings} == {Kind.DELETED}


def test_files_that_are_young_uncovered_or_unsent_stay(trailed: Trailed) -> None:
    alive = trailed.writer()
    trailed.write(alive, 60)
    assert found(trailed) == [], "nothing vouches for them"
    trailed.checkpoint(alive)
    half = 1_000.0 + 15
    assert all(one.newest < half for one in found(trailed, before=half))
    assert len(found(trailed, before=half)[0].paths) < len(found(trailed)[0].paths)
    assert found(trailed, before=1_000.0) == []
    names = files_of(trailed, alive)
    sent = found(trailed, was_sent=lambda path: path.name != names[1])
    assert [path.name for path in sent[0].paths] == names[:1]


def test_a_writer_that_ended_goes_whole_once_a_checkpoint_says_so(trailed: Trailed) -> None:
    gone, other = trailed.writer(), trailed.writer()
    trailed.write(gone, 20)
    trailed.checkpoint(other)
    [kept] = found(trailed)
    assert len(kept.paths) == len(files_of(trailed, gone)) - 1, "its newest file may be written to"
    gone.end()
    trailed.checkpoint(other)
    [one] = found(trailed)
    assert [path.name for path in one.paths] == files_of(trailed, gone)
    prune(trailed, other, [one])
    assert files_of(trailed, gone) == []
    assert verify(trailed.root).findings == ()
    trailed.checkpoint(other)
    assert verify(trailed.root).findings == ()


def test_files_that_are_not_what_was_written_are_not_removed(trailed: Trailed) -> None:
    alive = trailed.writer()
    trailed.write(alive, 60)
    trailed.checkpoint(alive)
    [one] = found(trailed)
    lines = one.paths[0].read_bytes().splitlines(keepends=True)
    one.paths[0].write_bytes(b"".join([*lines[:3], *lines[4:]]))
    with pytest.raises(OperatorError, match="records are missing"):
        one.declaration()


def test_a_torn_end_is_no_reason_to_guess(trailed: Trailed) -> None:
    alive = trailed.writer()
    trailed.write(alive, 60)
    trailed.checkpoint(alive)
    first = trailed.audit / files_of(trailed, alive)[0]
    count = len(found(trailed)[0].paths)
    with first.open("ab") as file:
        file.write(b'{"hash":"half a line')
    assert len(found(trailed)[0].paths) == count
    first.write_bytes(b"")
    assert found(trailed) == []


def test_one_process_removes_at_a_time(trailed: Trailed) -> None:
    trailed.audit.mkdir(parents=True)
    with alone(trailed.audit) as first, alone(trailed.audit) as second:
        assert (first, second) == (True, False)
