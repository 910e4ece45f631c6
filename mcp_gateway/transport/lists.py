"""Lists as bytes: every item is rendered once per catalog, a principal's page is put together from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import orjson

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import JsonObject, Kind, Tool
from mcp_gateway.transport import bridge
from mcp_gateway.transport.annotations import annotated
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.verbs import LIST_VERBS, Offer

PAGE_SIZE = 1000
_CURSOR_SECONDS = 3600.0

_FIELDS = {
    Kind.TOOL: "tools",
    Kind.PROMPT: "prompts",
    Kind.RESOURCE: "resources",
    Kind.TEMPLATE: "resourceTemplates",
}


class Pages:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._rendered: dict[tuple[str | None, Era, Kind], _Rendered] = {}

    def page(self, offer: Offer, request: Request, principal: Principal, *, cursor: object = None) -> bytes:
        """The result object; raises BadRequest `cursor.invalid`."""
        binding = f"{principal.user}\0{principal.agent}\0{principal.audience}"
        purpose = LIST_VERBS[offer.kind]
        after = self._position(purpose, cursor, binding)
        rendered = self._of(offer, request)
        chosen = [
            (tool_id, fragment)
            for tool_id, fragment in zip(rendered.ids, rendered.fragments, strict=True)
            if tool_id in offer.visible
        ]
        if after is not None:
            chosen = _behind(chosen, after, rendered.order)
        page = list(islice(chosen, PAGE_SIZE))
        head = b'{"%b":[' % _FIELDS[offer.kind].encode() + b",".join(fragment for _, fragment in page) + b"]"
        if len(chosen) > PAGE_SIZE:
            sealed = self._sealer.seal(purpose, binding, {"after": page[-1][0]}, seconds=_CURSOR_SECONDS)
            head += b',"nextCursor":' + orjson.dumps(sealed)
        if request.era is Era.MODERN:
            # Filtered for one principal, and a revocation binds the next list: nobody may keep it.
            head += b',"resultType":"complete","ttlMs":0,"cacheScope":"private"'
        return head + b"}"

    def _position(self, purpose: str, cursor: object, binding: str) -> ToolId | None:
        if cursor is None:
            return None
        content = self._sealer.open(purpose, binding, cursor) if isinstance(cursor, str) else None
        if content is None:
            raise BadRequest("params.cursor is not one of ours or has expired", code="cursor.invalid")
        return ToolId(str(content["after"]))

    def _of(self, offer: Offer, request: Request) -> _Rendered:
        key = (request.endpoint, request.era, offer.kind)
        rendered = self._rendered.get(key)
        if rendered is None or rendered.generation != offer.generation:
            rendered = _Rendered(offer, request)
            self._rendered[key] = rendered
        return rendered


class _Rendered:
    """One endpoint's items of one kind in one era."""

    def __init__(self, offer: Offer, request: Request) -> None:
        self.generation = offer.generation
        self.ids = [tool.id for tool in offer.items]
        self.order = {tool_id: position for position, tool_id in enumerate(self.ids)}
        self.fragments = [
            orjson.dumps(annotated(_definition(tool, request, offer), tool, depends=offer.depends(tool)))
            for tool in offer.items
        ]


def _definition(tool: Tool, request: Request, offer: Offer) -> JsonObject:
    name = tool.name if request.endpoint else tool.exposed
    definition = tool.definition if request.endpoint else offer.renamed(tool)
    return bridge.definition(definition, tool.kind, name=name, client=request.era)


def _behind(
    chosen: Sequence[tuple[ToolId, bytes]], after: ToolId, order: dict[ToolId, int]
) -> list[tuple[ToolId, bytes]]:
    """What follows `after`; if that tool is gone meanwhile, the client starts over."""
    position = order.get(after)
    if position is None:
        raise BadRequest("the list changed; start again without a cursor", code="cursor.invalid")
    return [entry for entry in chosen if order[entry[0]] > position]
