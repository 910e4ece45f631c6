"""From catalog rows to what one asker sees of them. Pure; who may see what is decided before."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mcp_gateway.authorization import Access, access_command
from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import BadRequest
from mcp_gateway.inspection.definition import MAX_NAME, MAX_URI, describe, one_line
from mcp_gateway.inspection.views import (
    ResourceNeed,
    ServerStatus,
    ServerView,
    ToolDetail,
    ToolPage,
    ToolView,
    Transport,
)
from mcp_gateway.model.ids import ToolId, UserId, server_id
from mcp_gateway.model.tool import (
    Kind,
    OpenApiTransport,
    ReviewState,
    Risk,
    SseTransport,
    StdioTransport,
    Tool,
    Upstream,
)
from mcp_gateway.storage.catalog import ServerRow

_Place: TypeAlias = tuple[str, bool, str, str]
"""Server, then tools first, then by type and name as the id spells them."""

_WAITING = frozenset({ReviewState.PENDING, ReviewState.CHANGED, ReviewState.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Filter:
    """None means any; `search` wants every word of it in name, title or description."""

    search: str | None = None
    server: str | None = None
    risk: Risk | None = None
    state: ReviewState | None = None
    access: Access | None = None
    kind: Kind | None = Kind.TOOL


@dataclass(frozen=True, slots=True)
class Seen:
    """What one asker sees of all that is on offer, in catalog order."""

    tools: tuple[Tool, ...]
    access: Mapping[ToolId, Access]
    """What each is to a person who asks; empty when it is the owner of the data directory."""
    reviewing: bool
    """Findings and the history of the review are shown."""
    user: UserId | None = None
    """The person who asks."""


def page(catalog: Catalog, seen: Seen, wanted: Filter, *, limit: int, cursor: str | None) -> ToolPage:
    """At most `limit` matching tools after `cursor`; raises BadRequest for a cursor we did not make."""
    matching = sorted((v for v in _views(catalog, seen, wanted) if _has_words(v, wanted.search)), key=_place)
    start = _after(matching, cursor)
    shown = tuple(matching[start : start + limit])
    more = start + limit < len(matching)
    return ToolPage(shown, len(matching), _cursor(shown[-1]) if more else None)


def detail(catalog: Catalog, seen: Seen, tool: Tool) -> ToolDetail:
    row = catalog.row(tool.id) if seen.reviewing else None
    return ToolDetail(
        tool=tool_view(catalog, seen, tool),
        approved_by=row.approved_by if row else None,
        approved_at=row.approved_at if row else None,
        first_seen_at=row.first_seen_at if row else None,
        definition=tool.definition,
    )


def tool_view(catalog: Catalog, seen: Seen, tool: Tool) -> ToolView:
    described = describe(tool.definition, tool.kind)
    row = catalog.row(tool.id) if seen.reviewing else None
    access = seen.access.get(tool.id)
    return ToolView(
        id=tool.id,
        server=tool.server,
        name=one_line(tool.name, MAX_NAME if tool.kind is Kind.TOOL else MAX_URI),
        exposed=tool.exposed,
        title=described.title,
        description=described.description,
        parameters=described.parameters,
        risk=tool.risk,
        state=tool.state,
        callable=access in (Access.CALLABLE, Access.DEPENDS),
        needs=tuple(dict.fromkeys(ResourceNeed(rule.relation, rule.type) for rule in tool.resources)),
        digest=tool.digest,
        finding=row.finding if row else None,
        access=access,
        owner=catalog.upstreams[tool.server].owner,
        ask=access_command(seen.user, tool) if access is Access.REQUESTABLE and seen.user else None,
        kind=tool.kind,
    )


def server_view(upstream: Upstream, row: ServerRow | None, tools: Sequence[Tool], *, operating: bool) -> ServerView:
    """`tools` is what the asker sees of this server, of any kind; operators also learn the last error."""
    return ServerView(
        id=server_id(upstream.name),
        name=upstream.name,
        description=upstream.description,
        owner=upstream.owner,
        transport=_transport(upstream),
        status=_status(row),
        protocol_version=row.protocol_version if row else None,
        last_seen_at=row.last_seen_at if row else None,
        last_error=row.last_error if row and operating else None,
        tools=sum(tool.kind is Kind.TOOL for tool in tools),
        prompts=sum(tool.kind is Kind.PROMPT for tool in tools),
        resources=sum(tool.kind in (Kind.RESOURCE, Kind.TEMPLATE) for tool in tools),
        waiting=sum(tool.state in _WAITING for tool in tools),
    )


def _transport(upstream: Upstream) -> Transport:
    match upstream.transport:
        case StdioTransport():
            return "stdio"
        case SseTransport():
            return "sse"
        case OpenApiTransport():
            return "openapi"
        case _:
            return "http"


def _status(row: ServerRow | None) -> ServerStatus:
    if row is None or (row.last_seen_at is None and row.last_error is None):
        return "never_reached"
    if not row.enabled:
        return "disabled"
    return "failing" if row.last_error else "up"


def _views(catalog: Catalog, seen: Seen, wanted: Filter) -> Iterable[ToolView]:
    for tool in seen.tools:
        if wanted.server not in (None, tool.server) or wanted.risk not in (None, tool.risk):
            continue
        if wanted.kind not in (None, tool.kind):
            continue
        if wanted.state in (None, tool.state) and wanted.access in (None, seen.access.get(tool.id)):
            yield tool_view(catalog, seen, tool)


def _has_words(view: ToolView, search: str | None) -> bool:
    if not search:
        return True
    text = "\n".join((view.server, view.name, view.exposed, view.title, view.description)).casefold()
    return all(word in text for word in search.casefold().split())


# A cursor is a place in an order, not a right: each page is filtered anew for its asker, so it needs no seal.
def _cursor(last: ToolView) -> str:
    return base64.urlsafe_b64encode(last.id.encode()).decode().rstrip("=")


def _after(views: Sequence[ToolView], cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        last = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise BadRequest("cursor: not one of ours", code="cursor.invalid") from exc
    # The tool itself may be gone since; what follows it is still well defined.
    place = _split(last)
    return next((index for index, view in enumerate(views) if _place(view) > place), len(views))


def _place(view: ToolView) -> _Place:
    return _split(view.id)


def _split(identifier: str) -> _Place:
    kind, _, rest = identifier.partition(":")
    server, _, name = rest.partition("/")
    return server, kind != Kind.TOOL, kind, name
