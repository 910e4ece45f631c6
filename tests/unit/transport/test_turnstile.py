"""The turnstile: whose request it is by its token alone, and what strangers share."""

from __future__ import annotations

from typing import Any

from mcp_gateway.model.ids import agent_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.shedding import TICK_SECONDS, WINDOW_TICKS, Shedding
from mcp_gateway.transport.turnstile import PASSED, Turnstile

EXPIRES = 2_000


class Crowd:
    """A gateway that can do 1,000 requests a second, in simulated time."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.shedding = Shedding(clock=lambda: self.now)
        self.turnstile = Turnstile(self.shedding, clock=lambda: self.now)
        self.shedding.tight, self.shedding.rate = True, 1_000.0
        self._forged = 0
        self._backlog = 0.0

    def known(self, token: str) -> None:
        self.turnstile.learn(token, principal(token))

    def passes(self, token: str | None, **said: Any) -> bool:
        headers = [(b"host", b"a")] + ([(b"authorization", token.encode())] if token else [])
        scope = {"method": "POST", "path": "/mcp", "headers": headers, **said}
        passed = self.turnstile.refuses(scope) is None
        assert (PASSED in scope) == (passed and self.shedding.tight and scope["method"] == "POST")
        return passed

    def forged(self) -> bool:
        """A token nobody has seen before."""
        self._forged += 1
        return self.passes(f"Bearer forged-{self._forged}")

    def flood(self, seconds: float, *, token: str | None = None, each: float = 50.0) -> tuple[int, int]:
        """10,000 strangers a second; how many of them passed, and how many of `token`'s own `each` a second."""
        strangers = own = 0
        for step in range(round(seconds / 0.001)):
            self.now += 0.001
            passed = sum(self.forged() for _ in range(10))
            strangers += passed
            if token is not None and step % round(1 / each / 0.001) == 0:
                own += (mine := self.passes(token))
                passed += mine
            self.shedding.entered += passed
            self._backlog += passed - (done := min(self._backlog + passed, 1.0))
            self.shedding.finished += round(done)
            if step % round(TICK_SECONDS / 0.001) == 0:
                self.shedding.tick(self._backlog / 1_000)
        return strangers, own


def principal(name: str) -> Principal:
    return Principal(
        user_id("local", name.removeprefix("Bearer ")), agent_id("local", "a"), frozenset(), "u", "t", EXPIRES
    )


def test_while_there_is_room_everybody_passes_unasked() -> None:
    crowd = Crowd()
    crowd.shedding.tight = False
    assert all(crowd.passes(f"Bearer {number}") for number in range(10_000))


def test_however_many_tokens_are_forged_they_are_one_sender_and_those_who_are_known_pass() -> None:
    crowd = Crowd()
    crowd.known("Bearer mira")
    crowd.flood(WINDOW_TICKS * TICK_SECONDS * 3)
    strangers, own = crowd.flood(2.0, token="Bearer mira")
    assert own == 100
    assert strangers < 0.12 * 20_000


def test_a_token_that_was_refused_or_is_over_is_a_strangers() -> None:
    crowd = Crowd()
    for spoil in (lambda: crowd.turnstile.forget("Bearer mira"), lambda: setattr(crowd, "now", EXPIRES + 1.0)):
        crowd.known("Bearer mira")
        crowd.flood(0.5)
        spoil()
        _, own = crowd.flood(1.0, token="Bearer mira")
        assert own < 50


def test_only_requests_to_mcp_endpoints_are_asked() -> None:
    crowd = Crowd()
    crowd.shedding.rate = 0.0
    assert not crowd.passes(None)
    assert not crowd.passes("Bearer mira")
    assert crowd.passes(None, method="GET")
    assert crowd.turnstile.refuses({"method": "POST", "path": "/token", "headers": []}) is None


def test_a_token_is_known_from_before_and_however_it_is_written() -> None:
    crowd = Crowd()
    crowd.shedding.tight = False
    crowd.known("Bearer mira")
    crowd.shedding.tight = True
    crowd.flood(0.5)
    assert crowd.flood(1.0, token="bearer   mira ")[1] == 50


def test_nobody_is_forgotten_because_one_writes_a_token_in_many_ways() -> None:
    crowd = Crowd()
    crowd.known("Bearer mira")
    for blanks in range(1, 25_000):
        crowd.turnstile.learn("Bearer" + " " * blanks + "omar", principal("omar"))
    crowd.flood(0.5)
    assert crowd.flood(1.0, token="Bearer mira")[1] == 50


def test_of_many_tokens_the_oldest_is_forgotten() -> None:
    crowd = Crowd()
    for number in range(20_001):
        crowd.known(f"Bearer t{number}")
    crowd.flood(0.5)
    assert crowd.flood(1.0, token="Bearer t0")[1] < 50
    assert crowd.flood(1.0, token="Bearer t1")[1] == 50
