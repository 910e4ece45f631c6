"""The replica answers from its copy while that is young, asks the server what must be fresh, and denies otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from mcp_gateway.authorization import Authorization, EmbeddedRelationships
from mcp_gateway.authorization.backends.replica import Pace, ReplicaRelationships
from mcp_gateway.authorization.relationships import Answers, InContext
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check, Decision
from mcp_gateway.model.tool import Risk
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.changing_server import ChangingServer
from tests.unit.authorization.world import MIRA, MODEL, NOW, allowed_rows, codes, mira, row, tool

pytestmark = pytest.mark.anyio

READ = tool("ticket_get")
WRITE = tool("ticket_update", Risk.WRITE)
ROWS = allowed_rows(READ, WRITE)
CALLER = row(f"{MIRA} caller server:tickets")
DATABASE = Database(Path("unused"))
PACE = Pace(max_staleness_seconds=5.0, look_seconds=0.01, reconcile_seconds=3600.0)


class AskedDirectly(EmbeddedRelationships):
    """What the server itself answers: by its tuples of this moment, while it is up."""

    def __init__(self, server: ChangingServer) -> None:
        super().__init__(MODEL)
        self._server = server

    async def load(self, database: Database) -> None:
        self.replace((), revision=1)

    async def follow(self, changes: Sequence[Change]) -> None:
        self._revision = changes[-1].revision

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        await self._server.ready()
        self.replace(self._server.tuples_now.values(), revision=self._revision)
        return await super().answer(checks, in_context=in_context, now=now, fresh=fresh)


class World:
    def __init__(self) -> None:
        self.server = ChangingServer()
        for one in ROWS:
            self.server.write(one)
        self.changes = 0
        self.direct = AskedDirectly(self.server)
        self.replica = ReplicaRelationships(
            MODEL, self.direct, self.server, pace=PACE, changed=self._changed, clock=self.server.clock
        )
        self.authorization = Authorization(self.replica)

    def _changed(self) -> None:
        self.changes += 1
        self.authorization.forget()

    async def decide(self, asked: object = READ) -> Decision:
        assert asked in (READ, WRITE)
        return await self.authorization.decide(mira(), WRITE if asked is WRITE else READ, {}, now=NOW + self.server.now)

    async def look(self) -> None:
        """Let the replica run until it has looked after this moment."""
        self.server.now += 0.01
        moment = self.server.now
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.replica.run)
                while self.replica.as_of is None or self.replica.as_of < moment:
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()


async def a_world() -> World:
    world = World()
    await world.replica.load(DATABASE)
    await world.look()
    return world


async def test_until_everything_was_read_the_server_is_asked() -> None:
    world = World()
    await world.replica.load(DATABASE)
    assert (await world.decide()).allowed
    world.server.delete(CALLER)
    assert codes(await world.decide()) == ["user.not_allowed"]
    world.server.down = True
    with pytest.raises(AuthorizationUnavailable):
        await world.decide()


async def test_what_we_write_while_everything_is_read_counts() -> None:
    world = World()
    await world.replica.load(DATABASE)

    async def revoke(page: Sequence[RelationshipTuple]) -> None:
        if CALLER in page:
            world.server.delete(CALLER, visible_after=1000.0)
            await world.authorization.follow([_deleted(CALLER_PAYLOAD)])

    world.server.between = revoke
    await world.look()
    assert codes(await world.decide()) == ["user.not_allowed"]


async def test_a_copy_that_took_long_to_read_does_not_begin_too_old() -> None:
    world = World()
    await world.replica.load(DATABASE)

    async def slowly() -> None:
        world.server.now += 14
        world.server.paused = None

    world.server.paused = slowly
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.replica.run)
            while world.replica.as_of is None:
                await anyio.lowlevel.checkpoint()
            assert (await world.decide()).allowed
            tasks.cancel_scope.cancel()


async def test_a_log_that_hides_its_newest_lines_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.replica.load(DATABASE)
    world.server.now += 10
    world.server.write(row(f"{MIRA} member group:local/eng"), visible_after=60)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.replica.run)
            while not any("changelog-horizon-offset" in record.getMessage() for record in caplog.records):
                await anyio.sleep(0.001)
            # The server goes on to be asked.
            assert world.replica.as_of is None
            assert (await world.decide()).allowed
            world.server.now += 60
            while world.replica.as_of is None:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()


async def test_what_was_read_from_the_server_decides() -> None:
    world = await a_world()
    assert (await world.decide()).allowed
    asked = world.server.asked
    assert (await world.decide()).allowed
    assert world.server.asked == asked


async def test_a_change_on_the_server_counts_from_the_next_look_on_also_for_kept_decisions() -> None:
    world = await a_world()
    assert (await world.decide()).allowed
    world.server.delete(CALLER)
    assert (await world.decide()).allowed
    await world.look()
    assert codes(await world.decide()) == ["user.not_allowed"]


async def test_a_look_that_finds_nothing_new_keeps_the_decisions() -> None:
    world = await a_world()
    assert (await world.decide()).allowed
    before = world.changes
    await world.look()
    assert world.changes == before


async def test_a_write_is_decided_by_the_server_itself() -> None:
    world = await a_world()
    assert (await world.decide(WRITE)).allowed
    world.server.delete(CALLER)
    assert codes(await world.decide(WRITE)) == ["user.not_allowed"]


async def test_a_write_is_denied_at_once_when_the_server_is_gone() -> None:
    world = await a_world()
    world.server.down = True
    assert (await world.decide(READ)).allowed
    with pytest.raises(AuthorizationUnavailable):
        await world.decide(WRITE)


async def test_reads_are_answered_until_the_bound_and_then_denied() -> None:
    world = await a_world()
    world.server.down = True
    world.server.now += 4.8
    assert (await world.decide()).allowed
    world.server.now += 0.4
    with pytest.raises(AuthorizationUnavailable) as raised:
        await world.decide()
    assert raised.value.code == "relationship.stale"


async def test_a_clock_that_was_set_back_does_not_prolong_what_was_kept() -> None:
    world = await a_world()
    assert (await world.decide()).allowed
    world.server.down = True
    world.server.now += 6
    kept = world.changes
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.replica.run)
            while world.changes == kept:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    with pytest.raises(AuthorizationUnavailable) as raised:
        await world.authorization.decide(mira(), READ, {}, now=NOW)
    assert raised.value.code == "relationship.stale"


async def test_lists_end_with_the_bound_too() -> None:
    world = await a_world()
    assert (await world.authorization.visible(mira(), [READ], now=NOW)).tools
    world.server.now += 5.1
    with pytest.raises(AuthorizationUnavailable) as raised:
        await world.authorization.visible(mira(), [READ], now=NOW + world.server.now)
    assert raised.value.code == "relationship.stale"


async def test_a_copy_that_is_too_old_does_not_keep_the_server_from_answering() -> None:
    world = await a_world()
    world.server.now += 60
    assert (await world.decide(WRITE)).allowed


async def test_what_we_write_ourselves_counts_at_once() -> None:
    world = await a_world()
    assert (await world.decide()).allowed
    await world.authorization.follow([_deleted(CALLER_PAYLOAD)])
    assert codes(await world.decide()) == ["user.not_allowed"]
    assert world.replica.revision == 2


async def test_a_stored_in_context_denies_everything() -> None:
    world = await a_world()
    world.server.write(row("user:local/eve in_context agent:local/docs"))
    await world.look()
    assert codes(await world.decide()) == ["relationship.in_context_stored"]


async def test_the_replica_recovers_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    world = await a_world()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.replica.run)
            world.server.down = True
            while not any("cannot look" in record.getMessage() for record in caplog.records):
                await anyio.sleep(0.001)
            world.server.now += 6
            with pytest.raises(AuthorizationUnavailable):
                await world.decide()
            world.server.delete(CALLER)
            world.server.down = False
            while not any("follows the relationship server again" in r.getMessage() for r in caplog.records):
                await anyio.sleep(0.001)
            assert codes(await world.decide()) == ["user.not_allowed"]
            tasks.cancel_scope.cancel()
    assert sum("cannot look" in record.getMessage() for record in caplog.records) == 1


CALLER_PAYLOAD = {"object": CALLER.object, "relation": CALLER.relation, "subject": CALLER.subject, "condition": None}


def _deleted(payload: dict[str, str | None]) -> Change:
    return Change(2, NOW, "test", "tuple.deleted", payload)
