"""The audit of one process: requests, lists, events, and strangers turned away.

Two levels. *process*: the record is in the kernel before the next step; reads and lists. *host*: it is on the
disk; write and destructive tools, logins, grants, administration. `durability="host"` raises all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, TypeAlias

import anyio

from mcp_gateway.audit import record
from mcp_gateway.audit.entry import Entry
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.audit.record import Record
from mcp_gateway.audit.refusals import RefusalBudget
from mcp_gateway.audit.segments import MAX_BYTES
from mcp_gateway.audit.writer import SYNC_DEADLINE_SECONDS, Writer
from mcp_gateway.errors import AuditUnavailable
from mcp_gateway.model.call import Request
from mcp_gateway.model.principal import Principal

Durability: TypeAlias = Literal["by_risk", "host"]

_REQUEST_KINDS = frozenset({"intent", "outcome", "decision", "list", "refused"})
_SUMMARY_SECONDS = 1.0


class Journal:
    """An async context manager that owns the task which syncs. Everything else raises AuditUnavailable or is recorded."""

    entries: ClassVar[type[Entry]] = Entry
    """What `entry` makes."""

    def __init__(
        self,
        directory: Path,
        *,
        durability: Durability = "by_risk",
        observe: Callable[[Record], None] | None = None,
        clock: Callable[[], float] = time.time,
        max_bytes: int = MAX_BYTES,
        sync_deadline_seconds: float = SYNC_DEADLINE_SECONDS,
        personal: Personal | None = None,
    ) -> None:
        """`personal` seals what events tell of people beyond their ids."""
        self._writer = Writer(
            directory, observe=observe, clock=clock, max_bytes=max_bytes, sync_deadline_seconds=sync_deadline_seconds
        )
        self._everything_durable = durability == "host"
        self._refusals = RefusalBudget()
        self._personal = personal
        self._seal = None if personal is None else personal.sealed_for
        self.policy: Callable[[], str] = _no_policy
        """Names the rules in force; for the records of requests."""

    @property
    def writer_id(self) -> str:
        """Which files and records are this process's."""
        return self._writer.id

    @property
    def writer(self) -> Writer:
        """For whoever watches how it fares."""
        return self._writer

    async def __aenter__(self) -> Journal:
        self._writer.open()
        self._dropping = anyio.Event()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._writer.keep_syncing)
        self._tasks.start_soon(self._keep_summarising)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            return await self._tasks.__aexit__(exc_type, exc, traceback)
        finally:
            self._summarise()
            await self._writer.close()

    def entry(
        self, request: Request, verb: str, principal: Principal, arguments: Mapping[str, Any] | None = None
    ) -> Entry:
        """`async with` it around one request; it ends with exactly one closing record."""
        return self.entries(
            self._writer,
            request,
            verb,
            principal,
            arguments,
            everything_durable=self._everything_durable,
            policy=self.policy(),
            seal=self._seal,
        )

    async def event(self, kind: str, actor: str, **named: object) -> None:
        """Record what was not a request: a login, a consent, a change. On the disk when this returns."""
        if kind in _REQUEST_KINDS:
            raise ValueError(f"{kind} is not a kind of event")
        told = named if self._personal is None else self._personal.of_event(actor, named)
        self._writer.write(record.event(kind, actor, told))
        await self._writer.durable()

    def refused(self, request_id: str, reason: str, **named: object) -> None:
        """Record a request turned away before anybody was known; under a flood, how many instead of each."""
        if not self._refusals.spend(time.monotonic()):
            self._dropping.set()
            return
        fields = {"kind": "refused", "request": request_id, "effect": "deny", "code": reason}
        self._writer.write({**fields, "named": record.plain(named)})

    def turned_away(self, code: str, count: int, sender: tuple[str, str] | None = None) -> None:
        """Record in one how many requests were refused; `sender`: user and agent, None = several or unknown."""
        fields: record.Fields = {"kind": "refused", "effect": "deny", "code": code}
        if sender is not None:
            user, agent = sender
            fields.update(user=user, agent=agent, client=record.client_of(agent))
        self._writer.write({**fields, "count": count, "named": {}})

    async def _keep_summarising(self) -> None:
        while True:
            await self._dropping.wait()
            await anyio.sleep(_SUMMARY_SECONDS)
            self._dropping = anyio.Event()
            self._summarise()

    def _summarise(self) -> None:
        dropped = self._refusals.take_dropped()
        if not dropped:
            return
        try:
            self._writer.write({"kind": "refused", "effect": "deny", "named": {"dropped": dropped}})
        except AuditUnavailable:
            self._refusals.dropped += dropped


def _no_policy() -> str:
    return ""
