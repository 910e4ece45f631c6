from __future__ import annotations

import pytest

from mcp_gateway.errors import AccessDenied
from mcp_gateway.guards import Guards
from mcp_gateway.model.call import Answer, Caller, Forward, Permit
from tests.unit.guards.calls import OK, CountingUpstream, nobody_listens, permit

pytestmark = pytest.mark.anyio


class Marker:
    """Writes down when a call comes by and when its answer does."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name = name
        self._seen = seen

    async def __call__(self, permit: Permit, caller: Caller, proceed: Forward) -> Answer:
        self._seen.append(f"{self._name} in")
        answer = await proceed(permit, caller)
        self._seen.append(f"{self._name} out")
        return answer


class Masking:
    fulfils = frozenset({"mask"})

    async def __call__(self, permit: Permit, caller: Caller, proceed: Forward) -> Answer:
        return await proceed(permit, caller)


async def broken(permit: Permit, caller: Caller, proceed: Forward) -> Answer:
    raise RuntimeError("a guard with a fault")


async def test_the_first_guard_sees_the_call_first_and_the_answer_last() -> None:
    seen: list[str] = []
    guards = Guards([Marker("outer", seen), Marker("inner", seen)])
    assert await guards.run(permit(), nobody_listens, CountingUpstream()) is OK
    assert seen == ["outer in", "inner in", "inner out", "outer out"]


async def test_without_guards_a_call_simply_goes_on() -> None:
    assert await Guards([]).run(permit(), nobody_listens, CountingUpstream()) is OK


async def test_a_guard_that_fails_stops_the_call() -> None:
    upstream = CountingUpstream()
    with pytest.raises(RuntimeError):
        await Guards([broken]).run(permit(), nobody_listens, upstream)
    assert upstream.calls == 0


async def test_an_obligation_nobody_fulfils_denies() -> None:
    upstream, seen = CountingUpstream(), list[str]()
    with pytest.raises(AccessDenied) as caught:
        await Guards([Marker("outer", seen)]).run(permit(obligations=("mask",)), nobody_listens, upstream)
    assert caught.value.code == "tool.unavailable"
    assert caught.value.decision is not None
    assert not caught.value.decision.allowed
    assert [reason.code for reason in caught.value.decision.reasons] == ["access.allowed", "obligation.unhandled"]
    assert (upstream.calls, seen) == (0, [])


async def test_an_obligation_a_guard_fulfils_lets_the_call_go_on() -> None:
    assert await Guards([Masking()]).run(permit(obligations=("mask",)), nobody_listens, CountingUpstream()) is OK


async def test_one_unfulfilled_obligation_among_fulfilled_ones_denies() -> None:
    with pytest.raises(AccessDenied):
        await Guards([Masking()]).run(permit(obligations=("mask", "approve")), nobody_listens, CountingUpstream())
