"""What a server offers, for a reviewer: what it says of itself, and what was decided about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, cast

from mcp_gateway.catalog import Findings, exposed
from mcp_gateway.cli.terminal import Terminal
from mcp_gateway.errors import UpstreamUnavailable
from mcp_gateway.model.tool import JsonObject, Kind, ReviewState, Risk
from mcp_gateway.storage.catalog import ToolRow

_HEADINGS = ("state", "risk", "its hint", "description", "finding")
_FIELDS = {Kind.TOOL: "tools", Kind.PROMPT: "prompts", Kind.RESOURCE: "resources", Kind.TEMPLATE: "templates"}
"""Of each kind, in JSON; what is counted of it, for people."""

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


def _cells(row: ToolRow, off: Set[str] = NOTHING_OFF) -> tuple[str, ...]:
    hint = suggested_risk(row.definition)
    return (
        row.name,
        row.state.value + (", disabled" if row.id in off else ""),
        row.risk.value,
        hint.value if hint else "-",
        _first_line(row.definition.get("description")),
        row.finding or "",
    )


def plain(rows: Sequence[ToolRow], off: Set[str] = NOTHING_OFF) -> dict[str, list[dict[str, object]]]:
    """By kind, for JSON; every kind is there."""
    return {field: [_plain(row, off) for row in rows if row.kind is kind] for kind, field in _FIELDS.items()}


def counts(rows: Iterable[ToolRow]) -> dict[str, int]:
    kinds = Counter(row.kind for row in rows)
    return {field: kinds[kind] for kind, field in _FIELDS.items()}


def counted(rows: Iterable[ToolRow]) -> str:
    """`3 tools, 1 prompt`."""
    said = [f"{many} {field if many != 1 else field.removesuffix('s')}" for field, many in counts(rows).items() if many]
    return ", ".join(said) or "no tools"


def _plain(row: ToolRow, off: Set[str]) -> dict[str, object]:
    hint = suggested_risk(row.definition)
    return {
        "name": row.name,
        "exposed": exposed(row.kind, row.server, row.name),
        "state": row.state.value,
        "enabled": row.id not in off,
        "risk": row.risk.value,
        "suggested_risk": hint.value if hint else None,
        "description": row.definition.get("description"),
        "digest": row.digest,
        "finding": row.finding,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
    }


def refuse_failed(terminal: Terminal, name: str, findings: Findings) -> None:
    """Raises UpstreamUnavailable when the server did not say what it offers; of single kinds that is a note."""
    if findings.error is None:
        return
    why = findings.detail or findings.error
    if not findings.unanswered:
        raise UpstreamUnavailable(f"{name} could not be asked: {why}", code=findings.error)
    kinds = ", ".join(_FIELDS[kind] for kind in findings.unanswered)
    terminal.note(f"note: {name} did not say which {kinds} it has, what was known of them stays: {why}")


def show(
    terminal: Terminal, rows: Sequence[ToolRow], off: Set[str] = NOTHING_OFF, *, empty: str = "it offers no tools"
) -> None:
    """One table for each kind, for a person; says nothing in JSON."""
    if terminal.as_json:
        return
    kinds = [kind for kind in Kind if any(row.kind is kind for row in rows)] or [Kind.TOOL]
    for position, kind in enumerate(kinds):
        if position:
            terminal.line("")
        shown = [_cells(row, off) for row in rows if row.kind is kind]
        terminal.table([], (kind.value, *_HEADINGS), shown, empty=empty)


def _first_line(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
