"""A discovered tool for a reviewer: what it says of itself, and what was decided about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, cast

from mcp_gateway.catalog.index import exposed_name
from mcp_gateway.cli.terminal import Terminal
from mcp_gateway.model.ids import tool_id
from mcp_gateway.model.tool import JsonObject, Kind, ReviewState, Risk
from mcp_gateway.storage.catalog import ToolRow

HEADINGS = ("tool", "state", "risk", "its hint", "description", "finding")

NOTHING_OFF: Set[str] = frozenset()

_SHOWN = 120


def waits(row: ToolRow) -> bool:
    return row.state in (ReviewState.PENDING, ReviewState.CHANGED)


def suggested_risk(definition: JsonObject) -> Risk | None:
    """What the annotations claim (MCP ToolAnnotations); None without any. A hint of the server, not a fact."""
    annotations: object = definition.get("annotations")
    if not isinstance(annotations, Mapping):
        return None
    hints = cast("Mapping[str, Any]", annotations)
    if hints.get("readOnlyHint") is True:
        return Risk.READ
    if hints.get("destructiveHint") is False:
        return Risk.WRITE
    # Without readOnlyHint a tool counts as destructive unless it says otherwise.
    return Risk.DESTRUCTIVE if "readOnlyHint" in hints or "destructiveHint" in hints else None


def cells(row: ToolRow, off: Set[str] = NOTHING_OFF) -> tuple[str, ...]:
    hint = suggested_risk(row.definition)
    return (
        row.name,
        row.state.value + (", disabled" if tool_id(row.server, row.name) in off else ""),
        row.risk.value,
        hint.value if hint else "-",
        _first_line(row.definition.get("description")),
        row.finding or "",
    )


def plain(row: ToolRow, off: Set[str] = NOTHING_OFF) -> dict[str, object]:
    hint = suggested_risk(row.definition)
    return {
        "name": row.name,
        "exposed": exposed_name(row.server, row.name),
        "state": row.state.value,
        "enabled": tool_id(row.server, row.name) not in off,
        "risk": row.risk.value,
        "suggested_risk": hint.value if hint else None,
        "description": row.definition.get("description"),
        "digest": row.digest,
        "finding": row.finding,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
    }


def counted(rows: Iterable[ToolRow]) -> str:
    """`3 tools, 1 prompt`."""
    kinds = Counter(row.kind for row in rows)
    said = [f"{kinds[kind]} {kind.value}{'' if kinds[kind] == 1 else 's'}" for kind in Kind if kinds[kind]]
    return ", ".join(said) or "no tools"


def show(terminal: Terminal, rows: Sequence[ToolRow]) -> None:
    """For a person who is about to be asked; says nothing in JSON."""
    if not terminal.as_json:
        terminal.table([], HEADINGS, [cells(row) for row in rows], empty="it offers no tools")


def _first_line(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
