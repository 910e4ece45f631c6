"""Checkpoints of what several writers left and go on writing, made by one process after another."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.audit.checkpoint import Checkpoint, Standing, read
from mcp_gateway.audit.checkpoint_keeper import Keeper, Ours
from mcp_gateway.audit.checkpoint_key import SigningKeys
from mcp_gateway.audit.checkpoint_log import checkpoint_files, lines_of
from mcp_gateway.audit.merkle import Frontier, leaf_hash
from mcp_gateway.errors import OperatorError
from tests.unit.audit.trails import Trailed


@pytest.fixture
def trail(tmp_path: Path) -> Trailed:
    made = Trailed(tmp_path)
    made.audit.mkdir()
    return made


def all_of(trail: Trailed) -> list[Checkpoint]:
    return [read(line) for path in checkpoint_files(trail.checkpoints) for line in lines_of(path)]


def root_of(trail: Trailed, writer: str) -> str:
    """Of everything in the writer's files."""
    tree = Frontier()
    for path in sorted(trail.audit.glob(f"{writer}-*.jsonl")):
        for line in path.read_bytes().splitlines():
            tree.add(leaf_hash(bytes.fromhex(line[9:73].decode())))
    return tree.root().hex()


def test_a_checkpoint_covers_every_writer_and_goes_on_from_the_one_before(trail: Trailed) -> None:
    one, two = trail.writer(), trail.writer()
    trail.write(one, 30)
    trail.write(two, 3)
    trail.checkpoint()
    trail.write(two, 2)
    trail.checkpoint()
    first, second = all_of(trail)
    assert {covered.writer: covered.size for covered in first.said.writers} == {one.id: 30, two.id: 3}
    (changed,) = second.said.writers
    assert (changed.writer, changed.size, changed.root) == (two.id, 5, root_of(trail, two.id))
    assert (second.number, second.said.prev, second.said.records) == (2, first.hash, 35)
    assert first.is_signed() and second.is_signed()
    assert second.said.tree.size == 2


def test_nothing_new_makes_no_checkpoint(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 1)
    assert trail.checkpoint().checkpoint is not None
    assert trail.checkpoint().checkpoint is None


def test_a_writer_is_closed_only_when_it_has_ended(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 40)
    trail.checkpoint()
    writer.end()
    trail.checkpoint()
    assert [one.said.writers[0].closed for one in all_of(trail)] == [False, True]


def test_one_keeper_at_a_time(trail: Trailed) -> None:
    first, second = Keeper(trail.audit, trail.keys), Keeper(trail.audit, trail.keys)
    assert first.begin()
    assert not second.begin()
    first.end()
    assert second.begin()
    second.end()


def test_what_was_read_is_not_read_again_after_a_restart(trail: Trailed) -> None:
    writer = trail.writer(max_bytes=100_000)
    trail.write(writer, 50)
    trail.checkpoint()
    (path,) = trail.audit.glob("*.jsonl")
    # Were it read again, it would be damaged.
    with path.open("r+b") as file:
        file.write(b"x" * 20)
    trail.write(writer, 1)
    made = trail.checkpoint()
    assert made.checkpoint is not None
    assert not made.damage


@pytest.mark.parametrize("state", [None, "nonsense", '{"writers":{"W":{"size":3,"peaks":[]}}}'])
def test_a_lost_state_is_made_anew(trail: Trailed, state: str | None) -> None:
    writer = trail.writer()
    trail.write(writer, 50)
    trail.checkpoint()
    path = trail.checkpoints / "state.json"
    if state is None:
        path.unlink()
    else:
        path.write_text(state.replace("W", writer.id))
    trail.write(writer, 1)
    made = trail.checkpoint()
    assert made.checkpoint is not None
    assert made.checkpoint.said.writers[0].root == root_of(trail, writer.id)


def test_a_state_behind_the_checkpoint_catches_up(trail: Trailed) -> None:
    """A process killed between the two."""
    writer = trail.writer()
    trail.write(writer, 5)
    trail.checkpoint()
    kept = (trail.checkpoints / "state.json").read_bytes()
    trail.write(writer, 5)
    trail.checkpoint()
    (trail.checkpoints / "state.json").write_bytes(kept)
    trail.write(writer, 5)
    made = trail.checkpoint()
    assert made.checkpoint is not None
    assert made.checkpoint.said.writers[0].root == root_of(trail, writer.id)


def test_a_torn_checkpoint_is_taken_back(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 5)
    trail.checkpoint()
    with checkpoint_files(trail.checkpoints)[0].open("ab") as file:
        file.write(b'{"signature":"half')
    trail.write(writer, 5)
    trail.checkpoint()
    assert [one.number for one in all_of(trail)] == [1, 2]


def test_a_checkpoint_that_is_none_stops_with_where_it_stands(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 5)
    trail.checkpoint()
    path = checkpoint_files(trail.checkpoints)[0]
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(OperatorError, match=r"000001\.jsonl:1"):
        trail.checkpoint()


def test_every_file_of_checkpoints_begins_with_everything(trail: Trailed) -> None:
    one, two = trail.writer(), trail.writer()
    trail.write(one, 2)
    trail.write(two, 2)
    keeper = Keeper(trail.audit, trail.keys, checkpoint_file_bytes=500)
    assert keeper.begin()
    for _ in range(3):
        trail.write(two, 1)
        keeper.make(at=trail.tick())
    keeper.end()
    files = checkpoint_files(trail.checkpoints)
    assert len(files) > 1
    for path in files:
        first = read(next(lines_of(path)))
        assert first.said.full
        assert [covered.writer for covered in first.said.writers] == [one.id, two.id] or len(first.said.writers) == 2
        standing = Standing()
        standing.follow(first)
        assert standing.tree.root().hex() == first.said.tree.root


def test_what_this_process_wrote_and_the_file_no_longer_holds_is_not_vouched_for(trail: Trailed) -> None:
    writer, other = trail.writer(max_bytes=100_000), trail.writer()
    trail.write(other, 1)
    trail.write(writer, 5)
    trail.checkpoint(writer)
    trail.write(writer, 3)
    path = trail.audit / f"{writer.id}-000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:7]))
    made = trail.checkpoint(writer)
    assert made.damage == {writer.id: "records 8–8 are no longer in the files"}
    assert made.checkpoint is None


def test_a_record_put_in_the_place_of_ours_is_not_vouched_for(trail: Trailed) -> None:
    writer = trail.writer(max_bytes=100_000)
    trail.write(writer, 5)
    keeper = Keeper(trail.audit, trail.keys)
    assert keeper.begin()
    made = keeper.make(at=1.0, ours=Ours(writer.id, writer.seq, "ab" * 32))
    keeper.end()
    assert "record 5 is not the one that was written" in made.damage[writer.id]


def test_a_gap_is_damage_and_the_other_writers_are_still_covered(trail: Trailed) -> None:
    writer, other = trail.writer(max_bytes=100_000), trail.writer()
    trail.write(writer, 5)
    trail.write(other, 5)
    path = trail.audit / f"{writer.id}-000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    made = trail.checkpoint()
    assert "record 3" in made.damage[writer.id]
    assert made.checkpoint is not None
    assert [covered.writer for covered in made.checkpoint.said.writers] == [other.id]


def test_a_round_reads_so_much_and_the_next_goes_on(trail: Trailed) -> None:
    writer = trail.writer(max_bytes=10_000_000)
    trail.write(writer, 3_000)
    keeper = Keeper(trail.audit, trail.keys, round_bytes=300_000)
    assert keeper.begin()
    rounds = [keeper.make(at=trail.tick())]
    while rounds[-1].more:
        rounds.append(keeper.make(at=trail.tick()))
    keeper.end()
    assert len(rounds) > 2
    assert all_of(trail)[-1].said.writers[0].size == 3_000
    assert all_of(trail)[-1].said.writers[0].root == root_of(trail, writer.id)


def test_a_new_key_is_announced_by_the_old_one(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 1)
    trail.checkpoint()
    SigningKeys(trail.keys).add()
    trail.checkpoint()
    trail.write(writer, 1)
    trail.checkpoint()
    old, new = SigningKeys(trail.keys).public()
    assert [(one.said.key, one.said.next_key) for one in all_of(trail)] == [(old, None), (old, new), (new, None)]
    assert {path.stat().st_mode & 0o777 for path in trail.keys.iterdir()} == {0o600}


def test_a_torn_record_of_a_killed_process_is_no_damage(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 3)
    writer.end()
    with (trail.audit / f"{writer.id}-000001.jsonl").open("ab") as file:
        file.write(b'{"hash":"abc')
    made = trail.checkpoint()
    assert not made.damage
    assert made.checkpoint is not None
    assert (made.checkpoint.said.writers[0].size, made.checkpoint.said.writers[0].closed) == (3, True)
