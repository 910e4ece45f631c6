"""Somebody leaves a group; then a secret is given to it. Whoever has left never reads it, however soon they ask.

The writes come from another process, each acknowledged before the question. `NEW_ENEMY_ROUNDS`
sets how often; without it the servers are asked less often than the engine in process.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import anyio
import pytest

from mcp_gateway.authorization import Authorization
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.support.backends import BACKENDS, Bench, Servers
from tests.support.writer import Writer, writer
from tests.unit.authorization.world import MIRA, allowed_rows, codes, mira, on_ticket, row, tool

pytestmark = pytest.mark.anyio

READ = tool("ticket_get", resources=on_ticket())
MEMBER = row(f"{MIRA} member group:staff")
BOARD = "BOARD"
"""A ticket the group could always read; what stands in it is no relationship."""
_IN_PROCESS, _REMOTE = 1_000, 20
_ANSWER_SECONDS = 30.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.fixture(params=sorted(BACKENDS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> AsyncGenerator[Bench]:
    async with BACKENDS[request.param](tmp_path, servers) as made:
        yield made


def _shared(name: str) -> tuple[RelationshipTuple, RelationshipTuple]:
    ticket = f"ticket:tickets/{name}"
    return row(f"server:tickets server {ticket}"), row(f"group:staff#member viewer {ticket}")


async def _allowed(authorization: Authorization, name: str) -> bool:
    decision = await authorization.decide(mira(), READ, {"ticket": name}, now=time.time())
    assert decision.allowed or codes(decision) == ["resource.user_not_allowed"], codes(decision)
    return decision.allowed


async def _reads(authorization: Authorization, name: str) -> bool:
    """A backend that cannot say is a deny."""
    try:
        return await _allowed(authorization, name)
    except AuthorizationUnavailable:
        return False


async def _answer(bench: Bench, authorization: Authorization, name: str) -> bool:
    """The first that there is, from a server that may be busy."""
    with anyio.fail_after(_ANSWER_SECONDS):
        while True:
            try:
                await bench.feed.keep_up()
                return await _allowed(authorization, name)
            except AuthorizationUnavailable:
                await anyio.sleep(0.05)


async def _begin(bench: Bench, other: Writer) -> Authorization:
    authorization = Authorization(bench.relationships)
    bench.feed.add(authorization)
    await other.commit(*((True, one) for one in (*allowed_rows(READ), *_shared(BOARD), MEMBER)))
    await bench.feed.keep_up()
    assert await _answer(bench, authorization, BOARD)
    return authorization


def _rounds(backend: str) -> int:
    return int(os.environ.get("NEW_ENEMY_ROUNDS", _IN_PROCESS if backend == "embedded" else _REMOTE))


async def test_whoever_left_a_group_never_reads_what_it_is_given_afterwards(
    bench: Bench, request: pytest.FixtureRequest
) -> None:
    backend = request.node.callspec.params["bench"]
    with writer(bench.database.path) as other:
        authorization = await _begin(bench, other)
        reads = 0
        for number in range(_rounds(backend)):
            await other.commit((False, MEMBER))
            await other.commit(*((True, one) for one in _shared(f"S-{number}")))
            await bench.feed.keep_up()
            reads += await _reads(authorization, f"S-{number}") + await _reads(authorization, BOARD)
            await other.commit((True, MEMBER))
            # Not merely denied to everybody: with the membership it is there to be read.
            assert await _answer(bench, authorization, f"S-{number}"), number
        assert reads == 0


async def test_a_decision_without_looking_at_the_store_would_read_it(tmp_path: Path, servers: Servers) -> None:
    async with BACKENDS["embedded"](tmp_path, servers) as bench:
        with writer(bench.database.path) as other:
            authorization = await _begin(bench, other)
            await other.commit((False, MEMBER))
            # The secret is written on the board now.
            assert await _allowed(authorization, BOARD), "the anomaly, without `keep_up`"
            await bench.feed.keep_up()
            assert not await _allowed(authorization, BOARD)
