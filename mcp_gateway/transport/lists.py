"""Lists as bytes: every item is rendered once per catalog, a principal's page is put together from them.

A page that holds everything is kept with the answer it was made of, which is the same object until a decision changes.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import compress

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
_KEPT_BYTES = 4_194_304
_KEPT_PAGES = 1_024

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
        self._whole = _Whole()

    def page(self, offer: Offer, request: Request, principal: Principal, *, cursor: object = None) -> bytes:
        """The result object; raises BadRequest `cursor.invalid`."""
        binding = f"{principal.user}\0{principal.agent}\0{principal.audience}"
        purpose = LIST_VERBS[offer.kind]
        after = self._position(purpose, cursor, binding)
        rendered = self._of(offer, request)
        if after is None and (kept := self._whole.find(rendered, offer)) is not None:
            return kept
        chosen = [tool_id in offer.visible for tool_id in rendered.ids]
        if after is not None:
            _leave_out(chosen, after, rendered.order)
        fragments = list(compress(rendered.fragments, chosen))
        parts = [b'{"%b":[' % _FIELDS[offer.kind].encode(), b",".join(fragments[:PAGE_SIZE]), b"]"]
        if len(fragments) > PAGE_SIZE:
            last = list(compress(rendered.ids, chosen))[PAGE_SIZE - 1]
            sealed = self._sealer.seal(purpose, binding, {"after": last}, seconds=_CURSOR_SECONDS)
            parts.append(b',"nextCursor":' + orjson.dumps(sealed))
        if request.era is Era.MODERN:
            # Filtered for one principal, and a revocation binds the next list: nobody may keep it.
            parts.append(b',"resultType":"complete","ttlMs":0,"cacheScope":"private"')
        page = b"".join([*parts, b"}"])
        if after is None and len(fragments) <= PAGE_SIZE:
            self._whole.keep(rendered, offer, page)
        return page

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
            if rendered is not None:
                self._whole.forget(rendered)
            self._rendered[key] = rendered = _Rendered(offer, request)
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


class _Whole:
    """Pages of everything that somebody may use, the least recently asked for forgotten first.

    The key is the set itself, not what is in it: comparing a thousand names would cost what is saved here.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], tuple[_Rendered, frozenset[ToolId], bytes]] = OrderedDict()
        self._bytes = 0

    def find(self, rendered: _Rendered, offer: Offer) -> bytes | None:
        key = (id(rendered), id(offer.visible))
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[2]

    def keep(self, rendered: _Rendered, offer: Offer, page: bytes) -> None:
        if len(page) > _KEPT_BYTES:
            return
        # Both are held on to, so that no other object takes their ids.
        self._kept[id(rendered), id(offer.visible)] = (rendered, offer.visible, page)
        self._bytes += len(page)
        while self._bytes > _KEPT_BYTES or len(self._kept) > _KEPT_PAGES:
            self._drop(next(iter(self._kept)))

    def forget(self, rendered: _Rendered) -> None:
        for key in [key for key in self._kept if key[0] == id(rendered)]:
            self._drop(key)

    def _drop(self, key: tuple[int, int]) -> None:
        self._bytes -= len(self._kept.pop(key)[2])


def _definition(tool: Tool, request: Request, offer: Offer) -> JsonObject:
    name = tool.name if request.endpoint else tool.exposed
    definition = tool.definition if request.endpoint else offer.renamed(tool)
    return bridge.definition(definition, tool.kind, name=name, client=request.era)


def _leave_out(chosen: list[bool], after: ToolId, order: dict[ToolId, int]) -> None:
    """What follows `after` stays; if that tool is gone meanwhile, the client starts over."""
    position = order.get(after)
    if position is None:
        raise BadRequest("the list changed; start again without a cursor", code="cursor.invalid")
    chosen[: position + 1] = [False] * (position + 1)
