"""Ask an upstream what it serves, compare with what was approved, and let a reviewer decide.

New tools, prompts, resources and templates wait for approval and changed ones are suspended, unless the entry
trusts the upstream. What fails the lint is quarantined: one bad schema makes some clients drop a whole server.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from mcp_gateway.catalog.index import digest
from mcp_gateway.catalog.naming import spoken
from mcp_gateway.catalog.offers import NAME_FIELD, finding, pinned
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.tool import JsonObject, Kind, ReviewState, Upstream
from mcp_gateway.storage import Database
from mcp_gateway.storage.catalog import (
    ServerRow,
    ToolRow,
    forget_server,
    forget_tool,
    put_server,
    put_tool,
    server_rows,
    tool_rows,
    tools_in,
)

_SEEN_RESOLUTION_SECONDS = 60.0
"""How stale `last_seen_at` may get before an unchanged server costs a write."""

_WRITTEN_AT_ONCE = 500
"""Rows in one transaction: longer ones would keep every other writer waiting."""

_FINDINGS = ("new", "changed", "missing", "quarantined", "unchanged")

Item: TypeAlias = tuple[Kind, str]
"""What a server calls something of that kind."""


class Served(Protocol):
    """What an upstream answered: its protocol version, and all it offers of each kind that it told us of."""

    @property
    def protocol_version(self) -> str: ...
    @property
    def offered(self) -> Mapping[Kind, Sequence[JsonObject]]:
        """By kind; of one that is missing nothing is known, and what was known of it stays."""
        ...

    @property
    def failed(self) -> Mapping[Kind, GatewayError]:
        """Why a kind is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Findings:
    """What one refresh found: tools by name, everything else as `prompt:<name>`, `resource:<uri>`, `template:<text>`."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    error: str | None = None
    """Reason code when the upstream could not be asked, or not about every kind."""
    detail: str = ""
    """Why it could not be asked, for the operator; our own words, nothing the server said."""
    unanswered: tuple[Kind, ...] = ()
    """Of which kinds it did not say what it offers, though of others it did; nothing of them changed."""


class Review:
    def __init__(
        self,
        database: Database,
        ask: Callable[[Upstream], Awaitable[Served]],
        lint: Callable[[JsonObject], str | None],
    ) -> None:
        self._database = database
        self._ask = ask
        self._lint = lint

    async def refresh(self, upstream: Upstream, actor: str) -> Findings:
        """Discover, compare, store. Never raises for a failing upstream: what was last approved of it stays."""
        try:
            served = await self._ask(upstream)
        except GatewayError as exc:
            await self._note_server(upstream.name, actor, protocol=None, error=exc.code)
            return Findings(error=exc.code, detail=str(exc))
        failure = next(iter(served.failed.values()), None)
        error = failure.code if failure is not None else None
        await self._note_server(upstream.name, actor, protocol=served.protocol_version, error=error)
        rows = await tool_rows(self._database, upstream.name)
        known = {(row.kind, row.name): row for row in rows if row.kind in served.offered}
        offered = _by_name(served.offered)
        after = [
            self._assess(upstream, item, definition, known.get(item), actor) for item, definition in offered.items()
        ]
        after += [_gone(row) for item, row in known.items() if item not in offered]
        different = [row for row in after if known.get((row.kind, row.name)) != row or _is_forgotten(row, upstream)]
        await self._store(upstream, different, actor)
        return replace(
            _findings(known, after),
            error=error,
            detail=str(failure) if failure is not None else "",
            unanswered=tuple(served.failed),
        )

    async def approve(self, server: str, reviewed: Mapping[ToolId, str], actor: str) -> list[ToolId]:
        """Approve by id and the digest that was reviewed; all of them or, raising OperatorError, none."""
        async with self._database.write(actor) as transaction:
            rows = {row.id: row for row in await tools_in(transaction, server) if row.id in reviewed}
            for identifier, digest_seen in reviewed.items():
                _refuse_unapprovable(server, identifier, rows.get(identifier), digest_seen)
            for identifier in reviewed:
                await put_tool(transaction, _approved(rows[identifier], actor, transaction.now))
        return list(reviewed)

    async def remove(self, server: str, actor: str) -> None:
        async with self._database.write(actor) as transaction:
            await forget_server(transaction, server)

    async def rows(self, server: str) -> list[ToolRow]:
        return await tool_rows(self._database, server)

    async def servers(self) -> list[ServerRow]:
        return await server_rows(self._database)

    async def _store(self, upstream: Upstream, rows: Sequence[ToolRow], actor: str) -> None:
        for start in range(0, len(rows), _WRITTEN_AT_ONCE):
            async with self._database.write(actor) as transaction:
                for row in rows[start : start + _WRITTEN_AT_ONCE]:
                    await (forget_tool if _is_forgotten(row, upstream) else put_tool)(transaction, row)

    def _assess(
        self, upstream: Upstream, item: Item, definition: JsonObject, before: ToolRow | None, actor: str
    ) -> ToolRow:
        kind, name = item
        now = time.time()
        row = ToolRow(
            server=upstream.name,
            name=name,
            state=ReviewState.PENDING,
            risk=upstream.policy(kind, name).risk,
            digest=digest(pinned(kind, definition)),
            definition=definition,
            approved_digest=before.approved_digest if before else None,
            approved_by=before.approved_by if before else None,
            approved_at=before.approved_at if before else None,
            finding=None,
            first_seen_at=before.first_seen_at if before else now,
            kind=kind,
        )
        unfit = finding(kind, name, definition) or (self._lint(definition) if kind is Kind.TOOL else None)
        if unfit is not None:
            return replace(row, state=ReviewState.QUARANTINED, finding=unfit)
        if row.approved_digest == row.digest:
            return replace(row, state=ReviewState.APPROVED)
        if upstream.trusted:
            return _approved(row, actor, now)
        if row.approved_digest is not None:
            return replace(row, state=ReviewState.CHANGED, finding="the definition differs from the approved one")
        return row

    async def _note_server(self, name: str, actor: str, *, protocol: str | None, error: str | None) -> None:
        now = time.time()
        before = next((row for row in await server_rows(self._database) if row.name == name), None)
        seen = before.last_seen_at if before else None
        after = ServerRow(
            name,
            enabled=before.enabled if before else True,
            protocol_version=protocol or (before.protocol_version if before else None),
            last_seen_at=seen if error else now,
            last_error=error,
        )
        stale = error is None and now - (seen or 0) > _SEEN_RESOLUTION_SECONDS
        if before is None or stale or replace(after, last_seen_at=seen) != before:
            async with self._database.write(actor) as transaction:
                await put_server(transaction, after)


def _by_name(offered: Mapping[Kind, Sequence[JsonObject]]) -> Mapping[Item, JsonObject]:
    """By kind and name; of two with one name neither can be told apart, so the first stands."""
    found: dict[Item, JsonObject] = {}
    for kind, definitions in offered.items():
        for definition in definitions:
            name: Any = definition.get(NAME_FIELD[kind])
            if isinstance(name, str) and name:
                found.setdefault((kind, name), definition)
    return found


def _approved(row: ToolRow, actor: str, now: float) -> ToolRow:
    return replace(
        row,
        state=ReviewState.APPROVED,
        approved_digest=row.digest,
        approved_by=actor,
        approved_at=now,
        finding=None,
    )


def _gone(row: ToolRow) -> ToolRow:
    return row if row.state is ReviewState.MISSING else replace(row, state=ReviewState.MISSING, finding="not served")


def _is_forgotten(row: ToolRow, upstream: Upstream) -> bool:
    """Resources come and go, and a server may invent ever new ones; what no person approved is not kept for long."""
    if row.state is not ReviewState.MISSING or row.kind not in (Kind.RESOURCE, Kind.TEMPLATE):
        return False
    return upstream.trusted or row.approved_digest is None


def _refuse_unapprovable(server: str, identifier: ToolId, row: ToolRow | None, digest_seen: str) -> None:
    if row is None:
        raise OperatorError(f"{server} has no {identifier!r}", remedy=f"mcp-gateway server show {server}")
    name = spoken(row.kind, row.name)
    if row.state in (ReviewState.QUARANTINED, ReviewState.MISSING):
        raise OperatorError(f"{name} is {row.state.value}: {row.finding or 'not served'}")
    if row.digest != digest_seen:
        raise OperatorError(
            f"{name} changed while it was being reviewed", remedy=f"look at it again: mcp-gateway server show {server}"
        )


def _findings(known: Mapping[Item, ToolRow], after: Sequence[ToolRow]) -> Findings:
    found: dict[str, list[str]] = {}
    for row in after:
        found.setdefault(_what(row, known.get((row.kind, row.name))), []).append(spoken(row.kind, row.name))
    new, changed, missing, quarantined, unchanged = (tuple(found.get(what, ())) for what in _FINDINGS)
    return Findings(new, changed, missing, quarantined, unchanged)


def _what(row: ToolRow, before: ToolRow | None) -> str:
    if row.state in (ReviewState.MISSING, ReviewState.QUARANTINED):
        return row.state.value
    if before is None:
        return "new"
    return "unchanged" if row.digest == before.digest else "changed"
