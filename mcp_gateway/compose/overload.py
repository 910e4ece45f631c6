"""Who was refused because there was too much to do: a record for each of them and each second, not for each request."""

from __future__ import annotations

import logging
from collections.abc import Hashable, MutableMapping
from typing import cast

import anyio

from mcp_gateway.audit.journal import Journal
from mcp_gateway.errors import AuditUnavailable
from mcp_gateway.transport.turnstile import OVERLOAD, STRANGERS

_SECONDS = 1.0
_NAMED = 20
"""Of a second; the others are one record together."""

_log = logging.getLogger(__name__)


async def run_overload(journal: Journal, turned_away: MutableMapping[Hashable, int]) -> None:
    """Until it is cancelled; then what is left is told."""
    try:
        while True:
            await anyio.sleep(_SECONDS)
            put_on_record(journal, turned_away)
    finally:
        put_on_record(journal, turned_away)


def put_on_record(journal: Journal, turned_away: MutableMapping[Hashable, int]) -> None:
    """Empties `turned_away`; what cannot be written stays for the next time."""
    most = sorted(turned_away, key=turned_away.__getitem__, reverse=True)
    known = [cast("tuple[str, str]", who) for who in most if who != STRANGERS][:_NAMED]
    try:
        for who in known:
            journal.turned_away(OVERLOAD, turned_away[who], who)
            del turned_away[who]
        if turned_away:
            journal.turned_away(OVERLOAD, sum(turned_away.values()))
            turned_away.clear()
    except AuditUnavailable as exc:
        _log.error("requests refused for overload could not be recorded: %s", exc)
