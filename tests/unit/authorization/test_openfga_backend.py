"""The OpenFGA backend against a server that is slow, broken, somebody else's, or lies: nothing is allowed by mistake."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.authorization import Authorization, InContext
from mcp_gateway.authorization.backends.openfga_batches import answered
from mcp_gateway.authorization.backends.openfga_pin import Mispinned
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from mcp_gateway.model.tool import Risk
from tests.support.backends import Remote, remote, secret_file
from tests.support.openfga import TOKEN
from tests.support.openfga_double import MODEL, STORE, OpenFgaDouble, Request, Said, agreeable, openfga_double
from tests.unit.authorization.world import AGENT, MIRA, codes, mira, on_ticket, row, tool

pytestmark = pytest.mark.anyio

BOUND = InContext(MIRA, AGENT)
ASKED = Check(MIRA, "can_call", "tool:tickets/ticket_get")
OTHER_STORE = "01ARZ3NDEKTSV4RRFFQ69G5FAX"


@pytest.fixture
def double() -> Generator[OpenFgaDouble]:
    with openfga_double() as made:
        yield made


@pytest.fixture
async def far(double: OpenFgaDouble, tmp_path: Path) -> AsyncGenerator[Remote]:
    async with remote(tmp_path, double.url, STORE) as made:
        yield made


@pytest.fixture
async def hasty(double: OpenFgaDouble, tmp_path: Path) -> AsyncGenerator[Remote]:
    """With a deadline that is soon over."""
    async with remote(tmp_path, double.url, STORE, timeout_seconds=0.3) as made:
        yield made


async def ask(far: Remote, *checks: Check, fresh: bool = False, now: float | None = None) -> dict[Check, bool]:
    asked = checks or (ASKED,)
    answers = await far.openfga.answer(asked, in_context=BOUND, now=now or time.time(), fresh=fresh)
    return dict(answers.answers)


def instead(what: str, said: Callable[[Request], Said]) -> Callable[[Request], Said]:
    """Agreeable, but for one kind of request."""
    return lambda request: said(request) if request.asks == what else agreeable(request)


def batch(said: Said) -> Callable[[Request], Said]:
    return instead("batch-check", lambda _: said)


async def test_a_decision_is_one_round_trip(double: OpenFgaDouble, far: Remote) -> None:
    await ask(far)
    before = len(double.requests)
    decision = await Authorization(far.openfga).decide(
        mira(), tool(resources=on_ticket()), {"ticket": "T-1"}, now=time.time()
    )
    assert codes(decision) == ["access.allowed"]
    assert [request.asks for request in double.requests[before:]] == ["batch-check"]


async def test_many_questions_go_in_chunks_and_each_is_bound_to_the_request(double: OpenFgaDouble, far: Remote) -> None:
    checks = [Check(MIRA, "can_call", f"tool:tickets/{number}") for number in range(120)]
    assert await ask(far, *checks) == dict.fromkeys(checks, True)
    batches = [request.body for request in double.asked("batch-check")]
    assert sorted(len(one["checks"]) for one in batches) == [20, 50, 50]
    items = [item for one in batches for item in one["checks"]]
    assert len({item["correlation_id"] for item in items}) == 120
    bound = {"tuple_keys": [{"user": MIRA, "relation": "in_context", "object": AGENT}]}
    assert all(item["contextual_tuples"] == bound for item in items)
    assert all(one["authorization_model_id"] == MODEL for one in batches)


async def test_the_time_sent_is_rounded_up(double: OpenFgaDouble, far: Remote) -> None:
    await ask(far, now=1_800_000_001.5)
    await ask(far, now=1_800_000_010.0)
    sent = [request.body["checks"][0]["context"]["current_time"] for request in double.asked("batch-check")]
    assert sent == ["2027-01-15T08:00:10Z", "2027-01-15T08:00:10Z"]


async def test_what_changes_something_and_what_follows_a_change_goes_round_the_caches(
    double: OpenFgaDouble, far: Remote
) -> None:
    await ask(far)
    far.relay.moved_at -= 3600
    await ask(far)
    await ask(far, fresh=True)
    authorization = Authorization(far.openfga)
    await authorization.decide(mira(), tool(), {}, now=time.time())
    await authorization.decide(mira(), tool("set", Risk.WRITE), {}, now=time.time())
    await far.bench.write(row(f"{MIRA} caller server:tickets"))
    await ask(far)
    assert [request.body["consistency"] == "HIGHER_CONSISTENCY" for request in double.asked("batch-check")] == [
        True, False, True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "item",
    [
        {"error": {"internal_error": "internal_error", "message": "no"}},
        {"allowed": True, "error": {"input_error": "validation_error", "message": "no"}},
        {"allowed": "true"},
        {"allowed": 1},
        {"allowed": None},
        {},
        [],
        None,
        True,
    ],
)
def test_an_answer_that_is_not_yes_or_no_is_none(item: Any) -> None:
    assert answered({"a": ASKED}, {"a": item}).get(ASKED) is None


def test_an_answer_that_is_missing_is_none_and_one_nobody_asked_for_spoils_them_all() -> None:
    assert answered({"a": ASKED}, {}) == {}
    with pytest.raises(AuthorizationUnavailable):
        answered({"a": ASKED}, {"a": {"allowed": True}, "b": {"allowed": True}})


@pytest.mark.parametrize(
    "said",
    [
        Said(b"no JSON at all"),
        Said(b""),
        Said([1, 2]),
        Said({"result": []}),
        Said({"result": None}),
        Said({}),
        Said({"result": {"0-0": {"allowed": True}}}),
        Said(b"[" * 200_000),
        Said(b'{"result":"' + b"x" * 5_000_000 + b'"}'),
        Said({"code": "internal_error", "message": "secret detail"}, status=500),
        Said({"code": "validation_error", "message": "secret detail"}, status=400),
        Said({"code": "\n injected line"}, status=418),
        Said({}, status=307, location="http://127.0.0.1:1/elsewhere"),
        Said({}, status=204),
    ],
)
async def test_rubbish_is_no_answer_and_is_not_repeated(double: OpenFgaDouble, far: Remote, said: Said) -> None:
    double.answer = batch(said)
    with pytest.raises(AuthorizationUnavailable) as raised:
        await ask(far)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_question_left_open_denies_as_undecided(double: OpenFgaDouble, far: Remote) -> None:
    double.answer = batch(Said({"result": {}}))
    decision = await Authorization(far.openfga).decide(mira(), tool(), {}, now=time.time())
    assert not decision.allowed
    assert "relationship.unknown" in codes(decision)


async def test_a_list_asks_again_what_a_busy_server_left_open_and_is_whole_or_refused(
    double: OpenFgaDouble, far: Remote
) -> None:
    ids = [f"tool:tickets/{number}" for number in range(60)]
    busy = {"error": {"internal_error": "deadline_exceeded", "message": "busy"}}
    turns = itertools.count()

    def answer(request: Request, *, well: Callable[[int], bool]) -> Said:
        return Said({"result": {
            check["correlation_id"]: {"allowed": True} if well(number) else busy
            for number, check in enumerate(request.body["checks"])
        }})  # fmt: skip

    double.answer = instead("batch-check", lambda request: answer(request, well=lambda n: next(turns) >= 60 or n > 2))
    held = await far.openfga.held(MIRA, "can_call", ids, in_context=BOUND, now=time.time())
    assert list(held.objects) == ids
    double.answer = instead("batch-check", lambda request: answer(request, well=lambda n: n > 2))
    with pytest.raises(AuthorizationUnavailable, match="left questions"):
        await far.openfga.held(MIRA, "can_call", ids, in_context=BOUND, now=time.time())


async def test_an_object_the_server_has_no_answer_for_is_not_listed_and_hides_no_other(
    double: OpenFgaDouble, far: Remote
) -> None:
    impossible = {"error": {"input_error": "authorization_model_resolution_too_complex", "message": "deep"}}

    def answer(request: Request) -> Said:
        [first, *others] = [check["correlation_id"] for check in request.body["checks"]]
        return Said({"result": {first: impossible, **{one: {"allowed": True} for one in others}}})

    double.answer = instead("batch-check", answer)
    held = await far.openfga.held(MIRA, "can_call", ["tool:t/1", "tool:t/2"], in_context=BOUND, now=time.time())
    assert held.objects == ("tool:t/2",)
    assert len(double.asked("batch-check")) == 1


async def test_a_server_that_stalls_is_given_up_in_time_and_then_not_asked_for_a_while(
    double: OpenFgaDouble, hasty: Remote
) -> None:
    await ask(hasty)
    double.answer = double.stall
    for _ in range(3):
        with pytest.raises(AuthorizationUnavailable, match="in time"):
            await ask(hasty)
    before = len(double.requests)
    for _ in range(20):
        with pytest.raises(AuthorizationUnavailable, match="tried again shortly"):
            await ask(hasty)
    assert len(double.requests) - before <= 2
    double.answer = agreeable
    await until_answered(hasty)


async def test_a_server_that_drops_every_other_request_is_asked_again_at_once(
    double: OpenFgaDouble, far: Remote
) -> None:
    await ask(far)
    turn = itertools.count()
    double.answer = lambda request: Said(hang_up=True) if next(turn) % 2 == 0 else agreeable(request)
    for _ in range(5):
        assert await ask(far) == {ASKED: True}


async def test_a_server_that_cannot_be_reached_denies_and_is_believed_again_only_after_a_look(
    double: OpenFgaDouble, far: Remote
) -> None:
    await ask(far)
    double.answer = lambda _: Said(hang_up=True)
    with pytest.raises(AuthorizationUnavailable):
        await ask(far)
    double.answer = agreeable
    looked = len(double.asked("changes"))
    await until_answered(far)
    assert len(double.asked("changes")) == looked + 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said({"result": {}}, store=OTHER_STORE), "relationship.wrong_store"),
        (Said({"result": {}}, model=OTHER_STORE), "relationship.wrong_model"),
        (Said({"code": "store_id_not_found"}, status=404), "relationship.wrong_store"),
        (Said({"code": "authorization_model_not_found"}, status=400), "relationship.wrong_model"),
    ],
)
async def test_a_server_that_answers_for_something_else_is_refused_by_name_until_it_is_right_again(
    double: OpenFgaDouble, far: Remote, said: Said, reason: str
) -> None:
    await ask(far)
    double.answer = batch(said)
    with pytest.raises(AuthorizationUnavailable):
        await ask(far)
    denied = await Authorization(far.openfga).decide(mira(), tool(), {}, now=time.time())
    assert codes(denied) == [reason]
    double.answer = agreeable
    await until_answered(far)
    assert far.openfga.refusal is None


@pytest.mark.parametrize(
    ("what", "said", "reason"),
    [
        (STORE, Said({"code": "store_id_not_found"}, status=404), "relationship.wrong_store"),
        (STORE, Said({"id": OTHER_STORE}), "relationship.wrong_store"),
        ("authorization-models", Said({"authorization_models": []}), "relationship.wrong_model"),
        (
            "authorization-models",
            Said({"authorization_models": [{"id": MODEL, "schema_version": "1.1", "type_definitions": []}]}),
            "relationship.wrong_model",
        ),
    ],
)
async def test_a_server_without_our_store_or_model_is_never_asked_a_question(
    double: OpenFgaDouble, far: Remote, what: str, said: Said, reason: str
) -> None:
    double.answer = instead(what, lambda _: said)
    with pytest.raises(Mispinned) as raised:
        await far.openfga.verify()
    assert raised.value.reason == reason == far.openfga.refusal
    assert double.asked("batch-check") == []


async def test_a_model_that_is_named_must_be_the_one_of_the_policies(double: OpenFgaDouble, tmp_path: Path) -> None:
    other = {"id": MODEL, "schema_version": "1.1", "type_definitions": [{"type": "user"}]}
    async with remote(tmp_path, double.url, STORE, model=MODEL) as far:
        assert await ask(far) == {ASKED: True}
        double.answer = instead(MODEL, lambda _: Said({"authorization_model": other}))
        with pytest.raises(Mispinned):
            await far.openfga.verify()
        assert far.openfga.refusal == "relationship.wrong_model"


async def test_who_a_request_is_found_stored_denies_everything_and_is_named(
    double: OpenFgaDouble, far: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    key = {"user": MIRA, "relation": "in_context", "object": AGENT}
    change = {"tuple_key": key, "operation": "TUPLE_OPERATION_WRITE", "timestamp": "2026-11-21T07:00:00.5Z"}

    def stored(request: Request) -> Said:
        match request.asks:
            case "changes":
                return Said({"changes": [] if "token" in request.path else [change], "continuation_token": "t"})
            case "read":
                return Said({"tuples": [{"key": key}]})
            case _:
                return agreeable(request)

    double.answer = stored
    with pytest.raises(AuthorizationUnavailable):
        await ask(far)
    assert far.openfga.refusal == "relationship.in_context_stored"
    assert f"{MIRA} in_context {AGENT}" in caplog.text
    double.answer = agreeable
    await until_answered(far)


async def test_a_token_that_was_replaced_in_its_file_is_used_and_never_shown(
    double: OpenFgaDouble, far: Remote, tmp_path: Path
) -> None:
    await ask(far)
    wanted = f"Bearer {TOKEN}"

    def guarded(request: Request) -> Said:
        if request.headers.get("authorization") == wanted:
            return agreeable(request)
        return Said({"code": "unauthenticated", "message": "bad token"}, status=401)

    double.answer = guarded
    wanted = "Bearer another"
    with pytest.raises(AuthorizationUnavailable, match="401") as raised:
        await ask(far)
    assert TOKEN not in str(raised.value)
    secret_file(tmp_path, "another")
    await until_answered(far)


async def test_a_secret_others_can_read_is_not_used(double: OpenFgaDouble, far: Remote, tmp_path: Path) -> None:
    secret_file(tmp_path).chmod(0o644)
    with pytest.raises(Exception, match="open to others"):
        await ask(far)
    assert double.requests == []


async def until_answered(far: Remote) -> None:
    """A server that is well again is found within a second or two."""
    with anyio.fail_after(20):
        while True:
            try:
                if await ask(far) == {ASKED: True}:
                    return
            except AuthorizationUnavailable:
                await anyio.sleep(0.05)
