"""Audit records for whoever asks: auditors read them whole, a person reads what he or she did, as it was told."""

from __future__ import annotations

from collections.abc import Callable
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
    {
        "kind",
        "at",
        "request",
        "verb",
        "user",
        "agent",
        "endpoint",
        "tool",
        "effect",
        "outcome",
        "code",
        "count",
        "latency_us",
    }
)


async def whole(trail: Trail, wanted: Wanted, *, limit: int) -> tuple[Record, ...]:
    """The newest `limit` matching records, newest first; raises AuditUnavailable when that takes too long."""
    return await _searched(trail, wanted.since, limit, lambda record: record if wanted.matches(record) else None)


async def own(trail: Trail, user: UserId, wanted: Wanted, *, limit: int) -> tuple[Record, ...]:
    """What `user` did; found by nothing but what was told of it, or a question would tell the rest."""
    about = replace(wanted, user=None)

    def shown(record: Record) -> Record | None:
        if not Wanted(user=user).matches(record):
            return None
        told = _told(record)
        return told if about.matches(told) else None

    return await _searched(trail, wanted.since, limit, shown)


async def _searched(
    trail: Trail, since: float | None, limit: int, shown: Callable[[Record], Record | None]
) -> tuple[Record, ...]:
    def search() -> tuple[Record, ...]:
        looked_at = islice(trail.newest(Wanted(since=since)), _MAX_SEARCHED)
        found = (shown(record) for record in looked_at)
        return tuple(islice((record for record in found if record is not None), limit))

    try:
        with anyio.fail_after(_DEADLINE_SECONDS):
            return await to_thread.run_sync(search, abandon_on_cancel=True)
    except TimeoutError as exc:
        raise AuditUnavailable("the audit could not be searched in time") from exc


def _told(record: Record) -> Record:
    """Without reasons and questions, and without what was said not to exist."""
    hidden = {"tool"} if record.get("code") in UNAVAILABLE else frozenset[str]()
    return {name: value for name, value in record.items() if name in _TOLD - hidden}
