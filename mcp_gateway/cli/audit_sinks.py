"""`audit sinks`: how far each place that also keeps the records has come. Reads files only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from mcp_gateway.audit.sinks import FOLDER, State, behind, load, turn
from mcp_gateway.cli.desk import Front, plain_command
from mcp_gateway.errors import OperatorError
from mcp_gateway.settings_sinks import AnySink, FileSinkSettings, StdoutSinkSettings, sink_name
from mcp_gateway.storage.data_dir import DataDir


def register(app: typer.Typer) -> None:
    plain_command(app, "sinks")(sinks)


def sinks(front: Front) -> None:
    """Show where records are also kept, and how far each place has come."""
    settings = front.settings()
    directory = DataDir(settings.data_dir).audit
    if not directory.is_dir():
        raise OperatorError("there is no data directory", where=str(directory.parent), remedy="mcp-gateway setup")
    found = [_shown(chosen, directory) for chosen in settings.audit.sinks]
    said = [_line(one) for one in found] or ["no sinks; `audit.sinks` in gateway.yaml names them"]
    front.terminal.answer(found, *said)


def _shown(chosen: AnySink, directory: Path) -> Mapping[str, Any]:
    name = sink_name(chosen)
    state = load(directory / FOLDER, name)
    waiting = behind(directory, state.places)
    seconds = 0.0 if waiting.oldest_at is None else max(0.0, time.time() - waiting.oldest_at)
    return {
        "name": name,
        "type": chosen.type,
        "to": _where(chosen),
        "running": _runs(directory / FOLDER, name),
        "lag_records": waiting.records,
        "lag_seconds": round(seconds, 1),
        "behind": seconds > chosen.warn_after,
        "sent": state.sent,
        "sent_at": state.sent_at,
        "rejected": state.rejected,
        "error": state.error,
        "error_at": state.error_at,
        "failures": state.failures,
        "position": _position(state),
    }


def _position(state: State) -> Mapping[str, Sequence[int]]:
    return {writer: [place.number, place.offset, place.seq] for writer, place in sorted(state.places.items())}


def _runs(folder: Path, name: str) -> bool:
    """Some process holds its lock."""
    with turn(folder, name) as free:
        return not free


def _where(chosen: AnySink) -> str:
    if isinstance(chosen, FileSinkSettings):
        return str(chosen.directory)
    # What follows the question mark may be a key.
    return "standard output" if isinstance(chosen, StdoutSinkSettings) else chosen.url.partition("?")[0]


def _line(one: Mapping[str, Any]) -> str:
    lag = "has everything" if not one["lag_records"] else f"{one['lag_records']} records, {one['lag_seconds']} s behind"
    error = f"; takes nothing: {one['error']} ({one['failures']} times)" if one["error"] else ""
    rejected = f"; rejected {one['rejected']}" if one["rejected"] else ""
    idle = "" if one["running"] else "; no gateway runs it now"
    return f"{one['name']} ({one['type']}, {one['to']}): {lag}{error}{rejected}{idle}"
