"""The registry's files and the review of what the servers behind them offer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mcp_gateway.administration.changes import Part
from mcp_gateway.catalog import Findings, Review, named, registry, spoken
from mcp_gateway.catalog.registry import UpstreamEntry
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import ReviewState, Upstream
from mcp_gateway.storage.catalog import ServerRow, ToolRow

_WAITING = (ReviewState.PENDING, ReviewState.CHANGED)


class Servers(Part):
    _review: Review
    _registry: Path
    _check_policies: Callable[[Sequence[Upstream]], object]

    def servers_declared(self) -> tuple[Upstream, ...]:
        """Every upstream of the registry, by name; raises OperatorError when a file is wrong."""
        return registry.load(self._registry)

    def server_declared(self, name: str) -> Upstream:
        """What the registry says of `name`."""
        for upstream in self.servers_declared():
            if upstream.name == name:
                return upstream
        raise OperatorError(
            "no registry file declares this server", where=name, remedy="mcp-gateway server list, or server add"
        )

    async def server_add(self, entry: UpstreamEntry, *, actor: str) -> Path:
        """Write a new registry file for people to review; the server's tools wait for approval."""
        if self._registry.is_dir() and any(known.name == entry.name for known in registry.load(self._registry)):
            raise OperatorError(
                "a registry file declares this server",
                where=entry.name,
                remedy=f"edit that file, or mcp-gateway server remove {entry.name}",
            )
        return await self._write(entry, actor, kind="server.added")

    async def server_change(self, entry: UpstreamEntry, *, actor: str) -> Path:
        """Write the registry file of a server again, with another entry."""
        return await self._write(entry, actor, kind="server.changed")

    async def server_refresh(self, name: str, *, actor: str) -> Findings:
        """Ask the server what it serves and compare; a failing server is a finding, not an error."""
        upstream = self.server_declared(name)
        async with self._changes.around("server.refreshed", actor, server=name):
            return await self._review.refresh(upstream, actor)

    async def server_approve(self, name: str, items: Sequence[str] | None, *, actor: str) -> list[str]:
        """Approve what is named, as `named` understands it, or all that waits; returns what was approved."""
        rows = await self._review.rows(name)
        if not rows:
            raise OperatorError("nothing was discovered there", where=name, remedy=f"mcp-gateway server refresh {name}")
        chosen = [row for row in rows if row.state in _WAITING] if items is None else named(rows, items)
        said = [spoken(row.kind, row.name) for row in chosen]
        digests = {spoken(row.kind, row.name): row.digest for row in chosen}
        async with self._changes.around("server.approved", actor, server=name, tools=said, digests=digests):
            await self._review.approve(name, {row.id: row.digest for row in chosen}, actor)
        return said

    async def server_remove(self, name: str, *, actor: str) -> Path:
        """Delete the registry file, the discovered tools and their facts; access and grants stay and reach nothing."""
        path = self._file_of(name)
        async with self._changes.around("server.removed", actor, server=name, file=path.name):
            path.unlink()
            await self._review.remove(name, actor)
        await self._announce(actor)
        return path

    async def server_rows(self) -> list[ServerRow]:
        """Every server that was ever asked, by name."""
        return await self._review.servers()

    async def tool_rows(self, name: str) -> list[ToolRow]:
        return await self._review.rows(name)

    async def reload(self, *, actor: str) -> tuple[Upstream, ...]:
        """Check registry and policies whole, then have every running gateway read them; returns the upstreams.

        Raises OperatorError naming file, line and reason; then nothing is reloaded.
        """
        upstreams = registry.load(self._registry)
        self._check_policies(upstreams)
        async with self._changes.around("reload", actor, servers=[upstream.name for upstream in upstreams]):
            await self._announce(actor)
        return upstreams

    async def _write(self, entry: UpstreamEntry, actor: str, *, kind: str) -> Path:
        path = self._registry / f"{entry.name}.yaml"
        replacing = kind == "server.changed"
        if path.exists() and not replacing:
            raise OperatorError("this file exists and declares something else", where=str(path))
        async with self._changes.around(kind, actor, server=entry.name, file=path.name):
            self._registry.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_text(registry.render(entry), encoding="utf-8")
            os.replace(temporary, path)
        await self._announce(actor)
        return path

    def _file_of(self, name: str) -> Path:
        for path in sorted(self._registry.glob("*.yaml")):
            if registry.load_file(path).name == name:
                return path
        raise OperatorError("no registry file declares this server", where=name, remedy="mcp-gateway server list")

    async def _announce(self, actor: str) -> None:
        async with self._database.write(actor) as transaction:
            await transaction.changed("reload", {})
