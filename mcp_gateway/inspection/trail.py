"""Audit records for whoever asks: auditors read them whole, a person reads what he or she did, as it was told."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import anyio
from anyio import to_thread

from mcp_gateway.audit import Record, Trail, Wanted
from mcp_gateway.errors import AuditUnavailable
from mcp_gateway.model.ids import UserId
from mcp_gateway.model.tool import Kind

_MAX_SEARCHED = 100_000
"""Records looked at for one question; narrow it with `since` to look further back."""

_DEADLINE_SECONDS = 10.0

UNAVAILABLE = frozenset(kind.unavailable for kind in Kind)
"""Whoever is told one of these is not told of what."""

_TOLD = frozenset(
    {"kind", "at", "request", "verb", "user", "agent", "endpoint", "tool", "effect", "outcome", "code", "latency_us"}
)


async def whole(trail: Trail, wanted: Wanted, *, limit: int) -> tuple[Record, ...]:
    """The newest `limit` matching records, newest first; raises AuditUnavailable when that takes too long."""
    try:
        with anyio.fail_after(_DEADLINE_SECONDS):
            return await to_thread.run_sync(_search, trail, wanted, limit, abandon_on_cancel=True)
    except TimeoutError as exc:
        raise AuditUnavailable("the audit could not be searched in time") from exc


async def own(trail: Trail, user: UserId, wanted: Wanted, *, limit: int) -> tuple[Record, ...]:
    return tuple(_told(record) for record in await whole(trail, replace(wanted, user=user), limit=limit))


def _search(trail: Trail, wanted: Wanted, limit: int) -> tuple[Record, ...]:
    searched = islice(trail.newest(Wanted(since=wanted.since)), _MAX_SEARCHED)
    return tuple(islice((record for record in searched if wanted.matches(record)), limit))


def _told(record: Record) -> Record:
    """Without reasons and questions, and without what was said not to exist."""
    hidden = {"tool"} if record.get("code") in UNAVAILABLE else frozenset[str]()
    return {name: value for name, value in record.items() if name in _TOLD - hidden}
