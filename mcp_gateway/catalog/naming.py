"""How people name what one server offers, where a tool, a prompt and a resource may be called alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Kind
from mcp_gateway.storage.catalog import ToolRow


def spoken(kind: Kind, name: str) -> str:
    """A tool by its name, everything else with its kind: `prompt:<name>`, `resource:<uri>`, `template:<text>`."""
    return name if kind is Kind.TOOL else f"{kind.value}:{name}"


def named(rows: Sequence[ToolRow], texts: Sequence[str]) -> list[ToolRow]:
    """The rows of one server that `texts` name, with their kind or, where that is clear, without; raises OperatorError."""
    return [_named(rows, text) for text in dict.fromkeys(texts)]


def _named(rows: Sequence[ToolRow], text: str) -> ToolRow:
    kind, _, name = text.partition(":")
    kinds = {"resource": (Kind.RESOURCE, Kind.TEMPLATE)}.get(kind) or ((Kind(kind),) if kind in set(Kind) else ())
    found = [row for row in rows if row.kind in kinds and row.name == name] or [row for row in rows if row.name == text]
    if not found:
        server = rows[0].server if rows else "the server"
        raise OperatorError(f"{server} does not offer {text}", remedy=f"mcp-gateway server show {server}")
    if len(found) > 1:
        says = ", ".join(spoken(row.kind, row.name) if row.kind is not Kind.TOOL else f"tool:{text}" for row in found)
        raise OperatorError(f"could be any of {says}", where=text, remedy="say which, with its kind in front")
    return found[0]
