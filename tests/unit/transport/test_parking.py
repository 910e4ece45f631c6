"""Calls that wait for their client: who may come back, how often, and what becomes of those nobody comes back for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from mcp_gateway.errors import AccessDenied, BadRequest, Declined, GatewayError, LimitExceeded, UnknownState
from mcp_gateway.model.call import Again, Answer, Caller, Era, Permit, Request
from mcp_gateway.model.decision import allow
from mcp_gateway.model.ids import agent_id, tool_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, ReviewState, Risk, Tool
from mcp_gateway.transport import asking
from mcp_gateway.transport.inflight import Flight, InFlight, Recheckable
from mcp_gateway.transport.parking import Parking
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.states import State
from mcp_gateway.transport.turns import Turn
from mcp_gateway.transport.waits import Waits
from mcp_gateway.verbs import Called

pytestmark = pytest.mark.anyio

ABLE: Mapping[str, Any] = {"elicitation": {}}
FORM: Mapping[str, Any] = {"message": "?", "requestedSchema": {}}
TOOL = Tool(tool_id("s", "t"), "s", "t", "s__t", Risk.READ, ReviewState.APPROVED, "d", {}, ())
WHO = Principal(
    user=user_id("local", "mira"),
    agent=agent_id("local", "docs"),
    scopes=frozenset(),
    audience="http://127.0.0.1/mcp",
    token_id="t",
    expires_at=4_000_000_000,
)
Work = Callable[[Caller], Awaitable[Answer]]


def done(text: str = "done") -> Answer:
    return Answer({"content": text}, None, Era.LEGACY)


async def asking_once(caller: Caller) -> Answer:
    return done(str((await caller.ask("elicitation/create", FORM))["action"]))


class Core:
    """An upstream's work behind a gateway that lets everything through, or refuses with what is in `refusing`."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.refusing: GatewayError | None = None
        self.revoked: GatewayError | None = None
        self.ended_calls: list[str] = []

    async def make(self, principal: Principal, called: Called, caller: Caller, again: Again | None) -> Answer:
        if self.refusing is not None:
            raise self.refusing
        if again is not None and again.forward is not None:
            return await again.forward(Permit(called[0], principal, TOOL, {}, allow()), caller)
        try:
            return await self.work(caller)
        except anyio.get_cancelled_exc_class():
            self.ended_calls.append("cancelled")
            raise

    def may_ask(self, principal: Principal, called: Called) -> Tool | None:
        return TOOL

    async def ended(self, principal: Principal) -> GatewayError | None:
        return None

    async def refused(self, principal: Principal, called: Called) -> GatewayError | None:
        return self.revoked

    async def record_ended(
        self, request_id: str, principal: Principal, name: str | None, refusal: GatewayError
    ) -> None:
        self.ended_calls.append("recorded")

    def record_refused(self, request_id: str, principal: Principal, reason: str) -> None:
        raise AssertionError


class Client:
    """One request of the client."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.flight = Flight()
        self.reply = Reply(self._send, "r")
        self.reply.accepts_stream = True
        self.asked = ()

    async def _send(self, message: Any) -> None:
        self.heard.append(message.get("body", b""))

    async def notify(self, message: Mapping[str, Any], /) -> None:
        raise AssertionError

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        raise AssertionError


class House:
    def __init__(self, parking: Parking) -> None:
        self.parking = parking

    def turn(self, core: Core) -> Turn:
        request = Request("r-1", Era.MODERN, "2026-07-28", None, None, {}, None, capabilities=ABLE)
        return Turn(core, WHO, (request, Kind.TOOL, "s__t", {}))

    async def begin(self, core: Core) -> Answer:
        return await self.parking.begin(self.turn(core), Client(), TOOL, None)

    async def resume(self, core: Core, asked: Answer, action: str = "accept") -> Answer:
        assert asked.result is not None
        state = State(TOOL.id, "r-1", parked=asked.result["requestState"])
        call = self.parking.taken(state.parked or "")
        answers = {key: {"action": action} for key in asked.result["inputRequests"]}
        return await self.parking.resume(self.turn(core), Client(), call, state, answers)


@asynccontextmanager
async def house(inflight: InFlight | None = None, limit: int = 10, per_principal: int = 10) -> AsyncGenerator[House]:
    flying = inflight or InFlight(10_000)
    parking = Parking(flying, Waits(flying), limit=limit, per_principal=per_principal)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parking.run)
        await anyio.wait_all_tasks_blocked()
        yield House(parking)
        tasks.cancel_scope.cancel()


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not holds():
            await anyio.sleep(0.001)


async def test_a_call_goes_on_where_it_waited_and_leaves_nothing_behind() -> None:
    async with house() as h:
        core = Core(asking_once)
        asked = await h.begin(core)
        assert asked.result is not None and asked.result["inputRequests"] == {
            "elicitation-1": {"method": "elicitation/create", "params": FORM}
        }
        assert (len(h.parking), len(h.parking.waits), h.parking.inflight.waiting) == (1, 1, 1)
        assert (await h.resume(core, asked, "decline")).result == {"content": "decline"}
        assert (len(h.parking), len(h.parking.waits), h.parking.inflight.waiting) == (0, 0, 0)
        with pytest.raises(UnknownState):
            await h.resume(core, asked)


async def test_what_is_asked_at_once_is_handed_out_at_once() -> None:
    async def both(caller: Caller) -> Answer:
        actions: list[str] = []

        async def ask() -> None:
            actions.append((await caller.ask("elicitation/create", FORM))["action"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
        return done(" ".join(actions))

    async with house() as h:
        core = Core(both)
        asked = await h.begin(core)
        assert asked.result is not None and len(asked.result["inputRequests"]) == 2
        assert (await h.resume(core, asked)).result == {"content": "accept accept"}


async def test_a_call_nobody_comes_back_for_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.5)

    async def stubborn(caller: Caller) -> Answer:
        try:
            return await asking_once(caller)
        except Declined:
            await anyio.sleep_forever()
            raise

    async with house() as h:
        core = Core(stubborn)
        asked = await h.begin(core)
        await until(lambda: core.ended_calls == ["cancelled"])
        with pytest.raises(UnknownState):
            await h.resume(core, asked)


async def test_a_denied_retry_ends_the_call_and_a_busy_moment_does_not() -> None:
    async with house() as h:
        core = Core(asking_once)
        asked = await h.begin(core)
        core.refusing = LimitExceeded()
        with pytest.raises(LimitExceeded):
            await h.resume(core, asked)
        core.refusing = AccessDenied(None, code="tool.unavailable")
        with pytest.raises(AccessDenied):
            await h.resume(core, asked)
        await until(lambda: core.ended_calls == ["cancelled"])


async def test_a_client_that_leaves_at_once_leaves_no_call_behind() -> None:
    async with house() as h:
        core = Core(asking_once)
        with anyio.CancelScope() as leaving:
            leaving.cancel()
            await h.begin(core)
        await anyio.wait_all_tasks_blocked()
        assert len(h.parking) == 0
        assert core.ended_calls in ([], ["cancelled"])


async def test_what_breaks_in_a_call_breaks_no_other() -> None:
    async def broken(caller: Caller) -> Answer:
        await caller.ask("elicitation/create", FORM)
        raise KeyError("a bug")

    async with house() as h:
        fine, bad = Core(asking_once), Core(broken)
        one, other = await h.begin(fine), await h.begin(bad)
        with pytest.raises(GatewayError) as failure:
            await h.resume(bad, other)
        assert failure.value.code == "internal.error"
        assert (await h.resume(fine, one)).result == {"content": "accept"}


async def test_a_call_whose_right_ends_says_so_to_whoever_waits() -> None:
    async def long(caller: Caller) -> Answer:
        await anyio.sleep_forever()
        raise AssertionError

    flights: list[Flight] = []

    class Seen(InFlight):
        def enter(self, flight: Flight, principal: Principal | None = None) -> None:
            super().enter(flight, principal)
            flights.append(flight)

    async with house(Seen(10)) as h:
        core = Core(long)

        async def call() -> None:
            with pytest.raises(AccessDenied) as refusal:
                await h.begin(core)
            assert refusal.value.code == "access.ended"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await until(lambda: flights)
            flights[0].refuse(AccessDenied(None, code="tool.unavailable"))
        assert core.ended_calls == ["cancelled", "recorded"]


async def test_a_call_that_waits_for_its_client_is_looked_at_seldom_and_still_looked_at() -> None:
    seen: list[Recheckable] = []

    class Seen(InFlight):
        def enter(self, flight: Flight, principal: Principal | None = None) -> None:
            super().enter(flight, principal)
            flights.append(flight)

    flights: list[Flight] = []
    async with house(Seen(10)) as h:
        core = Core(asking_once)
        await h.begin(core)
        seen += [flight.request for flight in flights if flight.request is not None]
        core.revoked = AccessDenied(None, code="tool.unavailable")
        answers = [await seen[0].refused() for _ in range(10)]
        assert [answer is not None for answer in answers] == [False, False, False, False, True] * 2


async def test_too_many_waiting_calls_are_refused_their_questions() -> None:
    async def tell(caller: Caller) -> Answer:
        try:
            return await asking_once(caller)
        except Declined as exc:
            return done(str(exc.jsonrpc))

    for limit, per_principal in ((2, 10), (10, 2)):
        async with house(limit=limit, per_principal=per_principal) as h:
            core = Core(tell)
            answers = [await h.begin(core) for _ in range(3)]
            assert [answer.item is not None for answer in answers] == [True, True, False]
            assert answers[2].result == {"content": "-32603"}


async def test_before_it_is_started_nothing_waits_here() -> None:
    with pytest.raises(LimitExceeded):
        await House(Parking(InFlight(1), Waits(InFlight(1)))).begin(Core(asking_once))


async def test_when_the_gateway_stops_waiting_calls_end() -> None:
    async with house() as h:
        core = Core(asking_once)
        asked = await h.begin(core)
        h.parking.close()
        await until(lambda: core.ended_calls == ["cancelled"])
        with pytest.raises((UnknownState, BadRequest)):
            await h.resume(core, asked)
