"""The reading façade: browse, explain and watch, filtered by who asks. Changes nothing, calls nothing.

A person sees the servers where they are reader or operator, the tools they could call directly
and those they may ask for. Administrators and auditors of `gateway:local`, and whoever may open the data
directory, see everything, waiting and quarantined tools included.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mcp_gateway.audit import EVERYTHING, Record, Trail, Wanted
from mcp_gateway.authorization import Access, Authorization, Explanation, Memberships
from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import AccessDenied
from mcp_gateway.inspection import browse, trail
from mcp_gateway.inspection.browse import Filter, Seen
from mcp_gateway.inspection.events import Event, EventSource, Lost, Subscription
from mcp_gateway.inspection.views import (
    Asker,
    OsUser,
    ServerView,
    Shown,
    Standing,
    ToolAccess,
    ToolDetail,
    ToolPage,
)
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import GATEWAY, AgentId, ToolId, UserId, server_id
from mcp_gateway.model.principal import Person, Principal
from mcp_gateway.model.tool import Kind, Tool
from mcp_gateway.protocol import MODERN_VERSION
from mcp_gateway.storage import ChangeFeed

_EVERY_SCOPE = frozenset({"mcp:read", "mcp:write"})


class Inspection:
    def __init__(
        self,
        *,
        catalog: Catalog,
        authorization: Authorization,
        trail: Trail,
        feed: ChangeFeed,
        events: EventSource,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalog = catalog
        self._authorization = authorization
        self._trail = trail
        self._feed = feed
        self._events = events
        self._clock = clock

    async def standing(self, asker: Asker) -> Standing:
        await self._catch_up()
        if isinstance(asker, OsUser):
            return Standing(asker.actor, administrator=True, auditor=True)
        administrator = await self._holds(asker, "administrator", GATEWAY)
        return Standing(asker.user, administrator, administrator or await self._holds(asker, "auditor", GATEWAY))

    async def servers(self, asker: Asker) -> tuple[ServerView, ...]:
        """The declared servers the asker may know of, by name."""
        seen = await self._seen(asker)
        views = [await self._server_view(asker, seen, name) for name in sorted(self._catalog.upstreams)]
        return tuple(view for view in views if view is not None)

    async def server(self, asker: Asker, name: str) -> ServerView:
        """Raises AccessDenied alike for a server that does not exist and one the asker may not know of."""
        seen = await self._seen(asker)
        view = await self._server_view(asker, seen, name) if name in self._catalog.upstreams else None
        if view is None:
            raise AccessDenied(None, code="server.unavailable")
        return view

    async def tools(self, asker: Asker, wanted: Filter, *, limit: int, cursor: str | None = None) -> ToolPage:
        """A page of what the asker sees, ordered by server, kind and name; raises BadRequest for a foreign cursor."""
        return browse.page(self._catalog, await self._seen(asker), wanted, limit=limit, cursor=cursor)

    async def tool(self, asker: Asker, identifier: ToolId) -> ToolDetail:
        """Of any kind; raises AccessDenied alike for what does not exist and what the asker may not see."""
        seen = await self._seen(asker)
        return browse.detail(self._catalog, seen, _among(seen, identifier))

    async def explain(
        self,
        asker: Asker,
        user: UserId,
        agent: AgentId,
        identifier: ToolId,
        arguments: Mapping[str, Any] | None,
        *,
        scopes: frozenset[str] | None = None,
        memberships: Memberships = (),
        address: str | None = None,
    ) -> Explanation:
        """Why a call would be allowed or denied; without arguments, why the tool is listed or not.

        `address` is where the call would come from, for rules that read it.

        Only those who see everything may ask. Nothing is called, and the user and agent need not exist.
        """
        tool = _among(await self._everything(asker), identifier)
        return await self._authorization.explain(
            user,
            agent,
            tool,
            arguments,
            now=self._clock(),
            scopes=scopes,
            memberships=memberships,
            request=_imagined(address),
        )

    async def explain_resource(
        self, asker: Asker, user: UserId, agent: AgentId, relation: str, on: str, *, memberships: Memberships = ()
    ) -> Explanation:
        """Why an agent, acting for a user, has or has not `relation` on the resource `on`, whatever the tool."""
        await self._everything(asker)
        return await self._authorization.explain_resource(
            user, agent, (relation, on), now=self._clock(), memberships=memberships
        )

    async def explain_list(
        self,
        asker: Asker,
        user: UserId,
        agent: AgentId,
        *,
        server: str | None = None,
        memberships: Memberships = (),
        address: str | None = None,
        kind: Kind | None = Kind.TOOL,
    ) -> tuple[ToolAccess, ...]:
        """Every known tool, what it is to this principal, and by which codes it is not listed; None = of any kind."""
        seen = await self._everything(asker)
        tools = [tool for tool in seen.tools if server in (None, tool.server) and kind in (None, tool.kind)]
        principal = Principal(user, agent, _EVERY_SCOPE, "", "", 0, memberships=memberships)
        now, request = self._clock(), _imagined(address)
        found = await self._authorization.accessible(principal, tools, now=now, request=request)
        listed: list[ToolAccess] = []
        for tool in tools:
            access, missing = found[tool.id], ()
            if access in (Access.HIDDEN, Access.REQUESTABLE):
                missing = await self._authorization.missing(principal, tool, now=now, request=request)
            listed.append(ToolAccess(tool.id, tool.exposed, access, missing))
        return tuple(listed)

    async def audit(self, asker: Asker, wanted: Wanted = EVERYTHING, *, limit: int = 100) -> tuple[Record, ...]:
        """The newest matching records, newest first; a person without standing gets the own ones, as they were told."""
        await self._catch_up()
        if isinstance(asker, OsUser) or await self._sees_everything(asker):
            return await trail.whole(self._trail, wanted, limit=limit)
        return await trail.own(self._trail, asker.user, wanted, limit=limit)

    async def may(self, asker: Asker, relation: str, on: str) -> bool:
        """Whether the asker has `relation` on something; whoever may open the data directory has every one."""
        await self._catch_up()
        return await self._holds(asker, relation, on)

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[Subscription]:
        """A place in the stream of events from now on, to be read through `next_event` only."""
        # What other processes have done so far is no news.
        await self._catch_up()
        with self._events.subscribe() as subscription:
            yield subscription

    async def next_event(self, asker: Asker, subscription: Subscription, *, wait_seconds: float) -> Shown | None:
        """What happened next, if it happens in time and `asker` may see it now. Raises EndOfStream at the end."""
        # Also brings the changes of other processes onto the board.
        await self._catch_up()
        item = None
        with anyio.move_on_after(wait_seconds):
            item = await subscription.next()
        match item:
            case None:
                return None
            case Lost():
                return Shown("lost", {"count": item.count})
            case Event():
                return await self._shown(asker, item)

    async def _shown(self, asker: Asker, event: Event) -> Shown | None:
        data = {"at": event.at, **event.public}
        if await self._sees_everything(asker):
            return Shown(event.kind, {**data, **event.private})
        own = isinstance(asker, Person) and event.user == asker.user
        known = event.kind == "catalog" and event.server is not None and await self._knows_of(asker, event.server)
        return Shown(event.kind, data) if own or known else None

    async def _seen(self, asker: Asker) -> Seen:
        await self._catch_up()
        tools = self._catalog.every(*Kind)
        everything = await self._sees_everything(asker)
        if isinstance(asker, OsUser):
            return Seen(tuple(tools), {}, reviewing=True)
        access = await self._authorization.accessible_to(asker, tools, now=self._clock())
        shown = tools if everything else [tool for tool in tools if access[tool.id] is not Access.HIDDEN]
        return Seen(tuple(shown), access, reviewing=everything, user=asker.user)

    async def _everything(self, asker: Asker) -> Seen:
        """Everything on offer; raises AccessDenied for a person who does not see everything."""
        seen = await self._seen(asker)
        if not seen.reviewing:
            raise AccessDenied(None, code="tool.unavailable")
        return seen

    async def _server_view(self, asker: Asker, seen: Seen, name: str) -> ServerView | None:
        tools = [tool for tool in seen.tools if tool.server == name]
        operating = seen.reviewing or await self._holds(asker, "operator", server_id(name))
        if not (operating or tools or await self._holds(asker, "reader", server_id(name))):
            return None
        return browse.server_view(self._catalog.upstreams[name], self._catalog.server(name), tools, operating=operating)

    async def _knows_of(self, asker: Asker, server: str) -> bool:
        seen = await self._seen(asker)
        return server in self._catalog.upstreams and await self._server_view(asker, seen, server) is not None

    async def _sees_everything(self, asker: Asker) -> bool:
        return await self._holds(asker, "auditor", GATEWAY)

    async def _holds(self, asker: Asker, relation: str, on: str) -> bool:
        if isinstance(asker, OsUser):
            return True
        return await self._authorization.holds(asker.user, relation, on, now=self._clock())

    async def _catch_up(self) -> None:
        """Everything acknowledged so far binds what follows."""
        await self._feed.keep_up()


def _imagined(address: str | None) -> Request:
    """A request that nobody made: of the newest protocol, without a session."""
    return Request("", Era.MODERN, MODERN_VERSION, None, None, {}, None, address=address)


def _among(seen: Seen, identifier: ToolId) -> Tool:
    for tool in seen.tools:
        if tool.id == identifier:
            return tool
    raise AccessDenied(None, code="tool.unavailable")
