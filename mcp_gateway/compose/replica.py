"""The replica beside a relationship server: one copy per model, read and kept up in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from mcp_gateway.authorization import Relationships
from mcp_gateway.authorization.backends.replica import Pace, ReplicaRelationships
from mcp_gateway.authorization.backends.replica_source import OpenFgaSource
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.settings import OpenFgaSettings

if TYPE_CHECKING:
    from mcp_gateway.compose.openfga import Remote

_LOOKS_PER_BOUND = 5
_MOST_SECONDS = 1.0


class Replicated:
    """A `Backend`. Without `run`, as in a command, every question goes to the server."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._pace = _pace(remote.settings)
        self._changed: Callable[[], None] = _nobody
        self._current: ReplicaRelationships | None = None
        self._replaced = anyio.Event()

    @property
    def remote(self) -> Remote:
        """The server it is a replica of."""
        return self._remote

    def of(self, model: Model) -> Relationships:
        server = self._remote.server_of(model)
        source = OpenFgaSource(self._remote.client, store_id=self._remote.settings.store_id or "", ready=server.ready)
        made = ReplicaRelationships(model, server, source, pace=self._pace, changed=lambda: self._changed())
        self._current = self._current or made
        return made

    async def require(self, relationships: Relationships | None = None) -> None:
        wanted = relationships if isinstance(relationships, ReplicaRelationships) else self._current
        if wanted is None:
            return
        await self._remote.require(wanted.server)
        if wanted is not self._current:
            self._current = wanted
            self._replaced.set()

    async def run(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._remote.run, changed)
            while self._current is not None:
                await self._run_current(self._current)

    async def _run_current(self, current: ReplicaRelationships) -> None:
        """Until another model brings another copy."""
        self._replaced = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(current.run)
            await self._replaced.wait()
            tasks.cancel_scope.cancel()


def _pace(settings: OpenFgaSettings) -> Pace:
    return Pace(
        max_staleness_seconds=settings.max_staleness,
        look_seconds=min(settings.max_staleness / _LOOKS_PER_BOUND, _MOST_SECONDS),
        reconcile_seconds=settings.reconcile,
    )


def _nobody() -> None:
    """Before the gateway serves, nobody keeps decisions."""
