"""The façade: ask once for many, then judge. List, call and explain go through the same questions.

A decision is kept until the next revision of the relationships, or until a condition it rests on
may change; the key holds everything else the judgement reads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from mcp_gateway.authorization.explaining import Explaining, Memberships
from mcp_gateway.authorization.judge import (
    CAN_CALL,
    CAN_CALL_DIRECTLY,
    judge,
    questions,
    sides,
    within_scope,
)
from mcp_gateway.authorization.listing import Visible, candidates, list_questions, listed
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Relationships
from mcp_gateway.authorization.resources import Identified, identify
from mcp_gateway.authorization.rules import NO_RULES, Bound, Facts, RuleBook, narrow
from mcp_gateway.authorization.switches import switched_off, switched_on
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check, Decision, Reason, deny
from mcp_gateway.model.ids import GATEWAY, ToolId
from mcp_gateway.model.principal import Person, Principal
from mcp_gateway.model.tool import Mode, ReviewState, Risk, Tool
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage import switches as stored_switches

_CACHED_DECISIONS = 10_000
_KEPT_LISTS = 1_000

T = TypeVar("T")

_Given: TypeAlias = tuple[str | None, ...]
"""What of the request the rules for lists read."""

_Key: TypeAlias = tuple[str, str, Memberships, bool, str, str, ReviewState, Identified]


class Authorization(Explaining):
    """One per process. A `storage.Follower`: what it has followed binds the next decision."""

    def __init__(
        self,
        relationships: Relationships,
        *,
        cached_decisions: int = _CACHED_DECISIONS,
        book: RuleBook = NO_RULES,
    ) -> None:
        self._relationships = relationships
        self._book = book
        # Without rules a call must not pay for them: None is asked once per decision.
        self._spoken = None if book.says_nothing else book
        self._cached_decisions = cached_decisions
        self._off: frozenset[str] = frozenset()
        self._cache: OrderedDict[_Key, Decision] = OrderedDict()
        self._visible: OrderedDict[tuple[str, str, Memberships, _Given, int], tuple[Sequence[Tool], Visible]] = (
            OrderedDict()
        )

    async def load(self, database: Database) -> None:
        """Read every relationship and what is switched off; until then everything is denied."""
        self.forget()
        self._off = frozenset(row.object for row in await _available(stored_switches.switched_off(database)))
        await _available(self._relationships.load(database))

    async def adopt(self, relationships: Relationships, database: Database) -> None:
        """Decide by another model or backend; the present one decides until the other has read everything."""
        await _available(relationships.load(database))
        while relationships.revision < self._relationships.revision:  # followed meanwhile
            await _available(relationships.load(database))
        self._relationships = relationships
        self.forget()

    @property
    def book(self) -> RuleBook:
        """What narrows decisions now."""
        return self._book

    def adopt_rules(self, book: RuleBook) -> None:
        """Narrow by another book from the next decision on."""
        self._book = book
        self._spoken = None if book.says_nothing else book
        self.forget()

    async def follow(self, changes: Sequence[Change]) -> None:
        self.forget()
        self._off = stored_switches.after(self._off, changes)
        try:
            await _available(self._relationships.follow(changes))
        finally:
            # A decision made while the changes came in is of before them.
            self.forget()

    def forget(self) -> None:
        """Decide everything anew: relationships changed elsewhere than in the store."""
        self._cache.clear()
        self._visible.clear()

    async def decide(
        self,
        principal: Principal,
        tool: Tool,
        arguments: Mapping[str, Any],
        *,
        now: float,
        request: Request | None = None,
    ) -> Decision:
        """May this agent, acting for this user, make this call? Rules read the time and the request anew each time."""
        bound = None if self._spoken is None and tool.mode is None else self._bound(tool)
        resources = identify(tool.server, tool.resources, arguments) if tool.resources else ()
        in_scope = within_scope(principal.scopes, tool.risk)
        key = (
            principal.user,
            principal.agent,
            principal.memberships,
            in_scope,
            tool.id,
            tool.digest,
            tool.state,
            resources,
        )
        known = self._cache.get(key)
        if known is not None and (known.valid_until is None or now < known.valid_until):
            self._cache.move_to_end(key)
            if bound is None:
                return known
        else:
            more = bound.checks(principal.user) if bound else ()
            known = await self._decide(principal, tool, resources, now, more=more)
            known = switched_off(known, principal, tool, self._off) if self._off else known
            self._keep(key, known, now, more)
        return known if bound is None else _narrowed(known, bound, principal, tool, resources, arguments, now, request)

    async def visible(
        self, principal: Principal, tools: Sequence[Tool], *, now: float, request: Request | None = None
    ) -> Visible:
        """The tools to list: the rule of `decide` without the arguments. Kept per principal and sequence of tools."""
        given = self._book.given(request) if self._spoken is not None else ()
        key = (principal.user, principal.agent, principal.memberships, given, id(tools))
        kept = self._visible.get(key)
        if kept is not None and kept[0] is tools and (kept[1].valid_until is None or now < kept[1].valid_until):
            self._visible.move_to_end(key)
            return kept[1]
        visible = await self._see(principal, tools, now, request)
        if visible.revision == self._relationships.revision:
            self._visible[key] = (tools, visible)
            if len(self._visible) > _KEPT_LISTS:
                self._visible.popitem(last=False)
        return visible

    async def _see(
        self, principal: Principal, tools: Sequence[Tool], now: float, request: Request | None = None
    ) -> Visible:
        in_context = _in_context(principal)
        held = await self._held(principal.user, CAN_CALL, tools, in_context, now)
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
        chosen = candidates(open_, held, bounds)
        asked = list_questions(principal, chosen, held, bounds, legs)
        answers = await self._ask(asked, _in_context(principal), now) if asked else None
        return listed(principal, chosen, held, answers, bounds, legs, now=now, request=request)

    async def usable_by(self, person: Person, tools: Sequence[Tool], *, now: float) -> frozenset[ToolId]:
        """The tools this person could use without an agent; for the first-party pages, which never call."""
        held = await self._held(person.user, CAN_CALL_DIRECTLY, tools, None, now)
        return frozenset(map(ToolId, held.objects))

    async def holds(self, subject: str, relation: str, object_: str, *, now: float) -> bool:
        """One first-party question, such as `gateway:local` administrator; unanswered is no."""
        if self._relationships.refusal is not None or subject in self._off:
            return False
        check = Check(subject, relation, object_)
        answers = await self._ask((check,), None, now)
        return answers.answers.get(check) is True

    async def _because(self, decision: Decision, principal: Principal, now: float) -> dict[Check, tuple[str, ...]]:
        in_context = _in_context(principal)
        return {
            check: await _available(self._relationships.witness(check, in_context=in_context, now=now))
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
        return _narrowed(decision, bound, principal, tool, resources, arguments, now, request)

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
        answers = await _available(self._relationships.answer(checks, in_context=in_context, now=now, fresh=fresh))
        if not answers.answers.keys() <= set(checks):
            raise AuthorizationUnavailable("the relationship backend answered a question nobody asked")
        return answers

    async def _held(
        self, subject: str, relation: str, tools: Sequence[Tool], in_context: InContext | None, now: float
    ) -> Held:
        relationships = self._relationships
        agent = (in_context.agent, GATEWAY) if in_context else ()
        if self._closed(subject, *agent):
            return Held((), relationships.revision, relationships.model_id, now)
        approved = [tool.id for tool in switched_on(tools, self._off) if tool.state is ReviewState.APPROVED]
        return await _available(relationships.held(subject, relation, approved, in_context=in_context, now=now))

    def _closed(self, *ids: str) -> bool:
        """Nothing is allowed: nobody can answer, or one of these is switched off."""
        return self._relationships.refusal is not None or not self._off.isdisjoint(ids)

    def _keep(self, key: _Key, decision: Decision, now: float, more: tuple[Check, ...]) -> None:
        """Keep what was fully answered at the present revision and still holds a moment from now."""
        current = self._relationships
        if any(check not in decision.answers for check in more):
            return
        if any(reason.code == "relationship.unknown" for reason in decision.reasons):
            return
        if (decision.revision, decision.model_id) != (current.revision, current.model_id):
            return
        if decision.valid_until is not None and decision.valid_until <= now:
            return
        self._cache[key] = decision
        if len(self._cache) > self._cached_decisions:
            self._cache.popitem(last=False)


def _narrowed(
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


async def _available(answer: Awaitable[T]) -> T:
    """Whatever goes wrong in a backend, the call is not decided."""
    try:
        return await answer
    except AuthorizationUnavailable:
        raise
    except Exception as exc:
        raise AuthorizationUnavailable(f"the relationship backend failed: {type(exc).__name__}") from exc
