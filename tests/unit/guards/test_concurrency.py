from __future__ import annotations

import anyio
import pytest

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.guards import ConcurrencyGuard
from mcp_gateway.model.call import Answer, Caller, Permit
from tests.unit.guards.calls import OK, CountingUpstream, nobody_listens, permit

pytestmark = pytest.mark.anyio


class HeldUpstream:
    """Answers when it is let go; says when so many calls are inside."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._inside = 0
        self.full = anyio.Event()
        self.let_go = anyio.Event()

    async def __call__(self, permit: Permit, caller: Caller) -> Answer:
        self._inside += 1
        if self._inside == self._expected:
            self.full.set()
        await self.let_go.wait()
        return OK


async def failing(permit: Permit, caller: Caller) -> Answer:
    raise RuntimeError("upstream fault")


async def test_one_call_too_many_is_refused_and_other_principals_are_not() -> None:
    guard, held = ConcurrencyGuard(2), HeldUpstream(2)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard, permit(), nobody_listens, held)
            tasks.start_soon(guard, permit(), nobody_listens, held)
            await held.full.wait()
            with pytest.raises(LimitExceeded) as caught:
                await guard(permit(), nobody_listens, CountingUpstream())
            assert await guard(permit(user="noor"), nobody_listens, CountingUpstream()) is OK
            assert caught.value.code == "limit.concurrency"
            held.let_go.set()
    assert await guard(permit(), nobody_listens, CountingUpstream()) is OK


async def test_a_failing_call_gives_its_place_back() -> None:
    guard = ConcurrencyGuard(1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await guard(permit(), nobody_listens, failing)
    assert await guard(permit(), nobody_listens, CountingUpstream()) is OK


async def test_a_cancelled_call_gives_its_place_back() -> None:
    guard, held = ConcurrencyGuard(1), HeldUpstream(1)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard, permit(), nobody_listens, held)
            await held.full.wait()
            tasks.cancel_scope.cancel()
    assert await guard(permit(), nobody_listens, CountingUpstream()) is OK
