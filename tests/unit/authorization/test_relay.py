"""The relay of our changes to a server: everything, in order, once enough; a change is not lost when it fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.backends.relay import Relay, folded
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.relationships import Condition, RelationshipTuple, all_tuples, delete_tuple, write_tuple
from mcp_gateway.storage.relays import relayed_revision
from tests.support.backends import store
from tests.unit.authorization.world import row

pytestmark = pytest.mark.anyio

TARGET = "server"
MEMBER = row("user:local/mira member group:eng")
OTHER = row("user:local/omar member group:eng")


class FarAway:
    """Where tuples go: a server's content, with a switch to be out of reach."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str, str], RelationshipTuple] = {}
        self.calls = 0
        self.reachable = True
        self.under_way = 0
        self.most_at_once = 0

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        if not self.reachable:
            raise AuthorizationUnavailable("no connection to the relationship server")
        self.calls += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await anyio.lowlevel.checkpoint()
        for one in deletes:
            self.held.pop(_key(one), None)
        for one in writes:
            self.held[_key(one)] = one
        self.under_way -= 1


def _key(one: RelationshipTuple) -> tuple[str, str, str]:
    return one.object, one.relation, one.subject


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with store(tmp_path) as (made, _):
        yield made


def relay(database: Database, far: FarAway, tmp_path: Path) -> Relay:
    """As another process on the same data directory would have it."""
    return Relay(database, far, target=TARGET, lock=tmp_path / "relay.lock")


async def write(database: Database, *rows: RelationshipTuple) -> int:
    async with database.write("os:test") as transaction:
        for one in rows:
            await write_tuple(transaction, one)
    return transaction.tuples_changed[-1]


async def delete(database: Database, *rows: RelationshipTuple) -> int:
    async with database.write("os:test") as transaction:
        for one in rows:
            await delete_tuple(transaction, one)
    return transaction.tuples_changed[-1]


async def test_a_writer_goes_on_when_the_server_has_the_change(database: Database, tmp_path: Path) -> None:
    far = FarAway()
    database.settle = relay(database, far, tmp_path).after_write
    revision = await write(database, MEMBER)
    assert list(far.held.values()) == [MEMBER]
    assert await relayed_revision(database, TARGET) == revision


async def test_a_change_the_server_did_not_take_is_kept_and_brought_by_whoever_decides_next(
    database: Database, tmp_path: Path
) -> None:
    far = FarAway()
    writer, decider = relay(database, far, tmp_path), relay(database, far, tmp_path)
    database.settle = writer.after_write
    await write(database, MEMBER)
    far.reachable = False
    with pytest.raises(AuthorizationUnavailable, match="the change is stored"):
        await delete(database, MEMBER)
    await decider.load()
    assert not decider.settled
    with pytest.raises(AuthorizationUnavailable):
        await decider.settle()
    far.reachable = True
    await decider.settle(patient=True)
    assert decider.settled
    assert far.held == {}


async def test_the_servers_caches_are_old_until_it_has_the_change_however_late(
    database: Database, tmp_path: Path
) -> None:
    far = FarAway()
    far.reachable = False
    first, second = relay(database, far, tmp_path), relay(database, far, tmp_path)
    revision = await write(database, MEMBER)
    for one in (first, second):
        one.needs(revision)
    far.reachable = True
    for one in (first, second):  # the second finds that the first has told the server
        heard = one.moved_at
        await one.settle()
        assert one.moved_at > heard
    assert far.calls == 1


async def test_after_a_failure_those_who_decide_do_not_queue_for_the_next(database: Database, tmp_path: Path) -> None:
    far = FarAway()
    far.reachable = False
    decider = relay(database, far, tmp_path)
    await write(database, MEMBER)
    await decider.load()
    for _ in range(3):
        with pytest.raises(AuthorizationUnavailable):
            await decider.settle()
    far.reachable = True
    with anyio.fail_after(10):
        while not decider.settled:
            try:
                await decider.settle()
            except AuthorizationUnavailable:
                await anyio.sleep(0.02)
    assert far.calls == 1


async def test_many_who_see_the_same_change_bring_it_once(database: Database, tmp_path: Path) -> None:
    far = FarAway()
    relays = [relay(database, far, tmp_path) for _ in range(4)]
    await write(database, MEMBER)
    async with anyio.create_task_group() as tasks:
        for one in relays:
            await one.load()
            for _ in range(3):
                tasks.start_soon(one.settle)
    assert (far.calls, far.most_at_once) == (1, 1)
    assert all(one.settled for one in relays)


async def test_the_position_never_moves_back_and_what_is_settled_asks_nothing(
    database: Database, tmp_path: Path
) -> None:
    far = FarAway()
    first = relay(database, far, tmp_path)
    await write(database, MEMBER)
    await first.load()
    await first.settle()
    await first.settle()
    first.needs(1)
    await first.settle()
    assert far.calls == 1


async def test_a_long_history_arrives_whole_and_in_windows(database: Database, tmp_path: Path) -> None:
    far = FarAway()
    rows = [row(f"user:local/u{number} member group:eng") for number in range(100)]
    await write(database, *rows)
    await delete(database, *rows[:40])
    late = Relay(database, far, target=TARGET, lock=tmp_path / "relay.lock", window=60)
    await late.load()
    assert await late.behind() == 140
    await late.settle(seconds=60)
    _, stored = await all_tuples(database)
    assert set(far.held.values()) == set(stored)
    assert far.calls == 3
    assert await late.behind() == 0


async def test_a_lock_another_holds_ends_with_a_refusal_not_with_a_wait(database: Database, tmp_path: Path) -> None:
    far = FarAway()
    holder, waiting = relay(database, far, tmp_path), relay(database, far, tmp_path)
    await write(database, MEMBER)
    await waiting.load()
    stuck = anyio.Event()

    class Stuck(FarAway):
        async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
            stuck.set()
            await anyio.sleep_forever()

    holder = relay(database, Stuck(), tmp_path)
    await holder.load()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: holder.settle(seconds=600))
        await stuck.wait()
        with pytest.raises(AuthorizationUnavailable, match="in time"):
            await waiting.settle(seconds=0.05)
        tasks.cancel_scope.cancel()
    # Who held it is gone; the lock is free and nothing is lost.
    await waiting.settle(patient=True)
    assert list(far.held.values()) == [MEMBER]


CONDITION = Condition("grant_expiry", {"expires_at": "2030-01-01T00:00:00Z"})
_rows = st.builds(
    RelationshipTuple,
    st.sampled_from(["group:a", "group:b"]),
    st.just("member"),
    st.sampled_from(["user:local/x", "user:local/y"]),
    st.sampled_from([None, CONDITION]),
)


@given(st.lists(st.tuples(st.booleans(), _rows), max_size=20), st.lists(_rows, max_size=4))
def test_what_is_folded_leaves_what_one_change_after_the_other_would(
    history: list[tuple[bool, RelationshipTuple]], before: list[RelationshipTuple]
) -> None:
    one_by_one = {_key(one): one for one in before}
    at_once = dict(one_by_one)
    changes: list[Change] = []
    for number, (written, one) in enumerate(history):
        one_by_one.pop(_key(one), None)
        if written:
            one_by_one[_key(one)] = one
        changes.append(_change(number, written, one))
    deletes, writes = folded(changes)
    for one in deletes:
        at_once.pop(_key(one), None)
    at_once |= {_key(one): one for one in writes}
    assert at_once == one_by_one
    assert not {_key(one) for one in deletes} & {_key(one) for one in writes}


def _change(number: int, written: bool, one: RelationshipTuple) -> Change:
    condition = one.condition
    payload = {
        "object": one.object,
        "relation": one.relation,
        "subject": one.subject,
        "condition": {"name": condition.name, "context": dict(condition.context)} if condition else None,
    }
    return Change(number, 0.0, "os:test", "tuple.written" if written else "tuple.deleted", payload)
