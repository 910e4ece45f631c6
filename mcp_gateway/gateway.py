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

What is listed is what may be used: `list` asks the same authorization. Every other verb goes the same way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mcp_gateway.admission import admit
from mcp_gateway.audit import Entry, Journal
from mcp_gateway.authorization import Authorization
from mcp_gateway.catalog import Catalog, Links, shown
from mcp_gateway.catalog.uris import exposed_uri
from mcp_gateway.errors import (
    AccessDenied,
    AuthorizationUnavailable,
    GatewayError,
    InsufficientScope,
    Unauthenticated,
    Unavailable,
    UnknownState,
)
from mcp_gateway.guards import Guards
from mcp_gateway.identity import Identity
from mcp_gateway.model.call import Again, Answer, Caller, Era, Forward, Permit, Request
from mcp_gateway.model.decision import Reason, deny
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, Tool
from mcp_gateway.storage import ChangeFeed
from mcp_gateway.upstream import Upstreams
from mcp_gateway.verbs import LIST_VERBS, Called, Completion, Offer, TaskRef


@dataclass(frozen=True, slots=True)
class Gateway:
    feed: ChangeFeed
    identity: Identity
    catalog: Catalog
    authorization: Authorization
    guards: Guards
    upstreams: Upstreams
    journal: Journal
    links: Links = field(default_factory=Links)

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

    async def list(self, request: Request, principal: Principal, kind: Kind) -> Offer:
        """What `principal` may use at the request's endpoint."""
        async with self.journal.entry(request, LIST_VERBS[kind], principal) as entry:
            listing = self.catalog.listing(request.endpoint, kind)
            visible = await self.authorization.visible(principal, listing.tools, now=time.time(), request=request)
            entry.listed(visible.tools, model=visible.model_id, revision=visible.revision)
            generation = (listing.generation, self.authorization.book.book_id)
            return Offer(kind, listing.tools, visible.ids, generation, self.authorization.depends)

    async def call_tool(
        self,
        request: Request,
        principal: Principal,
        name: str,
        arguments: Mapping[str, Any],
        caller: Caller,
        again: Again | None = None,
    ) -> Answer:
        """Decide, and only then forward. Raises what `errors.PUBLIC` can render."""
        async with self.journal.entry(request, "tools/call", principal, arguments) as entry:
            entry.tool = tool = self.catalog.resolve(request.endpoint, name)
            entry.decision = decision = await self.authorization.decide(
                principal, tool, arguments, now=time.time(), request=request
            )
            permit = admit(request, principal, tool, arguments, decision)
            forward = self.upstreams.forward
            if again is not None:
                permit, forward = self._resumed(entry, permit, again)
            answer = await self.guards.run(permit, caller, entry.recorded(forward))
            return self._handed_over(permit, answer)

    async def get_prompt(
        self,
        request: Request,
        principal: Principal,
        name: str,
        arguments: Mapping[str, Any],
        caller: Caller,
        again: Again | None = None,
    ) -> Answer:
        """The prompt with its arguments filled in."""
        async with self.journal.entry(request, "prompts/get", principal, arguments) as entry:
            entry.tool = prompt = self.catalog.resolve(request.endpoint, name, Kind.PROMPT)
            params = {"name": prompt.name, "arguments": arguments}
            return await self._use(entry, request, principal, prompt, arguments, "prompts/get", params, caller, again)

    async def read_resource(
        self, request: Request, principal: Principal, uri: str, caller: Caller, again: Again | None = None
    ) -> Answer:
        """A listed resource, one that a template describes, or one that a result linked to."""
        async with self.journal.entry(request, "resources/read", principal, {"uri": uri}) as entry:
            item, own, arguments = self.readable(request, principal, uri)
            entry.tool = item
            params = {"uri": own}
            return await self._use(entry, request, principal, item, arguments, "resources/read", params, caller, again)

    async def make(self, principal: Principal, called: Called, caller: Caller, again: Again | None) -> Answer:
        """A request that may be made again, when its client was asked something on the way."""
        request, kind, name, arguments = called
        if kind is Kind.TOOL:
            return await self.call_tool(request, principal, name, arguments, caller, again)
        if kind is Kind.PROMPT:
            return await self.get_prompt(request, principal, name, arguments, caller, again)
        return await self.read_resource(request, principal, name, caller, again)

    async def complete(self, request: Request, principal: Principal, asked: Completion, caller: Caller) -> Answer:
        """Suggestions for an argument of a prompt or template that `principal` may use."""
        async with self.journal.entry(request, "completion/complete", principal) as entry:
            item = self.catalog.resolve(request.endpoint, asked.name, asked.kind)
            # What is being typed names no resource yet.
            entry.tool = item = replace(item, resources=(), mapping="")
            ref = {"type": "ref/prompt", "name": item.name}
            if asked.kind is Kind.TEMPLATE:
                ref = {"type": "ref/resource", "uri": item.name}
            params = {**asked.params, "ref": ref}
            return await self._use(entry, request, principal, item, {}, "completion/complete", params, caller)

    async def use_task(
        self,
        request: Request,
        principal: Principal,
        method: str,
        ref: TaskRef,
        params: Mapping[str, Any],
        caller: Caller,
    ) -> Answer:
        """Ask after a task, answer its questions or cancel it, by the right to the call that began it."""
        async with self.journal.entry(request, method, principal) as entry:
            entry.tool = tool = self.catalog.resolve(ref.server, ref.tool)
            if ref.arguments is None and self.authorization.depends(tool):
                raise AccessDenied(
                    deny(Reason("resource.unidentified", "the task's arguments")), code="resource.denied"
                )
            params = {**params, "taskId": ref.id}
            return await self._use(entry, request, principal, tool, ref.arguments or {}, method, params, caller)

    def began(self, request: Request, name: str, arguments: Mapping[str, Any]) -> TaskRef:
        """Which tool of which server a call of `name` went to; the task's own id is in the answer."""
        tool = self.catalog.resolve(request.endpoint, name)
        return TaskRef(tool.server, tool.name, "", arguments)

    async def _use(
        self,
        entry: Entry,
        request: Request,
        principal: Principal,
        item: Tool,
        arguments: Mapping[str, Any],
        method: str,
        params: Mapping[str, Any],
        caller: Caller,
        again: Again | None = None,
    ) -> Answer:
        """What follows once it is known what the request is about."""
        entry.decision = decision = await self.authorization.decide(
            principal, item, arguments, now=time.time(), request=request
        )
        permit = admit(request, principal, item, arguments, decision, method, params)
        forward = self.upstreams.forward
        if again is not None:
            permit, forward = self._resumed(entry, permit, again)
        return self._handed_over(permit, await self.guards.run(permit, caller, entry.recorded(forward)))

    def _resumed(self, entry: Entry, permit: Permit, again: Again) -> tuple[Permit, Forward]:
        """The permit with what its client brought back, and where it goes; raises UnknownState."""
        if again.item is not None and again.item != permit.tool.id:
            raise UnknownState("the name belongs to something else by now")
        if again.began is not None:
            entry.note(resumes=again.began)
        params = permit.params or {"name": permit.tool.name, "arguments": permit.arguments}
        return replace(permit, params={**params, **again.params}), again.forward or self.upstreams.forward

    def _handed_over(self, permit: Permit, answer: Answer) -> Answer:
        """`answer` in the endpoint's names; what it links to can be read from now on."""
        found, server = answer.result, permit.tool.server
        merged = permit.request.endpoint is None
        if _asks_back(permit, answer):
            return replace(answer, item=permit.tool)
        if found is None:
            return replace(answer, error=shown.error(answer.error or {}, self._renamed(server))) if merged else answer
        if linked := shown.blocks(found):
            self.links.remember(permit.principal, permit.tool, permit.arguments, linked)
        elif "contents" not in found and "_meta" not in found:
            return answer
        return replace(answer, result=shown.result(found, self._renamed(server))) if merged else answer

    def _renamed(self, server: str) -> shown.Rename:
        return partial(exposed_uri, server)

    def readable(self, request: Request, principal: Principal, uri: str) -> tuple[Tool, str, Mapping[str, Any]]:
        """What decides over `uri`, the upstream's own name for it, and the arguments of that decision."""
        try:
            item, own, variables = self.catalog.readable(request.endpoint, uri)
        except AccessDenied:
            unlisted = self.catalog.unlisted(request.endpoint, uri)
            link = self.links.find(principal, *unlisted) if unlisted is not None else None
            if unlisted is None or link is None:
                raise
            return link.tool, unlisted[1], link.arguments
        return item, own, {**variables, "uri": own}

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
        item, arguments = self._about(principal, called)
        decision = await self.authorization.decide(principal, item, arguments, now=time.time(), request=called[0])
        admit(called[0], principal, item, arguments, decision)

    def _about(self, principal: Principal, called: Called) -> tuple[Tool, Mapping[str, Any]]:
        """What decides over a request under way, and the arguments of that decision."""
        request, kind, name, arguments = called
        if kind is Kind.RESOURCE:
            item, _, arguments = self.readable(request, principal, name)
            return item, arguments
        return self.catalog.resolve(request.endpoint, name, kind), arguments

    async def record_ended(
        self, request_id: str, principal: Principal, name: str | None, refusal: GatewayError
    ) -> None:
        """The request was ended because of `refusal`; its own record says only that it was cancelled."""
        decision = refusal.decision if isinstance(refusal, AccessDenied) else None
        reasons = [reason.code for reason in decision.reasons] if decision is not None else [refusal.recorded]
        who = {"user": principal.user, "agent": principal.agent, "audience": principal.audience, "name": name}
        await self.journal.event("call.ended", "gateway", request=request_id, reasons=reasons, **who)

    def record_refused(self, request_id: str, principal: Principal, reason: str) -> None:
        """A request turned away before it was known what it is about, by somebody who is known."""
        who = {"user": principal.user, "agent": principal.agent, "audience": principal.audience}
        self.journal.refused(request_id, reason, **who)

    def may_ask(self, principal: Principal, called: Called) -> Tool | None:
        """What `called` is for, if its upstream asks while it works on it, as those of the session era do."""
        try:
            item, _ = self._about(principal, called)
        except AccessDenied:
            return None
        return item if self.upstreams.asks(item.server) else None

    def asker(self, principal: Principal, called: Called) -> str | None:
        """The server that `called` reached, where the endpoint alone does not say it."""
        return None if called[0].endpoint else self._about(principal, called)[0].server

    def has_endpoint(self, endpoint: str | None) -> bool:
        return self.catalog.has_endpoint(endpoint)

    async def follow(self) -> None:
        """See every change that was acknowledged by now."""
        await self.feed.keep_up()


def _asks_back(permit: Permit, answer: Answer) -> bool:
    if answer.result is not None:
        return answer.result.get("resultType") == "input_required"
    # A page to visit first (MCP 2025-11-25 client/elicitation); a client of that era knows the error itself.
    return permit.request.era is Era.MODERN and (answer.error or {}).get("code") == -32042


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
