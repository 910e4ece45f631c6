"""The policy enforcement point: one method per MCP verb, each on one screen.

    transport ─▶ authenticate ─▶ identity                         → Principal | Unauthenticated
              ─▶ call_tool
                   ├ audit          entry opens
                   ├ catalog        resolve(name)                  → Tool | unavailable
                   ├ authorization  decide(principal, tool, args)  → Decision
                   ├ admit          Decision                       → Permit | AccessDenied
                   ├ guards         headers ▸ schema ▸ concurrency
                   │    └ upstream  intent recorded, forward(Permit) → Answer
                   └ audit          entry closes: outcome, denial or error

What is listed is what may be called: `list_tools` asks the same authorization.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp_gateway.audit import Journal
from mcp_gateway.authorization import Authorization, public_code
from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import (
    AccessDenied,
    AuthorizationUnavailable,
    GatewayError,
    InsufficientScope,
    Unauthenticated,
    Unavailable,
)
from mcp_gateway.guards import Guards
from mcp_gateway.identity import Identity
from mcp_gateway.model.call import Answer, Caller, Permit, Request
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Risk, Tool
from mcp_gateway.storage import ChangeFeed
from mcp_gateway.upstream import Upstreams

Called: TypeAlias = tuple[Request, str, Mapping[str, Any]]
"""A `tools/call` under way: request, tool name, arguments. A plain tuple, because every call makes one."""


@dataclass(frozen=True, slots=True)
class ToolList:
    """The approved tools of one endpoint and which of them this principal may call."""

    tools: Sequence[Tool]
    visible: frozenset[ToolId]
    generation: tuple[int, str]
    """Of the catalog and of the rules; with `visible` it identifies the answer."""
    depends: Callable[[Tool], bool]
    """Whether a call of a listed tool also depends on its arguments."""


@dataclass(frozen=True, slots=True)
class Gateway:
    feed: ChangeFeed
    identity: Identity
    catalog: Catalog
    authorization: Authorization
    guards: Guards
    upstreams: Upstreams
    journal: Journal

    async def authenticate(self, request_id: str, authorization: str | None, audience: str) -> Principal:
        """Who asks; a refusal is recorded, also when it is ours because the store or an issuer cannot be asked."""
        try:
            await self.follow()
            principal = await self.identity.authenticate(authorization, audience)
            if self.feed.moved():  # while an issuer was asked for its keys
                await self._stands(principal)
            return principal
        except (Unauthenticated, AuthorizationUnavailable) as exc:
            self.journal.refused(request_id, exc.recorded, audience=audience)
            raise

    async def still_stands(self, request_id: str, principal: Principal) -> None:
        """For a request that took its time to arrive: what was acknowledged meanwhile counts, for its token too.

        Raises and records like `authenticate`.
        """
        try:
            await self._stands(principal)
        except (Unauthenticated, AuthorizationUnavailable) as exc:
            self.journal.refused(request_id, exc.recorded, audience=principal.audience)
            raise

    async def list_tools(self, request: Request, principal: Principal) -> ToolList:
        """What `principal` may call at the request's endpoint."""
        async with self.journal.entry(request, "tools/list", principal) as entry:
            listing = self.catalog.listing(request.endpoint)
            visible = await self.authorization.visible(principal, listing.tools, now=time.time(), request=request)
            entry.listed(visible.tools)
            generation = (listing.generation, self.authorization.book.book_id)
            return ToolList(listing.tools, visible.ids, generation, self.authorization.depends)

    async def call_tool(
        self, request: Request, principal: Principal, name: str, arguments: Mapping[str, Any], caller: Caller
    ) -> Answer:
        """Decide, and only then forward. Raises what `errors.PUBLIC` can render."""
        async with self.journal.entry(request, "tools/call", principal, arguments) as entry:
            entry.tool = tool = self.catalog.resolve(request.endpoint, name)
            entry.decision = decision = await self.authorization.decide(
                principal, tool, arguments, now=time.time(), request=request
            )
            permit = admit(request, principal, tool, arguments, decision)
            return await self.guards.run(permit, caller, entry.recorded(self.upstreams.forward))

    async def ended(self, principal: Principal) -> GatewayError | None:
        """What would refuse `principal` now, but for the token's age; asks nobody outside this process."""
        return await _refusal(self._stands(principal))

    async def refused(self, principal: Principal, called: Called) -> GatewayError | None:
        """What would refuse a call that is under way if it came now, by the checks it came through."""
        return await _refusal(self._readmit(principal, called))

    async def _stands(self, principal: Principal) -> None:
        await self.follow()
        self.identity.refuse_ended(principal)

    async def _readmit(self, principal: Principal, called: Called) -> None:
        await self.follow()
        request, name, arguments = called
        tool = self.catalog.resolve(request.endpoint, name)
        decision = await self.authorization.decide(principal, tool, arguments, now=time.time(), request=request)
        admit(request, principal, tool, arguments, decision)

    async def record_ended(
        self, request_id: str, principal: Principal, name: str | None, refusal: GatewayError
    ) -> None:
        """The request was ended because of `refusal`; its own record says only that it was cancelled."""
        decision = refusal.decision if isinstance(refusal, AccessDenied) else None
        reasons = [reason.code for reason in decision.reasons] if decision is not None else [refusal.recorded]
        who = {"user": principal.user, "agent": principal.agent, "audience": principal.audience, "name": name}
        await self.journal.event("call.ended", "gateway", request=request_id, reasons=reasons, **who)

    def asker(self, called: Called) -> str | None:
        """The server that `called` reached, where the endpoint alone does not say it."""
        request, name, _ = called
        return None if request.endpoint else self.catalog.resolve(None, name).server

    def has_endpoint(self, endpoint: str | None) -> bool:
        return self.catalog.has_endpoint(endpoint)

    async def follow(self) -> None:
        """See every change that was acknowledged by now."""
        await self.feed.keep_up()


async def _refusal(check: Awaitable[None]) -> GatewayError | None:
    """What `check` raises, if that takes a right back."""
    try:
        await check
    except Unavailable as exc:
        # A store that cannot be asked takes nothing back from what was admitted; the operator's stop does.
        return exc if exc.code == "gateway.disabled" else None
    except (Unauthenticated, InsufficientScope, AccessDenied) as exc:
        return exc
    return None


def admit(
    request: Request, principal: Principal, tool: Tool, arguments: Mapping[str, Any], decision: Decision
) -> Permit:
    """The only place a Permit is made."""
    if decision.allowed:
        return Permit(request, principal, tool, arguments, decision)
    code = public_code(decision)
    if code == "scope.insufficient":
        missing = [reason.evidence for reason in decision.reasons if reason.code == code]
        raise InsufficientScope(" ".join(dict.fromkeys([scope_for(tool.risk), *missing])))
    if code == "authorization.unavailable":
        raise AuthorizationUnavailable("a question stayed unanswered")
    raise AccessDenied(decision, code=code)


def scope_for(risk: Risk) -> str:
    """The scope a tool needs; `mcp:write` implies `mcp:read`."""
    return "mcp:read" if risk is Risk.READ else "mcp:write"
