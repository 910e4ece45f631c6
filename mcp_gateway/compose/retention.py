"""The audit is kept as long as the settings say: once a day in the server, or by command; what goes is declared first."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from mcp_gateway.audit.checkpoint_coverage import covered, status
from mcp_gateway.audit.index import Index
from mcp_gateway.audit.retention import Doomed, alone, doomed
from mcp_gateway.audit.sinks.position import had_by_all
from mcp_gateway.compose.office import Office
from mcp_gateway.compose.sinks import sent_everywhere
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.settings import Settings

_DAY = 86_400.0
_FIRST_SECONDS = 60.0
"""After the start: by then its own checkpoint covers what was there before."""

_log = logging.getLogger(__name__)


def removable(settings: Settings, *, now: float) -> list[Doomed]:
    """What retention lets go now. Blocking; raises OperatorError when the settings let nothing go."""
    chosen = settings.audit
    if chosen.hold:
        raise OperatorError("a legal hold keeps the whole audit", where="audit.hold")
    if chosen.retention_days is None:
        raise OperatorError("the audit is kept for ever", where="audit.retention_days", remedy="set it, such as 365")
    audit, sent = settings.data_dir / "audit", sent_everywhere(settings)
    return doomed(
        audit,
        before=now - chosen.retention_days * _DAY,
        covered=_vouched(settings, audit),
        was_sent=lambda path: sent is None or had_by_all(path, sent),
    )


async def prune(made: Office, found: Sequence[Doomed], *, actor: str) -> list[Doomed]:
    """Remove them, each declared in the audit before; those that were removed. Raises OperatorError."""
    removed: list[Doomed] = []
    with alone(made.data_dir.audit) as mine:
        if not mine:
            raise OperatorError("another process removes files of this audit now", remedy="try again in a minute")
        for one in found:
            await made.administration.audit_prune(one, actor=actor)
            removed.append(one)
    if removed:
        # Words of what went must not stay behind.
        await anyio.to_thread.run_sync(Index(made.data_dir.audit, made.data_dir.audit_index).discard)
    return removed


async def run_retention(made: Office) -> None:
    """Once a day until it is cancelled; returns at once when nothing is ever to go."""
    chosen = made.settings.audit
    if chosen.hold or chosen.retention_days is None:
        return
    await anyio.sleep(_FIRST_SECONDS)
    while True:
        try:
            found = await anyio.to_thread.run_sync(partial(removable, made.settings, now=time.time()))
            removed = await prune(made, found, actor="gateway")
        except (GatewayError, OSError) as exc:
            _log.error("nothing more of the audit was removed under retention: %s", exc)
        else:
            if removed:
                _log.warning("%d audit files were removed under retention", sum(len(one.paths) for one in removed))
        await anyio.sleep(_DAY)


def _vouched(settings: Settings, audit: Path) -> Mapping[str, int]:
    """How far checkpoints vouch for each writer; where there are second places, those that reached all of them."""
    chosen = settings.audit.checkpoints
    places = {name for name, place in (("directory", chosen.directory), ("url", chosen.url)) if place is not None}
    if not places:
        return covered(audit)
    # One that is new in the settings has had nothing yet.
    return covered(audit, delivered=True) if places <= set(status(audit).places) else {}
