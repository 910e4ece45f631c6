"""Who watches what: the upstream is asked for exactly what anybody watches, whatever came and went before."""

from __future__ import annotations

from collections.abc import Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import LimitExceeded
from mcp_gateway.transport.subscribers import PER_PRINCIPAL, PER_STREAM, Subscribers
from mcp_gateway.watch import Watched
from tests.unit.transport.streaming import Line, principal, stream

pytestmark = pytest.mark.anyio

URIS = ("a://1", "a://1/part", "a://2", "b:x")
STEPS = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "part", "join")), st.integers(0, 2), st.sampled_from(URIS))
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Wants:
    def __init__(self) -> None:
        self.now: dict[str, frozenset[str]] = {}

    def __call__(self, server: str, uris: Set[str]) -> None:
        self.now[server] = frozenset(uris)


@given(steps=STEPS)
async def test_exactly_what_somebody_watches_is_wanted(steps: list[tuple[str, int, str]]) -> None:
    wants = Wants()
    subscribers = Subscribers(wants)
    crowd = [stream(Line()) for _ in range(3)]
    present = [True] * 3
    for step, number, uri in steps:
        one = crowd[number]
        if step == "part" and present[number]:
            subscribers.part(one)
            present[number] = False
        elif step == "join" and not present[number]:
            subscribers.join(one)
            present[number] = True
        elif step == "add" and present[number]:
            subscribers.add(one, f"s+{uri}", Watched("s", uri))
        elif step == "remove" and present[number]:
            subscribers.remove(one, f"s+{uri}")
        here = [one for one, is_here in zip(crowd, present, strict=True) if is_here]
        watched = {one.uri for stream_ in here for one in stream_.uris.values()}
        assert wants.now.get("s", frozenset()) == watched
        for asked in URIS:
            told = {id(one) for one, exposed in subscribers.of("s", asked) if exposed == f"s+{asked}"}
            assert told == {id(one) for one in here if _covers({w.uri for w in one.uris.values()}, asked)}


def _covers(watched: set[str], uri: str) -> bool:
    return any(uri == base or uri.startswith(base + "/") for base in watched)


async def test_a_part_of_what_is_watched_is_named_as_the_client_knows_the_whole() -> None:
    subscribers = Subscribers(Wants())
    one = stream(Line())
    subscribers.add(one, "board+room://7", Watched("board", "room://7"))
    assert list(subscribers.of("board", "room://7/table")) == [(one, "board+room://7/table")]
    assert list(subscribers.of("board", "room://70")) == []
    assert list(subscribers.of("other", "room://7")) == []


async def test_a_stream_watches_a_bounded_number() -> None:
    subscribers = Subscribers(Wants())
    one = stream(Line())
    for number in range(PER_STREAM):
        subscribers.add(one, f"s:{number}", Watched("s", f"s:{number}"))
    subscribers.add(one, "s:0", Watched("s", "s:0"))
    with pytest.raises(LimitExceeded) as refused:
        subscribers.add(one, "s:more", Watched("s", "s:more"))
    assert refused.value.code == "limit.subscriptions"


async def test_one_principal_leaves_room_at_a_server_for_others() -> None:
    subscribers = Subscribers(Wants())
    every = [stream(Line()) for _ in range(PER_PRINCIPAL // PER_STREAM + 1)]
    *many, late = every
    for number, one in enumerate(many):
        for part in range(PER_STREAM):
            subscribers.add(one, f"s:{number}/{part}", Watched("s", f"s:{number}/{part}"))
    with pytest.raises(LimitExceeded) as refused:
        subscribers.add(late, "s:more", Watched("s", "s:more"))
    assert refused.value.code == "limit.subscriptions"
    late.uris = {"s:kept": Watched("s", "s:kept")}
    with pytest.raises(LimitExceeded):
        subscribers.join(late)
    subscribers.add(stream(Line(), principal("noor")), "s:more", Watched("s", "s:more"))
    subscribers.add(late, "t:more", Watched("t", "t:more"))
    for one in every:
        subscribers.part(one)
    subscribers.join(late)
