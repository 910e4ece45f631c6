"""The façade: ask once for many, then judge. List, call and explain go through the same questions.

A decision is kept until the next revision of the relationships, or until a condition it rests on
may change; the key holds everything else the judgement reads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from mcp_gateway.authorization.asking import Asking, available, narrowed
from mcp_gateway.authorization.discovery import Access, access
from mcp_gateway.authorization.explaining import Memberships
from mcp_gateway.authorization.judge import within_scope
from mcp_gateway.authorization.kinds import AVAILABLE
from mcp_gateway.authorization.listing import Visible
from mcp_gateway.authorization.relationships import InContext, Relationships
from mcp_gateway.authorization.resources import Identified, identify
from mcp_gateway.authorization.rules import NO_RULES, RuleBook
from mcp_gateway.authorization.switches import switched_off
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check, Decision
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.principal import Person, Principal
from mcp_gateway.model.tool import ReviewState, Tool
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage import switches as stored_switches

_CACHED_DECISIONS = 10_000
_KEPT_LISTS = 1_000
_KEPT_TOOLS = 500_000
"""In all kept lists together; some 50 MB."""

_Given: TypeAlias = tuple[str | None, ...]
"""What of the request the rules for lists read."""

_Key: TypeAlias = tuple[str, str, Memberships, bool, str, str, ReviewState, Identified]


class Authorization(Asking):
    """One per process. A `storage.Follower`: what it has followed binds the next decision."""

    def __init__(
        self,
        relationships: Relationships,
        *,
        cached_decisions: int = _CACHED_DECISIONS,
        kept_tools: int = _KEPT_TOOLS,
        book: RuleBook = NO_RULES,
    ) -> None:
        super().__init__(relationships, book)
        self._cached_decisions = cached_decisions
        self._kept_tools = kept_tools
        self._listed = 0
        self._cache: OrderedDict[_Key, Decision] = OrderedDict()
        self._visible: OrderedDict[tuple[str, str, Memberships, _Given, int], tuple[Sequence[Tool], Visible]] = (
            OrderedDict()
        )

    async def load(self, database: Database) -> None:
        """Read every relationship and what is switched off; until then everything is denied."""
        self.forget()
        self._off = frozenset(row.object for row in await available(stored_switches.switched_off(database)))
        await available(self._relationships.load(database))

    async def adopt(self, relationships: Relationships, database: Database) -> None:
        """Decide by another model or backend; the present one decides until the other has read everything."""
        await available(relationships.load(database))
        while relationships.revision < self._relationships.revision:  # followed meanwhile
            await available(relationships.load(database))
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
            await available(self._relationships.follow(changes))
        finally:
            # A decision made while the changes came in is of before them.
            self.forget()

    def forget(self) -> None:
        """Decide everything anew: relationships changed elsewhere than in the store."""
        self._cache.clear()
        self._visible.clear()
        self._listed = 0

    async def undecided(self, *, now: float) -> str | None:
        """A reason that denies everything now, or None; raises AuthorizationUnavailable. Asks what is never true."""
        if self._relationships.refusal is None:
            nobody = InContext("user:local/nobody", "agent:local/nobody")
            await self._ask((Check(nobody.user, "can_call", "tool:nothing/nothing"),), nobody, now)
        return self._relationships.refusal

    async def decide(
        self,
        principal: Principal,
        tool: Tool,
        arguments: Mapping[str, Any],
        *,
        now: float,
        request: Request | None = None,
    ) -> Decision:
        """May this agent, acting for this user, make this call? Rules read the time and the request anew each time.

        Of a prompt: may it be got; of a resource or template: may it be read.
        """
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
        if known is not None and bound is not None and not bound.is_answered(principal.user, known.answers):
            known = None  # decided while another book came into force
        if known is not None and (known.valid_until is None or now < known.valid_until):
            self._cache.move_to_end(key)
            if bound is None:
                return known
        else:
            more = bound.checks(principal.user) if bound else ()
            known = await self._decide(principal, tool, resources, now, more=more)
            known = switched_off(known, principal, tool, self._off) if self._off else known
            self._keep(key, known, now, more)
        return known if bound is None else narrowed(known, bound, principal, tool, resources, arguments, now, request)

    async def visible(
        self, principal: Principal, tools: Sequence[Tool], *, now: float, request: Request | None = None
    ) -> Visible:
        """What of `tools` to list: the rule of `decide` without the arguments. Kept per principal and sequence of tools."""
        given = self._book.given(request) if self._spoken is not None else ()
        key = (principal.user, principal.agent, principal.memberships, given, id(tools))
        kept = self._visible.get(key)
        if kept is not None and kept[0] is tools and (kept[1].valid_until is None or now < kept[1].valid_until):
            self._visible.move_to_end(key)
            return kept[1]
        book = self._book
        visible = await self._see(principal, tools, now, request)
        # What holds for this moment only is not kept even for it: a clock may be set back.
        lasts = visible.valid_until is None or now < visible.valid_until
        if lasts and visible.revision == self._relationships.revision and book is self._book:
            before = self._visible.pop(key, None)
            self._visible[key] = (tools, visible)
            self._listed += len(visible.tools) - (0 if before is None else len(before[1].tools))
            while len(self._visible) > _KEPT_LISTS or (self._listed > self._kept_tools and self._visible):
                self._listed -= len(self._visible.popitem(last=False)[1][1].tools)
        return visible

    async def usable_by(self, person: Person, tools: Sequence[Tool], *, now: float) -> frozenset[ToolId]:
        """What of `tools`, of any kind, this person could use without an agent; for pages, which never call."""
        held = await self._held(person.user, lambda rule: rule.directly, tools, None, now)
        return frozenset(map(ToolId, held.objects))

    async def accessible_to(self, person: Person, tools: Sequence[Tool], *, now: float) -> dict[ToolId, Access]:
        """What each tool is to this person, an agent's part left out; for the first-party pages."""
        usable = await self.usable_by(person, tools, now=now)
        asked = [tool for tool in tools if tool.requestable and tool.id not in usable]
        # Only a tool that somebody could call now is worth asking for.
        held = (await self._held(person.user, lambda _: AVAILABLE, asked, None, now)).objects if asked else ()
        missing = dict.fromkeys(map(ToolId, held), ("user.not_allowed",))
        return {
            tool.id: access(
                tool, listed=tool.id in usable, depends=self.depends(tool), missing=missing.get(tool.id, ())
            )
            for tool in tools
        }

    def depends(self, tool: Tool) -> bool:
        """Whether a call also depends on its arguments: on what they name, or on a rule that reads them."""
        bound = self._bound(tool)
        return bool(tool.resources) or (bound is not None and bound.of_call)

    async def holds(self, subject: str, relation: str, object_: str, *, now: float) -> bool:
        """One first-party question, such as `gateway:local` administrator; unanswered is no."""
        if self._relationships.refusal is not None or subject in self._off:
            return False
        check = Check(subject, relation, object_)
        answers = await self._ask((check,), None, now)
        return answers.answers.get(check) is True

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
