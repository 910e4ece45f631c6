"""The part of the façade that explains: why, for anybody, on any tool or resource. It decides by the same methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from mcp_gateway.authorization import beyond
from mcp_gateway.authorization.discovery import Access, access
from mcp_gateway.authorization.explain import Explanation, explanation
from mcp_gateway.authorization.judge import judge_resource, resource_questions
from mcp_gateway.authorization.listing import Visible
from mcp_gateway.authorization.relationships import Answers, InContext, Relationships
from mcp_gateway.authorization.resources import Identified, Resource, Unidentified, identify
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check, Decision, Reason, deny
from mcp_gateway.model.ids import AgentId, ToolId, UserId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool

_EVERY_SCOPE = frozenset({"mcp:read", "mcp:write"})

Memberships: TypeAlias = tuple[tuple[str, str], ...]


class Explaining(ABC):
    """What decides, `Authorization` brings along."""

    _relationships: Relationships

    async def explain(
        self,
        user: UserId,
        agent: AgentId,
        tool: Tool,
        arguments: Mapping[str, Any] | None,
        *,
        now: float,
        scopes: frozenset[str] | None = None,
        memberships: Memberships = (),
        request: Request | None = None,
    ) -> Explanation:
        """What `decide` would say of a principal who need not exist, with every side asked; scopes None = all.

        Without arguments it is the tool itself that is explained: why it is listed or not.
        """
        principal = _hypothetical(user, agent, scopes, memberships, more=self._scopes_beyond(tool))
        named = () if arguments is None else identify(tool.server, tool.resources, arguments)
        asked = replace(tool, resources=()) if arguments is None else tool
        decision = await self._decide_now(
            principal, asked, named, now, every_side=True, arguments=arguments, request=request
        )
        resources = () if isinstance(named, Unidentified) else named
        found = await self.accessible(principal, (tool,), now=now, request=request)
        return explanation(
            decision,
            principal=principal,
            tool=tool,
            access=found[tool.id],
            resources=[object_ for _, object_ in resources],
            hidden=await beyond.hidden(self._relationships, decision, principal, tool, resources, now=now),
            because=await self._because(decision, principal, now),
        )

    async def explain_resource(
        self, user: UserId, agent: AgentId, resource: Resource, *, now: float, memberships: Memberships = ()
    ) -> Explanation:
        """Why this agent, acting for this user, has or has not a relation on a resource, whatever tool it calls."""
        principal = _hypothetical(user, agent, None, memberships)
        relationships = self._relationships
        if relationships.refusal is not None:
            decision = deny(Reason(relationships.refusal))
        else:
            checks = resource_questions(principal, resource, relationships.legs)
            in_context = InContext(principal.user, principal.agent, principal.memberships)
            answers = await self._ask(checks, in_context, now)
            decision = judge_resource(principal, resource, answers=answers, legs=relationships.legs)
        return explanation(
            decision,
            principal=principal,
            tool=None,
            access=None,
            resources=(resource[1],),
            hidden=await beyond.hidden(relationships, decision, principal, None, (resource,), now=now),
            because=await self._because(decision, principal, now),
        )

    async def accessible(
        self, principal: Principal, tools: Sequence[Tool], *, now: float, request: Request | None = None
    ) -> dict[ToolId, Access]:
        """What each tool is to this principal: the list of `visible`; of the others, which can be asked for."""
        visible = await self._see(principal, tools, now, request)
        found: dict[ToolId, Access] = {}
        for tool in tools:
            listed, depends = tool.id in visible.ids, tool.id in visible.depends_on_resource
            # Why a tool is not listed matters only if it is one that can be asked for.
            wanted = tool.requestable and not listed
            missing = await self.missing(principal, tool, now=now, request=request) if wanted else ()
            found[tool.id] = access(tool, listed=listed, depends=depends, missing=missing)
        return found

    async def missing(
        self, principal: Principal, tool: Tool, *, now: float, request: Request | None = None
    ) -> tuple[str, ...]:
        """Why a tool is not listed, by code: its decision without scope and resources; nothing when it is."""
        everything = replace(principal, scopes=_EVERY_SCOPE)
        decision = await self._decide_now(everything, replace(tool, resources=()), (), now, request=request)
        return () if decision.allowed else tuple(reason.code for reason in decision.reasons)

    @abstractmethod
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
        """The decision, past everything kept; with `every_side` also an allow names its sides.

        Without arguments it is that of a list.
        """

    @abstractmethod
    def _scopes_beyond(self, tool: Tool) -> tuple[str, ...]:
        """The scopes a policy asks for beyond those that follow from the risk."""

    @abstractmethod
    async def _see(
        self, principal: Principal, tools: Sequence[Tool], now: float, request: Request | None = None
    ) -> Visible: ...

    @abstractmethod
    async def _ask(self, checks: Sequence[Check], in_context: InContext | None, now: float) -> Answers: ...

    @abstractmethod
    async def _because(self, decision: Decision, principal: Principal, now: float) -> dict[Check, tuple[str, ...]]:
        """The tuples behind every yes."""


def _hypothetical(
    user: UserId,
    agent: AgentId,
    scopes: frozenset[str] | None,
    memberships: Memberships,
    *,
    more: tuple[str, ...] = (),
) -> Principal:
    scopes = _EVERY_SCOPE.union(more) if scopes is None else scopes
    return Principal(user, agent, scopes, audience="", token_id="", expires_at=0, memberships=memberships)
