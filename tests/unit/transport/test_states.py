"""What comes back with a retry: sealed for one request of one principal, and read strictly."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import BadRequest, GatewayError, UnknownState, UpstreamProtocolError
from mcp_gateway.model.call import Again, Answer, Caller, Era, Request
from mcp_gateway.model.ids import agent_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, Tool
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.transport.states import STATE_SECONDS, State, States
from mcp_gateway.transport.turns import MAX_REQUESTS, Turn, returned, urls_wanted, wanted
from mcp_gateway.verbs import Called

NOW = 1_000.0
FORM: dict[str, Any] = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}


class Nothing:
    """A core that nothing is asked of here."""

    async def make(self, principal: Principal, called: Called, caller: Caller, again: Again | None) -> Answer:
        raise AssertionError

    def may_ask(self, principal: Principal, called: Called) -> Tool | None:
        raise AssertionError

    async def ended(self, principal: Principal) -> GatewayError | None:
        raise AssertionError

    async def refused(self, principal: Principal, called: Called) -> GatewayError | None:
        raise AssertionError

    async def record_ended(
        self, request_id: str, principal: Principal, name: str | None, refusal: GatewayError
    ) -> None:
        raise AssertionError

    def record_refused(self, request_id: str, principal: Principal, reason: str) -> None:
        raise AssertionError


def turn(*, user: str = "mira", agent: str = "docs", audience: str = "http://127.0.0.1/mcp", **changed: Any) -> Turn:
    who = Principal(
        user=user_id("local", user),
        agent=agent_id("local", agent),
        scopes=frozenset(),
        audience=audience,
        token_id="t",
        expires_at=4_000_000_000,
    )
    request = Request("r-1", Era.MODERN, "2026-07-28", None, None, {}, None)
    about: dict[str, Any] = {"kind": Kind.TOOL, "name": "echo__ask", "arguments": {"a": 1, "b": [2]}, **changed}
    return Turn(Nothing(), who, (request, about["kind"], about["name"], about["arguments"]))


def states(*, at: float = NOW, key: bytes = b"k" * 32) -> States:
    return States(Sealer([key], clock=lambda: at))


STATE = State("tool:echo/ask", "r-1", {"name": "elicitation/create"}, upstream="theirs")


@given(upstream=st.none() | st.text(max_size=200), parked=st.none() | st.text(max_size=40), afresh=st.booleans())
def test_a_state_comes_back_as_it_left(upstream: str | None, parked: str | None, afresh: bool) -> None:
    try:
        (upstream or "").encode()
    except UnicodeEncodeError:
        return
    kept = replace(STATE, upstream=upstream, parked=parked, afresh=afresh)
    assert states().open(turn(arguments={"b": [2], "a": 1}), states().seal(turn(), kept)) == kept


@pytest.mark.parametrize(
    "other",
    [
        {"user": "noor"},
        {"agent": "other"},
        {"audience": "http://127.0.0.1/mcp/echo"},
        {"kind": Kind.PROMPT},
        {"name": "echo__other"},
        {"arguments": {"a": 2, "b": [2]}},
        {"arguments": {}},
    ],
)
def test_a_state_is_good_for_the_same_request_of_the_same_principal_only(other: dict[str, Any]) -> None:
    sealed = states().seal(turn(), STATE)
    assert states().open(turn(), sealed) == STATE
    with pytest.raises(UnknownState) as refusal:
        states().open(turn(**other), sealed)
    assert refusal.value.code == "state.invalid"


def test_a_state_that_is_old_altered_foreign_or_made_up_is_refused_alike() -> None:
    sealed = states().seal(turn(), STATE)
    altered = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    attempts = [
        (states(at=NOW + STATE_SECONDS + 1), sealed),
        (states(key=os.urandom(32)), sealed),
        (states(), altered),
        (states(), "made-up"),
        (states(), ""),
        (states(), "é"),
        (states(), "x" * 200_000),
    ]
    refusals: set[tuple[str, str]] = set()
    for opener, tried in attempts:
        with pytest.raises(UnknownState) as refusal:
            opener.open(turn(), tried)
        refusals.add((refusal.value.code, str(refusal.value)))
    assert len(refusals) == 1


def test_an_upstream_may_leave_64_kib_with_us_and_not_much_more() -> None:
    kept = replace(STATE, upstream="x" * 65_536)
    assert states().open(turn(), states().seal(turn(), kept)) == kept
    with pytest.raises(UpstreamProtocolError):
        states().seal(turn(), replace(STATE, upstream="x" * 131_072))


def test_a_first_request_brings_nothing_back() -> None:
    assert returned({"name": "a", "arguments": {}}) is None


@pytest.mark.parametrize(
    "params",
    [
        {"requestState": 1},
        {"requestState": None},
        {"inputResponses": None},
        {"inputResponses": []},
        {"inputResponses": {"a": 12345}},
        {"inputResponses": {"a": None}, "requestState": "s"},
    ],
)
def test_what_comes_back_misshapen_is_refused_as_invalid_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refusal:
        returned(params)
    assert refusal.value.jsonrpc == -32602


def test_questions_of_an_upstream_are_read_strictly() -> None:
    assert wanted({"inputRequests": {"q": FORM}}) == {"q": FORM}
    assert wanted({"requestState": "later"}) == {}
    wrong: list[dict[str, Any]] = [
        {},
        {"requestState": 1, "inputRequests": {"q": FORM}},
        {"inputRequests": []},
        {"inputRequests": {"q": {"params": {}}}},
        {"inputRequests": {"q": {"method": "roots/list", "params": []}}},
        {"inputRequests": {"q": "roots/list"}},
        {"inputRequests": {"k" * 300: FORM}},
        {"inputRequests": {str(number): FORM for number in range(MAX_REQUESTS + 1)}},
    ]
    for result in wrong:
        with pytest.raises(UpstreamProtocolError):
            wanted(result)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
_REQUEST = st.fixed_dictionaries({}, optional={"method": _JSON | st.just("roots/list"), "params": _JSON})


@given(requests=_JSON | st.dictionaries(st.text(max_size=5), _JSON | _REQUEST, max_size=4), state=_JSON)
def test_whatever_an_upstream_asks_is_read_or_refused(requests: Any, state: Any) -> None:
    try:
        found = wanted({"inputRequests": requests, "requestState": state})
    except UpstreamProtocolError:
        return
    assert all(isinstance(request["method"], str) for request in found.values())


@given(answers=_JSON, state=_JSON)
def test_whatever_comes_back_is_read_or_refused(answers: Any, state: Any) -> None:
    try:
        found = returned({"inputResponses": answers, "requestState": state})
    except BadRequest as refusal:
        assert refusal.jsonrpc == -32602
        return
    assert found is not None and all(isinstance(answer, dict) for answer in found.answers.values())


@given(data=_JSON | st.fixed_dictionaries({"elicitations": _JSON}))
def test_whatever_an_error_carries_is_pages_or_nothing(data: Any) -> None:
    found = urls_wanted({"code": -32042, "data": data})
    assert found is None or all(request["method"] == "elicitation/create" for request in found.values())


def test_pages_that_an_older_upstream_wants_visited_become_questions() -> None:
    page = {"mode": "url", "elicitationId": "e-1", "url": "https://example.com/connect", "message": "Connect"}
    assert urls_wanted({"code": -32042, "message": "", "data": {"elicitations": [page]}}) == {
        "url-1": {"method": "elicitation/create", "params": page}
    }
    others: tuple[dict[str, Any], ...] = (
        {"code": -32000, "data": {"elicitations": [page]}},
        {"code": -32042},
        {"code": -32042, "data": {"elicitations": []}},
        {"code": -32042, "data": {"elicitations": [page, "x"]}},
        {"code": -32042, "data": {"elicitations": [{**page, "mode": "form"}]}},
        {"code": -32042, "data": {"elicitations": [{**page, "url": 1}]}},
    )
    for error in others:
        assert urls_wanted(error) is None
