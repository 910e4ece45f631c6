"""Requests that are answered by a question, carried to the client whatever its era.

A modern client gets the questions as a result and makes its request again; what has to come back with it is
sealed. A legacy client is asked on the stream of its call, and the request is made again for it. Every time
the request is decided and recorded anew, so that what was taken back meanwhile stops it between two rounds.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import anyio

from mcp_gateway.errors import BadRequest, Declined, UnknownState, UpstreamProtocolError, UpstreamTimeout
from mcp_gateway.model.call import Again, Answer, Era, Request
from mcp_gateway.model.tool import JsonObject, Tool
from mcp_gateway.transport.asking import can_be_asked, lacking, outcome_of, presented
from mcp_gateway.transport.parked import Waiting
from mcp_gateway.transport.parking import Parking
from mcp_gateway.transport.states import State, States
from mcp_gateway.transport.turns import INPUT_REQUIRED, Returned, Turn, urls_wanted, wanted

MAX_ROUNDS = 10
TOTAL_SECONDS = 3_600.0
"""Of all rounds of one legacy request."""
_FIRST_PAUSE_SECONDS = 0.25
_LAST_PAUSE_SECONDS = 4.0


class Client(Waiting, Protocol):
    """Who sent the request."""

    async def put(self, method: str, params: Mapping[str, Any], *, server: str | None) -> Mapping[str, Any]:
        """Ask a legacy client on its stream; raises Declined."""
        ...

    def answered(self, facts: Sequence[str]) -> None:
        """What it said to earlier questions, by method and outcome: for the audit."""
        ...


@dataclass(frozen=True, slots=True)
class Rounds:
    states: States
    parking: Parking

    async def take(self, turn: Turn, client: Client, back: Returned | None) -> Answer:
        """The answer to a modern client that can be asked, or that comes back."""
        state = self._opened(turn, back)
        began = state.began if state is not None else turn.request.id
        if state is not None and back is not None:
            client.answered(_facts(state, back))
            if state.parked is not None:
                with _recorded(turn):
                    call = self.parking.taken(state.parked)
                return self._handed(turn, await self.parking.resume(turn, client, call, state, back.answers), began)
        again = None if back is None else _again(state, back)
        item = turn.core.may_ask(turn.principal, turn.called) if can_be_asked(turn.request.capabilities) else None
        if item is not None:
            # In its era there are no answers to nobody's question.
            again = again if state is not None else None
            return self._handed(turn, await self.parking.begin(turn, client, item, again), began)
        return self._handed(turn, await turn.make(client, again), began)

    async def asked_back(self, turn: Turn, client: Client, answer: Answer) -> Answer:
        """What follows on an answer that is a question."""
        if turn.request.era is Era.MODERN:
            return self._handed(turn, answer, turn.request.id)
        with anyio.move_on_after(TOTAL_SECONDS):
            for number in range(MAX_ROUNDS):
                answer = await turn.make(client, await self._answered(turn, client, answer, number))
                if answer.item is None:
                    return answer
            raise UpstreamProtocolError("the upstream asks without end")
        raise UpstreamTimeout("the upstream's questions took too long")

    def _opened(self, turn: Turn, back: Returned | None) -> State | None:
        if back is None or back.state is None:
            return None
        with _recorded(turn):
            return self.states.open(turn, back.state)

    def _handed(self, turn: Turn, answer: Answer, began: str) -> Answer:
        """The questions as a modern client gets them."""
        item = answer.item
        if item is None:
            return answer
        result = answer.result or {}
        requests = wanted(result) if answer.result is not None else urls_wanted(answer.error or {})
        if requests is None:
            return answer
        shown = shown_to(turn.request, requests, item.server)
        state = replace(_state_of(answer, item, began), asked={key: str(r["method"]) for key, r in requests.items()})
        handed = {**result, "resultType": INPUT_REQUIRED, "requestState": self.states.seal(turn, state)}
        if requests:
            handed["inputRequests"] = shown
        return Answer(handed, None, answer.era)

    async def _answered(self, turn: Turn, client: Client, answer: Answer, number: int) -> Again:
        """What a legacy client says to the questions, for the next round."""
        assert answer.item is not None
        result = answer.result or {}
        requests = wanted(result)
        _refuse_undeclared(turn.request, requests)
        if not requests:
            # The upstream has too much to do now and wants to be asked again.
            await anyio.sleep(min(_FIRST_PAUSE_SECONDS * 2**number, _LAST_PAUSE_SECONDS))
        server = answer.item.server if turn.request.endpoint is None else None
        params: dict[str, Any] = {"inputResponses": await _all_answers(client, requests, server)} if requests else {}
        if result.get("requestState") is not None:
            params["requestState"] = result["requestState"]
        return Again(params, item=answer.item.id, began=turn.request.id)


@contextmanager
def _recorded(turn: Turn) -> Generator[None]:
    """Who tries states of others is seen."""
    try:
        yield
    except UnknownState as exc:
        turn.core.record_refused(turn.request.id, turn.principal, exc.code)
        raise


async def _all_answers(client: Client, requests: Mapping[str, JsonObject], server: str | None) -> dict[str, Any]:
    """Every question at once, as far as the client is concerned; raises Declined when one stays open."""
    answers: dict[str, Any] = {}
    declined: list[Declined] = []

    async def ask(key: str, request: JsonObject) -> None:
        try:
            answers[key] = await client.put(str(request["method"]), request.get("params", {}), server=server)
        except Declined as exc:
            declined.append(exc)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for key, request in requests.items():
            tasks.start_soon(ask, key, request)
    if declined:
        raise declined[0]
    return answers


def _again(state: State | None, back: Returned) -> Again:
    """What goes to an upstream with the answers of a modern client."""
    if state is None:
        # It asked without giving a state to keep, or nobody asked: for the upstream to say.
        return Again({"inputResponses": back.answers})
    if state.afresh:
        if not all(back.answers.get(key, {}).get("action") == "accept" for key in state.asked):
            raise Declined("a page the upstream wants visited was not")
        return Again({}, item=state.item, began=state.began)
    params: dict[str, Any] = {"inputResponses": back.answers} if back.answers else {}
    if state.upstream is not None:
        params["requestState"] = state.upstream
    return Again(params, item=state.item, began=state.began)


def _state_of(answer: Answer, item: Tool, began: str) -> State:
    if answer.result is None:
        return State(item.id, began, afresh=True)
    kept = answer.result.get("requestState")
    # Legacy upstreams have no such results; this one is of a call that waits here.
    return State(item.id, began, parked=kept) if answer.era is Era.LEGACY else State(item.id, began, upstream=kept)


def _facts(state: State, back: Returned) -> list[str]:
    return [f"{method}: {outcome_of(back.answers[key])}" for key, method in state.asked.items() if key in back.answers]


def task_shown_to(request: Request, result: JsonObject, server: str) -> JsonObject:
    """What an upstream says of a task, with its questions as the client gets them."""
    if "inputRequests" not in result:
        return result
    return {**result, "inputRequests": shown_to(request, wanted(result), server)}


def shown_to(request: Request, requests: Mapping[str, JsonObject], server: str) -> dict[str, JsonObject]:
    """The questions as a modern client gets them; raises BadRequest for what it did not declare."""
    _refuse_undeclared(request, requests)
    named = server if request.endpoint is None else None
    return {key: _presented(asked, named) for key, asked in requests.items()}


def _presented(asked: JsonObject, server: str | None) -> JsonObject:
    return {**asked, "params": presented(str(asked["method"]), asked["params"], server)} if "params" in asked else asked


def _refuse_undeclared(request: Request, requests: Mapping[str, JsonObject]) -> None:
    """MCP 2026-07-28 patterns/mrtr: nobody is asked what they did not say they can be asked."""
    required: dict[str, Any] = {}
    for asked in requests.values():
        try:
            missing = lacking(request.capabilities, str(asked["method"]), asked.get("params", {}))
        except Declined as exc:
            raise UpstreamProtocolError("the upstream asks what no client may be asked") from exc
        for name, features in (missing or {}).items():
            required[name] = {**required.get(name, {}), **features}
    if required:
        raise BadRequest(
            f"the server asks something this client did not declare: {', '.join(sorted(required))}",
            code="request.missing_capability",
            data={"requiredCapabilities": required},
            # The code is of the modern era.
            jsonrpc=None if request.era is Era.MODERN else -32600,
        )
