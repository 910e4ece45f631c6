"""A watcher reads events in order, and learns how many it missed."""

from __future__ import annotations

import anyio
import pytest

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.inspection.events import Event, EventBoard, Lost, Subscription
from mcp_gateway.storage import Change

pytestmark = pytest.mark.anyio


def event(number: int) -> Event:
    return Event("decision", float(number), user="user:local/mira", server=None, public={"n": number}, private={})


async def numbers(subscription: Subscription, count: int) -> list[object]:
    with anyio.fail_after(5):
        items = [await subscription.next() for _ in range(count)]
    return [item if isinstance(item, Lost) else item.public["n"] for item in items]


async def test_events_arrive_in_order_at_every_subscriber() -> None:
    board = EventBoard()
    with board.subscribe() as one, board.subscribe() as two:
        for number in range(3):
            board.publish(event(number))
        assert await numbers(one, 3) == await numbers(two, 3) == [0, 1, 2]


async def test_a_slow_subscriber_is_told_how_much_it_lost_and_then_goes_on() -> None:
    board = EventBoard(queue_length=2)
    with board.subscribe() as slow:
        for number in range(5):
            board.publish(event(number))
        assert await numbers(slow, 1) == [0]
        board.publish(event(5))
        assert await numbers(slow, 2) == [1, Lost(4)]
        board.publish(event(6))
        assert await numbers(slow, 1) == [6]


async def test_a_waiting_subscriber_wakes_for_an_event() -> None:
    board = EventBoard()
    got: list[object] = []

    async def wait(subscription: Subscription) -> None:
        got.extend(await numbers(subscription, 1))

    with board.subscribe() as subscription:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, subscription)
            await anyio.wait_all_tasks_blocked()
            board.publish(event(7))
    assert got == [7]


async def test_a_wait_that_was_given_up_loses_nothing() -> None:
    board = EventBoard()
    with board.subscribe() as subscription:
        with anyio.move_on_after(0):
            await subscription.next()
        board.publish(event(1))
        assert await numbers(subscription, 1) == [1]


async def test_closing_ends_every_subscription_after_what_was_published() -> None:
    board = EventBoard()
    with board.subscribe() as subscription:
        board.publish(event(1))
        board.close()
        assert await numbers(subscription, 1) == [1]
        with pytest.raises(anyio.EndOfStream):
            await subscription.next()
    with board.subscribe() as late, pytest.raises(anyio.EndOfStream):
        await late.next()


async def test_one_watcher_too_many_is_refused_until_another_leaves() -> None:
    board = EventBoard(max_subscribers=1)
    with board.subscribe():
        with pytest.raises(LimitExceeded) as refused, board.subscribe():
            pass
        assert refused.value.code == "limit.overload"
    with board.subscribe():
        pass


async def test_a_catalog_change_names_its_tool_only_in_private() -> None:
    board = EventBoard()
    change = Change(
        9, 1.0, "os:ana", "catalog.tool", {"server": "tickets", "tool": "ticket_delete", "state": "pending"}
    )
    with board.subscribe() as subscription:
        await board.follow([change, Change(10, 1.0, "os:ana", "tuple.written", {})])
        with anyio.fail_after(5):
            item = await subscription.next()
    assert isinstance(item, Event)
    assert item.public == {"server": "tickets", "revision": 9}
    assert item.private == {"tool": "ticket_delete", "state": "pending", "actor": "os:ana"}


def record(**fields: object) -> dict[str, object]:
    asked = {"at": 1.0, "request": "r1", "verb": "tools/call", "user": "user:local/mira", "agent": "agent:local/docs"}
    return {"seq": 1, "writer": "w", **asked, **fields}


async def test_an_allowed_call_is_told_once() -> None:
    board = EventBoard()
    with board.subscribe() as subscription:
        board.decided(record(kind="intent", effect="allow", tool="tool:tickets/ticket_get", risk="read", reasons=[]))
        board.decided(record(kind="outcome", effect="allow", tool="tool:tickets/ticket_get"))
        board.decided(record(kind="list", count=3))
        board.close()
        with anyio.fail_after(5):
            item = await subscription.next()
            with pytest.raises(anyio.EndOfStream):
                await subscription.next()
    assert isinstance(item, Event)
    assert (item.user, item.public["code"]) == ("user:local/mira", "access.allowed")
    assert item.public["tool"] == "tool:tickets/ticket_get"


async def test_a_denial_tells_the_true_reason_and_an_unavailable_tool_only_in_private() -> None:
    board = EventBoard()
    reasons = [{"code": "agent.not_granted", "evidence": "agent:local/docs"}]
    with board.subscribe() as subscription:
        denial = record(kind="decision", effect="deny", tool="tool:tickets/ticket_delete", reasons=reasons)
        board.decided({**denial, "code": "tool.unavailable"})
        with anyio.fail_after(5):
            item = await subscription.next()
    assert isinstance(item, Event)
    assert item.public["code"] == "tool.unavailable"
    assert "tool" not in item.public
    assert "agent.not_granted" not in str(item.public)
    assert (item.private["tool"], item.private["reasons"]) == ("tool:tickets/ticket_delete", ["agent.not_granted"])
