"""The replica's feed: in whatever order the server's log appears, the copy ends with the server's tuples."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.backends.replica_copy import LocalCopy
from mcp_gateway.authorization.backends.replica_feed import OVERLAP_SECONDS, ReplicaFeed, newest_change
from mcp_gateway.authorization.backends.replica_log import Place, place_of
from mcp_gateway.authorization.backends.replica_reconcile import reconcile
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.changing_server import EPOCH, ChangingServer
from tests.unit.authorization.world import LATER, MODEL, row

pytestmark = pytest.mark.anyio

MEMBER = row("user:local/mira member group:local/eng")
SECRET = row("group:local/eng#member viewer ticket:tickets/T-9")
ENABLED = row("user:* enabled server:tickets")
EXPIRING = row("user:local/mira caller server:tickets", expires_at=LATER)
LONGER = row("user:local/mira caller server:tickets", expires_at="2027-01-15T09:00:00Z")


def feed_of(server: ChangingServer) -> tuple[ReplicaFeed, LocalCopy]:
    copy = LocalCopy(MODEL)
    return ReplicaFeed(server, copy, changed=lambda: None, clock=server.clock), copy


async def filled(server: ChangingServer) -> tuple[ReplicaFeed, LocalCopy]:
    feed, copy = feed_of(server)
    await feed.fill()
    return feed, copy


def held(copy: LocalCopy) -> set[Place]:
    return set(copy.places())


def places(*rows: RelationshipTuple) -> set[Place]:
    return {place_of(one) for one in rows}


@asynccontextmanager
async def looking(server: ChangingServer, feed: ReplicaFeed) -> AsyncGenerator[None]:
    async def look() -> None:
        while True:
            server.now += 0.5
            await feed.look()
            await feed.read_again()
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            yield
            tasks.cancel_scope.cancel()


async def test_the_first_read_takes_every_page() -> None:
    server = ChangingServer()
    rows = [row(f"user:local/u{number} member group:local/eng") for number in range(10)]
    for one in rows:
        server.write(one)
    _, copy = await filled(server)
    assert held(copy) == places(*rows)


async def test_what_was_removed_while_everything_was_read_is_gone() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    server.write(ENABLED)

    async def remove(page: Sequence[RelationshipTuple]) -> None:
        if MEMBER in page:
            server.delete(MEMBER)

    server.between = remove
    _, copy = await filled(server)
    assert held(copy) == places(ENABLED)


async def test_a_look_sees_what_changed_and_of_one_tuple_the_last_word() -> None:
    server = ChangingServer()
    feed, copy = await filled(server)
    for one in (MEMBER, SECRET, ENABLED):
        server.write(one)
    server.delete(MEMBER)
    server.write(MEMBER)
    server.delete(SECRET)
    await feed.look()
    assert held(copy) == places(MEMBER, ENABLED)


async def test_a_condition_that_changed_counts_as_changed() -> None:
    server = ChangingServer()
    server.write(EXPIRING)
    feed, copy = await filled(server)
    server.delete(EXPIRING)
    server.write(LONGER)
    await feed.look()
    assert copy.agrees(place_of(LONGER), LONGER)
    assert not copy.agrees(place_of(LONGER), EXPIRING)


async def test_a_line_that_appears_behind_lines_already_read_is_found() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    server.delete(MEMBER, visible_after=1.0)
    server.write(ENABLED)
    await feed.look()
    await feed.read_again()
    assert held(copy) == places(MEMBER, ENABLED)
    server.now += 1
    await feed.look()
    assert held(copy) == places(MEMBER, ENABLED)
    await feed.read_again()
    assert held(copy) == places(ENABLED)


async def test_a_line_that_appears_late_is_found_also_after_an_outage() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    server.delete(MEMBER, visible_after=1.0)
    server.write(ENABLED)
    await feed.look()
    server.down = True
    with pytest.raises(AuthorizationUnavailable):
        await feed.read_again()
    server.down = False
    server.now += 10 * OVERLAP_SECONDS
    await feed.read_again()
    assert held(copy) == places(ENABLED)


async def test_a_look_that_fails_is_made_up_for_by_the_next() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    before = feed.as_of
    server.delete(MEMBER)
    server.down = True
    with pytest.raises(AuthorizationUnavailable):
        await feed.look()
    assert feed.as_of == before
    server.down = False
    await feed.look()
    assert held(copy) == set()
    assert feed.as_of == server.now


async def test_an_old_line_does_not_undo_what_was_written_by_ourselves() -> None:
    server = ChangingServer()
    feed, copy = await filled(server)
    server.write(MEMBER)
    # Deleted through this gateway: the server has it, its log does not show it yet.
    server.delete(MEMBER, visible_after=5.0)
    feed.learn({place_of(MEMBER): None})
    await feed.look()
    assert held(copy) == set()


async def test_what_another_system_writes_after_us_counts() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    server.delete(MEMBER)
    feed.learn({place_of(MEMBER): None})
    server.write(MEMBER)
    await feed.look()
    assert held(copy) == places(MEMBER)


async def test_reading_again_does_not_undo_what_a_look_finds_meanwhile() -> None:
    server = ChangingServer()
    rows = [row(f"user:local/u{number} member group:local/eng") for number in range(7)]
    for one in rows:
        server.write(one)
    feed, copy = await filled(server)
    server.write(MEMBER)
    await feed.look()

    async def look_in_between() -> None:
        server.paused = None
        server.delete(MEMBER)
        await feed.look()

    # The last page of the reading has the member still, and is counted after the look that has not.
    server.paused = look_in_between
    await feed.read_again()
    assert held(copy) == places(*rows)


async def test_what_we_write_while_the_server_is_asked_about_it_is_newer_than_its_answer() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    server.delete(MEMBER)
    feed.learn({place_of(MEMBER): None})
    server.write(MEMBER)

    async def delete_again() -> None:
        server.now += 1
        server.delete(MEMBER, visible_after=5.0)
        feed.learn({place_of(MEMBER): None})

    server.answering = delete_again
    await feed.look()
    assert held(copy) == set()


async def test_a_quiet_server_is_asked_one_question_a_look() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, _ = await filled(server)
    server.now += OVERLAP_SECONDS + 1
    await feed.read_again()
    before = server.asked
    for _ in range(10):
        server.now += 1
        await feed.look()
        await feed.read_again()
    assert server.asked == before + 10


async def test_a_tuple_the_model_does_not_know_counts_as_absent() -> None:
    server = ChangingServer()
    server.write(row("user:local/mira owner house:1"))
    _, copy = await filled(server)
    assert held(copy) == set()
    assert copy.agrees(("house:1", "owner", "user:local/mira"), row("user:local/mira owner house:1"))


async def test_a_stored_in_context_refuses_everything_until_it_is_deleted() -> None:
    server = ChangingServer()
    bound = row("user:local/mira in_context agent:local/docs")
    server.write(bound)
    feed, copy = await filled(server)
    assert copy.engine.refusal == "relationship.in_context_stored"
    server.delete(bound)
    await feed.look()
    assert copy.engine.refusal is None


@pytest.mark.parametrize("lines", [0, 1, 20])
async def test_the_log_is_searched_for_its_newest_line_by_the_servers_own_clock(lines: int) -> None:
    server = ChangingServer()
    for number in range(lines):
        server.now = number * 1000.0
        server.write(row(f"user:local/u{number} member group:local/eng"))
    found = await newest_change(server)
    if not lines:
        assert found is None
        return
    assert found is not None
    assert abs(found - (EPOCH + (lines - 1) * 1000)) <= 1.0


async def test_a_change_the_log_lost_is_found_and_alarmed(caplog: pytest.LogCaptureFixture) -> None:
    server = ChangingServer()
    for one in (MEMBER, EXPIRING):
        server.write(one)
    feed, copy = await filled(server)
    server.delete(MEMBER, logged=False)
    server.write(ENABLED, logged=False)
    server.write(LONGER, logged=False)
    async with looking(server, feed):
        found = await reconcile(server, copy, feed, clock=server.clock)
    assert found == 3
    assert held(copy) == places(ENABLED, LONGER)
    assert copy.agrees(place_of(LONGER), LONGER)
    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(alarms) == 1
    assert "missed 3 changes" in alarms[0]
    assert "user:local/mira member group:local/eng should be gone" in alarms[0]


async def test_what_is_still_on_its_way_is_no_loss(caplog: pytest.LogCaptureFixture) -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    server.delete(MEMBER, visible_after=0.2)
    server.write(ENABLED, visible_after=0.2)
    async with looking(server, feed):
        assert await reconcile(server, copy, feed, clock=server.clock) == 0
    assert held(copy) == places(ENABLED)
    assert not caplog.records


async def test_what_was_repaired_stays_although_the_log_says_otherwise() -> None:
    server = ChangingServer()
    server.write(MEMBER)
    feed, copy = await filled(server)
    server.delete(MEMBER, logged=False)
    async with looking(server, feed):
        assert await reconcile(server, copy, feed, clock=server.clock) == 1
        for _ in range(20):
            await feed.looked(after=server.now)
            assert held(copy) == set()


Step = tuple[Literal["write", "delete", "own_write", "own_delete", "look", "again", "pass"], int, float]
STEPS = st.tuples(
    st.sampled_from(["write", "delete", "own_write", "own_delete", "look", "again", "pass"]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.5, 3.0, 20.0]),
)


@given(st.lists(STEPS, max_size=25))
def test_the_copy_ends_with_the_servers_tuples(steps: list[Step]) -> None:
    anyio.run(_ends_with_the_servers_tuples, steps)


async def _ends_with_the_servers_tuples(steps: list[Step]) -> None:
    server = ChangingServer()
    feed, copy = await filled(server)
    rows = [MEMBER, SECRET, EXPIRING, LONGER]
    for action, which, seconds in steps:
        one = rows[which]
        match action:
            case "pass":
                server.now += seconds
            case "look":
                await feed.look()
            case "again":
                await feed.read_again()
            case "write" | "own_write":
                _written(server, one, seconds)
            case "delete" | "own_delete":
                if server.tuples_now.get(place_of(one)) is not None:
                    server.delete(one, visible_after=seconds)
        if action.startswith("own_"):
            feed.learn({place_of(one): server.tuples_now.get(place_of(one))})
    for _ in range(20):
        server.now += 2.5
        await feed.look()
        await feed.read_again()
    assert held(copy) == set(server.tuples_now)
    assert all(copy.agrees(place, one) for place, one in server.tuples_now.items())


def _written(server: ChangingServer, one: RelationshipTuple, seconds: float) -> None:
    """As a server writes: what stands already is left, another condition is a deletion and a write."""
    stands = server.tuples_now.get(place_of(one))
    if stands == one:
        return
    if stands is not None:
        server.delete(stands, visible_after=seconds)
    server.write(one, visible_after=seconds)
