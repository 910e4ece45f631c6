"""What the gateway's verbs take and give. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from mcp_gateway.catalog import shown
from mcp_gateway.catalog.uris import exposed_uri
from mcp_gateway.model.call import Request
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.tool import JsonObject, Kind, Tool

Called: TypeAlias = tuple[Request, Kind, str, Mapping[str, Any]]
"""A call, prompt or read under way: request, kind, name or URI, arguments. A plain tuple, because every call makes one."""

LIST_VERBS: Mapping[Kind, str] = {
    Kind.TOOL: "tools/list",
    Kind.PROMPT: "prompts/list",
    Kind.RESOURCE: "resources/list",
    Kind.TEMPLATE: "resources/templates/list",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What one endpoint has of one kind, and which of it this principal may use."""

    kind: Kind
    items: Sequence[Tool]
    visible: frozenset[ToolId]
    generation: tuple[int, str]
    """Of the catalog and of the rules; with `visible` it identifies the answer."""
    depends: Callable[[Tool], bool]
    """Whether a use of a listed item also depends on its arguments."""

    def renamed(self, item: Tool) -> JsonObject:
        """The item's definition as the endpoint of all servers shows it, but for its own name."""
        meta: object = item.definition.get("_meta")
        if not isinstance(meta, dict):
            return item.definition
        return {**item.definition, "_meta": shown.meta_of(cast("JsonObject", meta), partial(exposed_uri, item.server))}


@dataclass(frozen=True, slots=True)
class Completion:
    """What a client wants suggestions for."""

    kind: Kind
    """A prompt or a template."""
    name: str
    """As the endpoint shows it."""
    params: Mapping[str, Any]
    """The rest of the request: `argument`, and `context` if there is one."""


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task that an upstream runs for a tool call."""

    server: str
    tool: str
    """The upstream's own name."""
    id: str
    """The upstream's task id."""
    arguments: Mapping[str, Any] | None
    """Of the call; None when they were too many for the handle."""
