"""Files removed under retention: declared, they are said and are no finding; undeclared, they are deletions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcp_gateway.audit import Kind, covered, tombstone, verify
from mcp_gateway.audit.checkpoint_key import SigningKeys
from mcp_gateway.audit.proof import check, prove
from mcp_gateway.errors import OperatorError
from tests.unit.audit.trails import Hand, Trailed


@pytest.fixture
def trail(tmp_path: Path) -> Trailed:
    return Trailed(tmp_path)


def rolled(trail: Trailed) -> Hand:
    """A writer with five files and more, all covered."""
    writer = trail.writer(max_bytes=1_000)
    trail.write(writer, 20)
    trail.checkpoint()
    assert len(files(trail, writer)) > 5
    return writer


def files(trail: Trailed, writer: Hand) -> list[Path]:
    return sorted(trail.audit.glob(f"{writer.id}-*.jsonl"))


def prune(trail: Trailed, writer: Hand, upto: int, by: Hand) -> int:
    """Declare and remove the first `upto` files; the last record that may be missing."""
    told = tombstone(trail.audit, writer.id, upto)
    by.write({"kind": "audit.pruned", "actor": "gateway", "named": dict(told)}, at=trail.tick())
    for path in files(trail, writer)[:upto]:
        path.unlink()
    return int(told["seq"])


def whole(trail: Trailed) -> bool:
    return verify(trail.root, keys=SigningKeys(trail.keys).public()).whole


def test_a_declared_gap_is_no_deletion_before_and_after_the_next_checkpoint(trail: Trailed) -> None:
    writer, other = rolled(trail), trail.writer()
    upto = prune(trail, writer, 2, other)
    report = verify(trail.root)
    assert report.whole
    assert {one.writer: one.pruned for one in report.writers} == {writer.id: upto, other.id: 0}
    trail.checkpoint()
    assert whole(trail)
    trail.write(writer, 5)
    trail.checkpoint()
    assert whole(trail)


def test_an_undeclared_file_beyond_the_declared_is_a_deletion(trail: Trailed) -> None:
    writer, other = rolled(trail), trail.writer()
    upto = prune(trail, writer, 2, other)
    files(trail, writer)[0].unlink()
    for _ in range(2):
        (finding,) = verify(trail.root).findings
        assert (finding.kind, finding.first) == (Kind.DELETED, upto + 1)
        trail.checkpoint()


def test_the_declaration_lives_on_in_checkpoints_when_its_record_is_pruned_too(trail: Trailed) -> None:
    writer, other = rolled(trail), trail.writer(max_bytes=1_000)
    writer.end()
    prune(trail, writer, 2, other)
    trail.write(other, 20)
    trail.checkpoint()
    prune(trail, writer, 99, other)
    trail.checkpoint()
    prune(trail, other, 4, trail.writer())
    trail.checkpoint()
    report = verify(trail.root)
    assert report.whole
    assert not files(trail, writer)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_prune_that_was_interrupted_is_whole(trail: Trailed, gone: int) -> None:
    writer, other = rolled(trail), trail.writer()
    other.write({"kind": "audit.pruned", "named": dict(tombstone(trail.audit, writer.id, 3))}, at=trail.tick())
    for path in files(trail, writer)[:gone]:
        path.unlink()
    assert whole(trail)
    trail.checkpoint()
    assert whole(trail)


def test_records_behind_a_gap_are_still_proven(trail: Trailed) -> None:
    writer, other = rolled(trail), trail.writer()
    upto = prune(trail, writer, 3, other)
    trail.checkpoint()
    for seq in (upto + 1, 20):
        assert check_seq(trail, writer, seq) == seq
    with pytest.raises(OperatorError, match="not there"):
        prove(trail.root, writer.id, upto)


def check_seq(trail: Trailed, writer: Hand, seq: int) -> int:
    proof = json.dumps(prove(trail.root, writer.id, seq)).encode()
    return int(check(proof, SigningKeys(trail.keys).public()).record["seq"])


def test_what_no_checkpoint_covers_gets_no_tombstone(trail: Trailed) -> None:
    writer = rolled(trail)
    trail.write(writer, 20)
    with pytest.raises(OperatorError, match="no checkpoint covers"):
        tombstone(trail.audit, writer.id, len(files(trail, writer)))
    assert covered(trail.audit) == {writer.id: 20}


def test_a_gap_is_not_covered_up_by_pruning_around_it(trail: Trailed) -> None:
    writer = rolled(trail)
    files(trail, writer)[1].unlink()
    with pytest.raises(OperatorError, match="missing"):
        tombstone(trail.audit, writer.id, 4)
