"""Settings to the relationship backend: which one, and what it needs to reach its server.

A backend is made per model, because a changed policy file brings another; what all of them share (the
connection, the relay of our changes) lives as long as the office.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from mcp_gateway.authorization import EmbeddedRelationships, Relationships
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import OpenFgaSettings, Settings, SpiceDbSettings
from mcp_gateway.storage import Database
from mcp_gateway.storage.data_dir import DataDir

if TYPE_CHECKING:
    pass

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """Makes relationships and cares for them."""

    def of(self, model: Model) -> Relationships:
        """The relationships decided by `model`; what was made before stays usable until it is replaced."""
        ...

    async def require(self, relationships: Relationships | None = None) -> None:
        """Raises OperatorError when the relationships given, or those in force, could never be decided by.

        A server that cannot be asked is no such reason: until it can be, everything is denied.
        """
        ...

    async def run(self, changed: Callable[[], None]) -> None:
        """What goes on beside the serving, until cancelled.

        Calls `changed` when relationships are other than they were, and our store's changelog does not tell.
        """
        ...


class Embedded:
    def of(self, model: Model) -> Relationships:
        return EmbeddedRelationships(model)

    async def require(self, relationships: Relationships | None = None) -> None:
        return

    async def run(self, changed: Callable[[], None]) -> None:
        return


@asynccontextmanager
async def backend(settings: Settings, data_dir: DataDir, database: Database) -> AsyncGenerator[Backend]:
    """What the settings name; every change of tuples in `database` is relayed to a server as long as this is open."""
    chosen = settings.relationships
    if isinstance(chosen, str):
        yield Embedded()
        return
    if isinstance(chosen, SpiceDbSettings):
        async with (await _spicedb())(chosen, data_dir, database) as made:
            yield made
        return
    async with (await _openfga())(chosen, data_dir, database) as made:
        yield made


async def _openfga() -> Callable[[OpenFgaSettings, DataDir, Database], AbstractAsyncContextManager[Backend]]:
    """Its clients take a quarter of a second to import, beside which the start goes on."""
    module = await anyio.to_thread.run_sync(importlib.import_module, "mcp_gateway.compose.openfga")
    return module.openfga


async def _spicedb() -> Callable[[SpiceDbSettings, DataDir, Database], AbstractAsyncContextManager[Backend]]:
    """Its client is an extra, and takes a second to import."""
    try:
        module = await anyio.to_thread.run_sync(importlib.import_module, "mcp_gateway.compose.spicedb")
    except ModuleNotFoundError as exc:
        remedy = "Install mcp-gateway[spicedb]"
        raise OperatorError("needs the extra `spicedb`", where="relationships.backend", remedy=remedy) from exc
    return module.spicedb
