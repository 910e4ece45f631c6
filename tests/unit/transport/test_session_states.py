"""What sessions said is kept, bounded: the oldest goes first, an open stream's never, and nobody's for another's."""

from __future__ import annotations

import pytest

from mcp_gateway.transport.session_states import LEVELS, SessionStates
from mcp_gateway.transport.sessions import Session
from tests.unit.transport.streaming import Line, principal, stream

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def session(digest: str) -> Session:
    return Session(digest, "2025-11-25", {}, 0.0)


def message(level: str) -> dict[str, object]:
    return {"method": "notifications/message", "params": {"level": level, "data": "x"}}


def test_log_messages_below_the_level_are_muted_and_nothing_else() -> None:
    states = SessionStates()
    assert not states.mutes("a", message("debug"))
    states.of(session("a"), principal()).level = "warning"
    assert [level for level in LEVELS if states.mutes("a", message(level))] == ["debug", "info", "notice"]
    assert not states.mutes("a", {"method": "notifications/progress", "params": {"level": "debug"}})
    assert not states.mutes("a", message("unheard of"))
    assert not states.mutes("b", message("debug"))


def test_a_principal_pushes_out_its_own_oldest_session_first() -> None:
    states = SessionStates(per_principal=2)
    for digest in ("a", "b", "c"):
        states.of(session(digest), principal()).level = "error"
    states.of(session("d"), principal("noor")).level = "error"
    assert [states.level(digest) for digest in "abcd"] == [None, "error", "error", "error"]


async def test_the_state_of_an_open_stream_stays() -> None:
    states = SessionStates(in_process=2)
    states.of(session("a"), principal("mira")).stream = stream(Line())
    for digest, user in (("b", "noor"), ("c", "olaf")):
        states.of(session(digest), principal(user)).level = "error"
    assert len(states) == 2
    assert [states.level(digest) for digest in "bc"] == [None, "error"]
    dropped = states.drop("a")
    assert dropped is not None and dropped.stream is not None
    assert states.drop("a") is None
