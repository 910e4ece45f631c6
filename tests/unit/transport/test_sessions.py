"""Legacy sessions: one principal's, and over when they are ended or too old, however often they were used."""

from __future__ import annotations

import pytest

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.ids import agent_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.transport.sessions import SESSION_SECONDS, Sessions

pytestmark = pytest.mark.anyio


def principal(user: str = "mira") -> Principal:
    who, agent = user_id("local", user), agent_id("local", "docs")
    return Principal(who, agent, frozenset(), audience="http://gw/mcp", token_id="t", expires_at=0)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.over: dict[str, float] = {}
        sealer = Sealer([b"k" * 32], clock=lambda: self.now)
        self.sessions = Sessions(sealer, end=self.end, ended=self.over.__contains__, clock=lambda: self.now)

    async def end(self, digest: str, seconds: float) -> None:
        self.over[digest] = seconds

    def refusal(self, session_id: str | None, who: Principal) -> str:
        with pytest.raises(BadRequest) as refused:
            self.sessions.find(session_id, who)
        return refused.value.code


async def test_a_session_serves_its_principal_only() -> None:
    world = World()
    session_id = world.sessions.create(principal(), "2025-11-25", {})
    assert world.sessions.find(session_id, principal()).protocol_version == "2025-11-25"
    assert world.refusal(session_id, principal("omar")) == world.refusal("made-up", principal()) == "session.unknown"
    assert world.refusal(None, principal()) == "session.missing"


async def test_an_ended_session_stays_ended_longer_than_anybody_remembers_it() -> None:
    world = World()
    session_id = world.sessions.create(principal(), "2025-11-25", {})
    await world.sessions.delete(session_id, principal())
    assert world.refusal(session_id, principal()) == "session.unknown"
    assert all(seconds > SESSION_SECONDS for seconds in world.over.values())


async def test_a_session_in_daily_use_ends_after_its_day() -> None:
    world = World()
    session_id = world.sessions.create(principal(), "2025-11-25", {})
    for _ in range(200):
        world.now += 430.0
        world.sessions.find(session_id, principal())
    world.now = SESSION_SECONDS + 601.0
    assert world.refusal(session_id, principal()) == "session.unknown"
