"""Asking and judging anew: what the façade keeps is made here, and explaining asks here past everything kept.

One batch is enough for an allow; a denial adds one, to name the missing side. Whatever goes wrong in a
backend, nothing is decided.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any, TypeAlias, TypeVar

from mcp_gateway.authorization.explaining import Explaining
from mcp_gateway.authorization.judge import judge, questions, sides, ungoverned
from mcp_gateway.authorization.kinds import Governed, by_rule, is_modelled
from mcp_gateway.authorization.listing import Visible, candidates, list_questions, listed
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Relationships
from mcp_gateway.authorization.resources import Identified
from mcp_gateway.authorization.rules import NO_RULES, Bound, Facts, RuleBook, narrow
from mcp_gateway.authorization.switches import switched_off, switched_on
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check, Decision, Reason, deny
from mcp_gateway.model.ids import GATEWAY, ToolId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Mode, ReviewState, Risk, Tool

T = TypeVar("T")

Asked: TypeAlias = Callable[[str, int, bool], None]
"""`check` or `list`, the nanoseconds it took, and whether there was an answer."""


class Asking(Explaining):
    """Keeps nothing of its own; `_off` and `_book` are what the façade has followed."""

    def __init__(self, relationships: Relationships, book: RuleBook = NO_RULES) -> None:
        self._relationships = relationships
        self._book = book
        # Without rules a call must not pay for them: None is asked once per decision.
        self._spoken = None if book.says_nothing else book
        self._off: frozenset[str] = frozenset()
        self.asked: Asked | None = None
        """Told of every batch put to the backend."""

    @property
    def relationships(self) -> Relationships:
        """What decides now; for whoever watches how it fares."""
        return self._relationships

    def depends(self, tool: Tool) -> bool:
        """Whether a call of a listed tool also depends on its arguments: on what they name, or on a rule about them."""
        bound = self._bound(tool)
        return bool(tool.resources) or (bound is not None and bound.of_call)

    async def _see(
        self, principal: Principal, tools: Sequence[Tool], now: float, request: Request | None = None
    ) -> Visible:
        in_context = _in_context(principal)
        held = await self._held(principal.user, _whole, tools, in_context, now)
        if self._spoken is not None or any(tool.mode is Mode.OBSERVE for tool in tools):
            return await self._see_narrowed(principal, tools, held, now, request)
        listed_ids = frozenset(map(ToolId, held.objects))
        return Visible(
            tools=tuple(tool.id for tool in tools if tool.id in listed_ids),
            depends_on_resource=frozenset(tool.id for tool in tools if tool.resources and tool.id in listed_ids),
            revision=held.revision,
            model_id=held.model_id,
            valid_until=held.valid_until,
            ids=listed_ids,
        )

    async def _see_narrowed(
        self, principal: Principal, tools: Sequence[Tool], held: Held, now: float, request: Request | None
    ) -> Visible:
        """The same with rules, roles and what is only observed; one batch of questions for all tools."""
        legs, bounds = self._relationships.legs, {tool.id: self._bound(tool) for tool in tools}
        closed = self._closed(principal.user, principal.agent, GATEWAY)
        open_ = [] if closed else [tool for tool in switched_on(tools, self._off) if tool.state is ReviewState.APPROVED]
        open_ = [tool for tool in open_ if is_modelled(legs, tool.kind)]
        chosen = candidates(open_, held, bounds)
        asked = list_questions(principal, chosen, held, bounds, legs)
        answers = await self._ask(asked, _in_context(principal), now) if asked else None
        return listed(principal, chosen, held, answers, bounds, legs, now=now, request=request)

    async def _because(self, decision: Decision, principal: Principal, now: float) -> dict[Check, tuple[str, ...]]:
        in_context = _in_context(principal)
        return {
            check: await available(self._relationships.witness(check, in_context=in_context, now=now))
            for check, answer in decision.answers.items()
            if answer
        }

    async def _decide_now(
        self,
        principal: Principal,
        tool: Tool,
        resources: Identified,
        now: float,
        *,
        every_side: bool = False,
        arguments: Mapping[str, Any] | None = None,
        request: Request | None = None,
    ) -> Decision:
        bound = self._bound(tool)
        more = bound.checks(principal.user) if bound else ()
        decision = await self._decide(principal, tool, resources, now, every_side=every_side, more=more)
        decision = switched_off(decision, principal, tool, self._off)
        if bound is None:
            return decision
        return narrowed(decision, bound, principal, tool, resources, arguments, now, request)

    def _scopes_beyond(self, tool: Tool) -> tuple[str, ...]:
        bound = self._bound(tool)
        return bound.scopes if bound else ()

    def _bound(self, tool: Tool) -> Bound | None:
        return self._book.of(tool)

    async def _decide(
        self,
        principal: Principal,
        tool: Tool,
        resources: Identified,
        now: float,
        *,
        every_side: bool = False,
        more: tuple[Check, ...] = (),
    ) -> Decision:
        """By the relationships alone; `more` is asked along, for the rules."""
        refusal = self._relationships.refusal
        if refusal is not None:
            return deny(Reason(refusal))
        legs = self._relationships.legs
        lacking = ungoverned(tool, legs)
        if lacking is not None:
            return deny(lacking)
        in_context = _in_context(principal)
        # What changes something is decided by the newest state a remote backend can give.
        fresh = tool.risk is not Risk.READ
        first = await self._ask((*questions(principal, tool, resources), *more), in_context, now, fresh=fresh)
        decision = judge(principal, tool, resources, answers=first, legs=legs)
        if decision.allowed and not every_side:
            return decision
        missing = sides(principal, tool, resources, answers={} if every_side else first.answers, legs=legs)
        if not missing:
            return decision
        second = await self._ask(missing, in_context, now, fresh=fresh)
        return judge(principal, tool, resources, answers=_together(first, second), legs=legs)

    async def _ask(
        self, checks: Sequence[Check], in_context: InContext | None, now: float, *, fresh: bool = False
    ) -> Answers:
        asking = self._relationships.answer(checks, in_context=in_context, now=now, fresh=fresh)
        answers = await self._told("check", asking)
        if not answers.answers.keys() <= set(checks):
            raise AuthorizationUnavailable("the relationship backend answered a question nobody asked")
        return answers

    async def _held(
        self,
        subject: str,
        relation: Callable[[Governed], str],
        tools: Sequence[Tool],
        in_context: InContext | None,
        now: float,
    ) -> Held:
        """On which of `tools` the subject has `relation`, by the rule of their kind."""
        relationships = self._relationships
        agent = (in_context.agent, GATEWAY) if in_context else ()
        if self._closed(subject, *agent):
            return Held((), relationships.revision, relationships.model_id, now)
        approved = [tool for tool in switched_on(tools, self._off) if tool.state is ReviewState.APPROVED]
        found: Held | None = None
        for rule, governed in by_rule(approved):
            if not is_modelled(relationships.legs, governed[0].kind):
                continue
            ids = [tool.id for tool in governed]
            asking = relationships.held(subject, relation(rule), ids, in_context=in_context, now=now)
            part = await self._told("list", asking)
            found = part if found is None else _both(found, part)
        return found or Held((), relationships.revision, relationships.model_id, None)

    async def _told(self, question: str, asking: Awaitable[T]) -> T:
        """The answer, and whoever watches is told how long it took."""
        if self.asked is None:
            return await available(asking)
        began, answered = perf_counter_ns(), False
        try:
            answer = await available(asking)
            answered = True
            return answer
        finally:
            self.asked(question, perf_counter_ns() - began, answered)

    def _closed(self, *ids: str) -> bool:
        """Nothing is allowed: nobody can answer, or one of these is switched off."""
        return self._relationships.refusal is not None or not self._off.isdisjoint(ids)


def narrowed(
    decision: Decision,
    bound: Bound,
    principal: Principal,
    tool: Tool,
    resources: Identified,
    arguments: Mapping[str, Any] | None,
    now: float,
    request: Request | None,
) -> Decision:
    answers = decision.answers
    return narrow(
        decision, bound, Facts(principal, tool, bound.classification, request, now, answers, arguments, resources)
    )


def _whole(rule: Governed) -> str:
    return rule.whole


def _both(one: Held, other: Held) -> Held:
    """Of two kinds, as of the older revision."""
    revision, valid_until = min(one.revision, other.revision), _earlier(one.valid_until, other.valid_until)
    return Held(one.objects + other.objects, revision, one.model_id, valid_until)


def _in_context(principal: Principal) -> InContext:
    return InContext(principal.user, principal.agent, principal.memberships)


def _together(first: Answers, second: Answers) -> Answers:
    """Both batches, as of the first: the second only names what the first denied."""
    valid_until = _earlier(first.valid_until, second.valid_until)
    return Answers({**second.answers, **first.answers}, first.revision, first.model_id, valid_until)


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


async def available(answer: Awaitable[T]) -> T:
    """Whatever goes wrong in a backend, the call is not decided."""
    try:
        return await answer
    except AuthorizationUnavailable:
        raise
    except Exception as exc:
        raise AuthorizationUnavailable(f"the relationship backend failed: {type(exc).__name__}") from exc
