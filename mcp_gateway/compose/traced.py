"""The rooms with a clock around them, for as long as tracing is on; the rooms themselves know nothing of it.

Each is a room's own class whose methods leave a span in the request they work for. No argument, token, resource
or rule's text is in a span; who the user and the agent are only where the operator wants it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter_ns
from types import TracebackType
from typing import Any

from mcp_gateway.audit import Entry, Journal
from mcp_gateway.authorization import Authorization
from mcp_gateway.authorization.asking import InContext
from mcp_gateway.authorization.listing import Visible
from mcp_gateway.authorization.relationships import Answers
from mcp_gateway.errors import GatewayError
from mcp_gateway.gateway import Gateway
from mcp_gateway.guards.onion import Guard
from mcp_gateway.model.call import Answer, Caller, Forward, Permit, Request
from mcp_gateway.model.decision import Check, Decision
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, Tool
from mcp_gateway.model.trace import Trace
from mcp_gateway.telemetry.tracing import WALK, Walk, walked

_MAX_REASONS = 8


class TracedGateway(Gateway):
    """Times who it is that asks."""

    __slots__ = ()

    async def authenticate(self, request_id: str, authorization: str | None, audience: str) -> Principal:
        walk = WALK.get()
        if walk is None:
            return await Gateway.authenticate(self, request_id, authorization, audience)
        began = perf_counter_ns()
        error = "internal.error"
        try:
            principal = await Gateway.authenticate(self, request_id, authorization, audience)
            error = ""
        except GatewayError as exc:
            error = exc.code
            raise
        finally:
            walk.authenticated = began, perf_counter_ns(), error
        walk.principal = principal
        return principal


class TracedAuthorization(Authorization):
    """Times decisions and lists, and whether relationships had to be asked for them."""

    async def decide(
        self,
        principal: Principal,
        tool: Tool,
        arguments: Mapping[str, Any],
        *,
        now: float,
        request: Request | None = None,
    ) -> Decision:
        walk = walked()
        if walk is None:
            return await super().decide(principal, tool, arguments, now=now, request=request)
        began, asked = perf_counter_ns(), walk.asked
        try:
            decision = await super().decide(principal, tool, arguments, now=now, request=request)
        except BaseException as exc:
            walk.span("decide", began, error=code_of(exc))
            raise
        walk.span("decide", began, {**_about(decision), "mcp_gateway.cached": walk.asked == asked})
        return decision

    async def visible(
        self, principal: Principal, tools: Sequence[Tool], *, now: float, request: Request | None = None
    ) -> Visible:
        walk = walked()
        if walk is None:
            return await super().visible(principal, tools, now=now, request=request)
        began = perf_counter_ns()
        try:
            visible = await super().visible(principal, tools, now=now, request=request)
        except BaseException as exc:
            walk.span("decide", began, error=code_of(exc))
            raise
        shown = {"mcp_gateway.shown": len(visible.tools), "mcp_gateway.of": len(tools)}
        walk.span("decide", began, {**shown, "mcp_gateway.revision": visible.revision})
        return visible

    async def _ask(
        self, checks: Sequence[Check], in_context: InContext | None, now: float, *, fresh: bool = False
    ) -> Answers:
        walk = walked()
        if walk is None:
            return await super()._ask(checks, in_context, now, fresh=fresh)
        walk.asked += 1
        began = perf_counter_ns()
        try:
            answers = await super()._ask(checks, in_context, now, fresh=fresh)
        except BaseException as exc:
            walk.span("relationships", began, error=code_of(exc))
            raise
        walk.span("relationships", began, {"mcp_gateway.questions": len(checks)})
        return answers


class TracedEntry(Entry):
    """Times what is written before a call leaves and after it came back, and the call itself."""

    __slots__ = ()

    def recorded(self, forward: Forward) -> Forward:
        walk = walked()
        return super().recorded(forward) if walk is None else self._walked(walk, forward)

    def _walked(self, walk: Walk, forward: Forward) -> Forward:
        began = 0

        async def leave(permit: Permit, caller: Caller) -> Answer:
            nonlocal began
            walk.span("audit intent", began)
            began = 0
            return await _called(walk, permit, caller, forward)

        inner = super().recorded(leave)

        async def record_then_leave(permit: Permit, caller: Caller) -> Answer:
            nonlocal began
            began = perf_counter_ns()
            try:
                return await inner(permit, caller)
            except BaseException as exc:
                if began:
                    walk.span("audit intent", began, error=code_of(exc))
                raise

        return record_then_leave

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        walk = walked()
        if walk is None:
            await super().__aexit__(exc_type, exc, traceback)
            return
        _about_request(walk, self._request, self._verb, self.tool, self.decision)
        began, error = perf_counter_ns(), ""
        try:
            await super().__aexit__(exc_type, exc, traceback)
        except BaseException as failure:
            error = code_of(failure)
            raise
        finally:
            walk.span("audit outcome", began, error=error)


class TracedJournal(Journal):
    entries = TracedEntry


async def guards(permit: Permit, caller: Caller, proceed: Forward) -> Answer:
    """The outermost guard: a span around all others and what they let through."""
    walk = walked()
    if walk is None:
        return await proceed(permit, caller)
    began, (place, outer) = perf_counter_ns(), walk.enter()
    error = ""
    try:
        return await proceed(permit, caller)
    except BaseException as exc:
        error = code_of(exc)
        raise
    finally:
        walk.leave(outer)
        walk.span("guards", began, error=error, place=place)


OUTERMOST: Sequence[Guard] = (guards,)


async def _called(walk: Walk, permit: Permit, caller: Caller, forward: Forward) -> Answer:
    """A client span that the upstream is told to be a child of."""
    place, outer = walk.enter()
    attributes: dict[str, str | int | bool] = {"mcp.method.name": permit.method, "peer.service": permit.tool.server}
    attributes.update(_target(permit.tool, permit.method))
    began, error = perf_counter_ns(), ""
    try:
        answer = await forward(_told(walk, place, permit), caller)
        error = _failure(answer, attributes)
        if error == "tool_error":
            walk.error = error
        attributes["mcp_gateway.upstream.era"] = answer.era.value
        return answer
    except BaseException as exc:
        error = code_of(exc)
        raise
    finally:
        walk.leave(outer)
        walk.ask(_name(permit.tool, permit.method), place, began, attributes, error)


def _told(walk: Walk, place: int, permit: Permit) -> Permit:
    told = permit.request.trace
    trace = Trace.of(walk.id, place, walk.flags, walk.state, told.baggage if told is not None else "")
    return replace(permit, request=replace(permit.request, trace=trace))


def _failure(answer: Answer, attributes: dict[str, str | int | bool]) -> str:
    """What OpenTelemetry's conventions call the error of an answer; empty when it is none."""
    if answer.error is not None:
        code: Any = answer.error.get("code")
        said = str(code) if isinstance(code, int) else "_OTHER"
        attributes["rpc.response.status_code"] = said
        return said
    return "tool_error" if answer.result is not None and answer.result.get("isError") is True else ""


def _about(decision: Decision) -> dict[str, str | int | bool]:
    return {
        "mcp_gateway.effect": decision.effect.value,
        "mcp_gateway.reasons": " ".join(dict.fromkeys(reason.code for reason in decision.reasons[:_MAX_REASONS])),
        "mcp_gateway.revision": decision.revision,
        "mcp_gateway.model": decision.model_id,
    }


def _about_request(walk: Walk, request: Request, verb: str, tool: Tool | None, decision: Decision | None) -> None:
    if request.client_session is not None:
        walk.attributes["mcp.session.id"] = request.client_session
    if decision is not None:
        walk.attributes["mcp_gateway.effect"] = decision.effect.value
    if tool is not None:
        walk.attributes["mcp_gateway.server"] = tool.server
        walk.attributes.update(_target(tool, verb))
        walk.target = tool.name if tool.kind in (Kind.TOOL, Kind.PROMPT) else ""


def _name(tool: Tool, method: str) -> str:
    return f"{method} {tool.name}" if tool.kind in (Kind.TOOL, Kind.PROMPT) else method


def _target(tool: Tool, method: str) -> dict[str, str | int | bool]:
    """A URI is never told: it may name a person."""
    if tool.kind is Kind.PROMPT:
        return {"gen_ai.prompt.name": tool.name}
    if tool.kind is not Kind.TOOL:
        return {}
    named: dict[str, str | int | bool] = {"gen_ai.tool.name": tool.name}
    if method == "tools/call":
        named["gen_ai.operation.name"] = "execute_tool"
    return named


def code_of(exc: BaseException) -> str:
    if isinstance(exc, GatewayError):
        return exc.code
    return "internal.error" if isinstance(exc, Exception) else "cancelled"
