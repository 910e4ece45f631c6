"""Ask an upstream what it serves, compare with what was approved, and let a reviewer decide.

New tools wait for approval and changed ones are suspended, unless the entry trusts the upstream.
A tool that fails the lint is quarantined: one bad schema makes some clients drop a whole server.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mcp_gateway.catalog.index import digest
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.model.tool import JsonObject, ReviewState, Upstream
from mcp_gateway.storage import Database
from mcp_gateway.storage.catalog import (
    ServerRow,
    ToolRow,
    forget_server,
    put_server,
    put_tool,
    server_rows,
    tool_rows,
    tools_in,
)

_SEEN_RESOLUTION_SECONDS = 60.0
"""How stale `last_seen_at` may get before an unchanged server costs a write."""

_MAX_NAME = 128


class Served(Protocol):
    """What an upstream answered: its protocol version and all its tools."""

    @property
    def protocol_version(self) -> str: ...
    @property
    def tools(self) -> Sequence[JsonObject]: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """What one refresh found, by tool name."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    error: str | None = None
    detail: str = ""
    """Why it could not be asked, for the operator; our own words, nothing the server said."""
    """Reason code when the upstream could not be asked; nothing else changed then."""


class Review:
    def __init__(
        self,
        database: Database,
        list_tools: Callable[[Upstream], Awaitable[Served]],
        lint: Callable[[JsonObject], str | None],
    ) -> None:
        self._database = database
        self._list_tools = list_tools
        self._lint = lint

    async def refresh(self, upstream: Upstream, actor: str) -> Findings:
        """Discover, compare, store. Never raises for a failing upstream: its last approved tools stay."""
        try:
            served = await self._list_tools(upstream)
        except GatewayError as exc:
            await self._note_server(upstream.name, actor, protocol=None, error=exc.code)
            return Findings(error=exc.code, detail=str(exc))
        await self._note_server(upstream.name, actor, protocol=served.protocol_version, error=None)
        known = {row.name: row for row in await tool_rows(self._database, upstream.name)}
        offered = _by_name(served.tools)
        after = [self._assess(upstream, definition, known.get(name), actor) for name, definition in offered.items()]
        after += [_gone(row) for name, row in known.items() if name not in offered]
        different = [row for row in after if known.get(row.name) != row]
        if different:
            async with self._database.write(actor) as transaction:
                for row in different:
                    await put_tool(transaction, row)
        return _findings(known, after)

    async def approve(self, server: str, reviewed: Mapping[str, str], actor: str) -> list[str]:
        """Approve tools by name and the digest that was reviewed; all of them or, raising OperatorError, none."""
        async with self._database.write(actor) as transaction:
            rows = await tools_in(transaction, server)
            for name, digest_seen in reviewed.items():
                _refuse_unapprovable(server, name, rows.get(name), digest_seen)
            for name in reviewed:
                await put_tool(transaction, _approved(rows[name], actor, transaction.now))
        return list(reviewed)

    async def remove(self, server: str, actor: str) -> None:
        async with self._database.write(actor) as transaction:
            await forget_server(transaction, server)

    async def rows(self, server: str) -> list[ToolRow]:
        return await tool_rows(self._database, server)

    async def servers(self) -> list[ServerRow]:
        return await server_rows(self._database)

    def _assess(self, upstream: Upstream, definition: JsonObject, before: ToolRow | None, actor: str) -> ToolRow:
        name = str(definition["name"])
        policy = upstream.tools.get(name)
        now = time.time()
        row = ToolRow(
            server=upstream.name,
            name=name,
            state=ReviewState.PENDING,
            risk=policy.risk if policy else upstream.default_risk,
            digest=digest(definition),
            definition=definition,
            approved_digest=before.approved_digest if before else None,
            approved_by=before.approved_by if before else None,
            approved_at=before.approved_at if before else None,
            finding=None,
            first_seen_at=before.first_seen_at if before else now,
        )
        finding = _name_finding(name) or self._lint(definition)
        if finding is not None:
            return replace(row, state=ReviewState.QUARANTINED, finding=finding)
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


def _by_name(definitions: Sequence[JsonObject]) -> Mapping[str, JsonObject]:
    """By name; of two tools with one name neither can be told apart, so the first stands."""
    found: dict[str, JsonObject] = {}
    for definition in definitions:
        name: Any = definition.get("name")
        if isinstance(name, str) and name:
            found.setdefault(name, definition)
    return found


def _name_finding(name: str) -> str | None:
    if len(name) > _MAX_NAME:
        return f"the name is longer than {_MAX_NAME} characters"
    if not name.isprintable():
        return "the name has control or invisible characters"
    return None


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


def _refuse_unapprovable(server: str, name: str, row: ToolRow | None, digest_seen: str) -> None:
    if row is None:
        raise OperatorError(f"{server} has no tool {name!r}", remedy=f"mcp-gateway server show {server}")
    if row.state in (ReviewState.QUARANTINED, ReviewState.MISSING):
        raise OperatorError(f"{name} is {row.state.value}: {row.finding or 'not served'}")
    if row.digest != digest_seen:
        raise OperatorError(
            f"{name} changed while it was being reviewed", remedy=f"look at it again: mcp-gateway server show {server}"
        )


def _findings(known: Mapping[str, ToolRow], after: Sequence[ToolRow]) -> Findings:
    def names(keep: Callable[[ToolRow], bool]) -> tuple[str, ...]:
        return tuple(row.name for row in after if keep(row))

    served = ReviewState.MISSING, ReviewState.QUARANTINED
    return Findings(
        new=names(lambda row: row.name not in known and row.state not in served),
        changed=names(
            lambda row: row.name in known and row.state not in served and row.digest != known[row.name].digest
        ),
        missing=names(lambda row: row.state is ReviewState.MISSING),
        quarantined=names(lambda row: row.state is ReviewState.QUARANTINED),
        unchanged=names(
            lambda row: row.name in known and row.state not in served and row.digest == known[row.name].digest
        ),
    )
