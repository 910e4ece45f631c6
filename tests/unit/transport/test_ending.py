"""Requests under way whose right goes: who is ended is cut off whatever else is slow, and a failed look ends nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
import anyio.lowlevel
import pytest

from mcp_gateway.errors import AccessDenied, GatewayError, Unauthenticated
from mcp_gateway.transport.inflight import Flight, InFlight

pytestmark = pytest.mark.anyio

WITHIN_SECONDS = 15
Look: TypeAlias = Callable[[], Awaitable[GatewayError | None]]


async def nothing() -> GatewayError | None:
    return None


@dataclass
class Asked:
    """What a request is told when it is asked about again."""

    by_sender: Look = nothing
    by_rule: Look = nothing

    async def ended(self) -> GatewayError | None:
        return await self.by_sender()

    async def refused(self) -> GatewayError | None:
        return await self.by_rule()


@dataclass
class Tower:
    """Requests under way; each waits for ever, and those that were ended are kept with their reason."""

    inflight: InFlight = field(default_factory=lambda: InFlight(100))
    landed: dict[str, GatewayError | None] = field(default_factory=dict[str, GatewayError | None])

    async def fly(self, name: str, request: Asked) -> None:
        flight = Flight()
        self.inflight.enter(flight)
        flight.arrived()
        flight.request = request
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if not flight.was_ended():
                raise
        finally:
            self.inflight.leave(flight)
        self.landed[name] = flight.refusal


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(WITHIN_SECONDS):
        while not holds():
            await anyio.sleep(0.02)


async def test_who_is_ended_is_cut_off_while_a_decision_about_others_hangs() -> None:
    async def hangs() -> GatewayError | None:
        await anyio.sleep_forever()

    async def ended() -> GatewayError | None:
        return Unauthenticated(code="token.revoked", recorded="user.disabled")

    tower = Tower()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tower.inflight.run)
        for number in range(20):
            tasks.start_soon(tower.fly, f"slow {number}", Asked(by_rule=hangs))
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(tower.fly, "ended", Asked(by_sender=ended))
        await until(lambda: tower.landed)
        tasks.cancel_scope.cancel()
    [(name, refusal)] = tower.landed.items()
    assert name == "ended"
    assert refusal is not None and refusal.recorded == "user.disabled"


async def test_a_look_that_fails_ends_nobody_and_is_taken_again(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[str] = []

    async def fails_at_first() -> GatewayError | None:
        looks.append("look")
        if len(looks) < 3:
            raise RuntimeError("broken")
        return AccessDenied(None, code="tool.unavailable")

    tower = Tower()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tower.inflight.run)
        tasks.start_soon(tower.fly, "refused", Asked(by_rule=fails_at_first))
        tasks.start_soon(tower.fly, "other", Asked())
        await until(lambda: tower.landed)
        tasks.cancel_scope.cancel()
    assert [(name, refusal and refusal.code) for name, refusal in tower.landed.items()] == [
        ("refused", "tool.unavailable")
    ]
    assert len(looks) == 3
    assert "could not be asked again" in caplog.text


async def test_only_a_request_that_has_taken_a_while_costs_a_task_that_watches_its_client() -> None:
    async def receive() -> dict[str, object]:
        await anyio.sleep_forever()
        raise AssertionError

    inflight, watched = InFlight(100), 0

    async def fly(seconds: float) -> None:
        nonlocal watched
        flight = Flight()
        inflight.enter(flight)
        flight.watch(receive)
        await anyio.sleep(seconds)
        watched += flight.watcher is not None
        inflight.leave(flight)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inflight.run)
        for _ in range(100):
            await fly(0.01)
        # On a busy machine a short sleep may be long; one for each look there was would be 20.
        assert watched < 10
        watched = 0
        await fly(1)
        assert watched == 1
        tasks.cancel_scope.cancel()
