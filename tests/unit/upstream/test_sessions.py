"""Sessions belong to one owner, are bounded, and end when idle."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.upstream.sessions import Owner, Sessions, owner
from tests.support.upstreams import http_entry, permit_for

pytestmark = pytest.mark.anyio
PERMIT = permit_for(http_entry("sample", "http://127.0.0.1:1/mcp"), "echo")


class Room:
    def __init__(self, who: Owner) -> None:
        self.who = who
        self.alive = True

    async def aclose(self) -> None:
        self.alive = False


class House:
    """Keeps what was begun and ended."""

    def __init__(self, *, limit: int = 3, idle_seconds: float = 1_000) -> None:
        self.begun: list[Room] = []
        self.ended: list[Room] = []
        self.sessions = Sessions[Room](self._begin, self.ended.append, limit=limit, idle_seconds=idle_seconds)

    async def _begin(self, who: Owner) -> Room:
        await anyio.lowlevel.checkpoint()
        self.begun.append(Room(who))
        return self.begun[-1]

    async def use(self, who: str) -> Room:
        async with self.sessions.lease(named(who)) as room:
            return room


def named(credential: str) -> Owner:
    return Owner(credential, "", "", "")


def test_a_session_is_the_principals_own_unless_the_reviewer_allowed_sharing() -> None:
    principal = PERMIT.principal
    assert owner(principal, "v", {}, shared=False) == ("v", principal.user, principal.agent, "")
    assert owner(principal, "v", {}, shared=True) == owner(None, "v", {}, shared=False) == ("v", "", "", "")


def test_what_a_client_can_be_asked_has_a_session_of_its_own_and_who_shares_is_told_none() -> None:
    asked: dict[str, Any] = {"sampling": {}}
    assert owner(PERMIT.principal, "v", asked, shared=False) != owner(PERMIT.principal, "v", {}, shared=False)
    assert owner(PERMIT.principal, "v", asked, shared=True) == owner(PERMIT.principal, "v", {}, shared=True)


async def test_one_owners_calls_share_a_session_and_anothers_do_not() -> None:
    house = House()
    assert await house.use("a") is await house.use("a")
    assert await house.use("b") is not await house.use("a")


async def test_first_calls_at_once_open_one_session() -> None:
    house = House()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(house.use, "a")
    assert len(house.begun) == 1


async def test_a_dead_session_is_replaced() -> None:
    house = House()
    (await house.use("a")).alive = False
    assert (await house.use("a")).alive


async def test_over_the_limit_the_longest_idle_session_ends() -> None:
    house = House(limit=2)
    first, _, _ = await house.use("a"), await house.use("b"), await house.use("c")
    assert house.ended == [first] and len(house.sessions) == 2


async def test_one_principal_ends_sessions_of_its_own_only_however_much_its_clients_say() -> None:
    house = House(limit=100)
    async with house.sessions.lease(Owner("v", "noor", "docs", "")) as others:
        pass
    for number in range(20):
        async with house.sessions.lease(Owner("v", "mira", "docs", str(number))):
            pass
    assert len(house.sessions) == 9
    assert others not in house.ended
    assert {room.who.user for room in house.ended} == {"mira"}


async def test_when_every_session_is_in_use_a_new_owner_is_refused() -> None:
    house = House(limit=1)
    async with house.sessions.lease(named("a")):
        with pytest.raises(LimitExceeded) as caught:
            await house.use("b")
    assert caught.value.code == "limit.overload"
    assert house.ended == []


async def test_sweeping_ends_idle_sessions_and_spares_used_ones() -> None:
    house = House(idle_seconds=-1)
    idle = await house.use("a")
    async with house.sessions.lease(named("b")):
        house.sessions.sweep()
    assert house.ended == [idle]
