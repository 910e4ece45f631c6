"""Kill switches in the store: what is switched off, since when, by whom and why.

A user, an agent, a server, a tool, prompt or resource, or the whole gateway has one switch, known by its id;
without a row it is on. Change kinds: `switch.off` and `switch.on`, payload `{object, at}`. The facts that follow
from the switch of a server or of something it offers are written by `storage.catalog` in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from mcp_gateway.storage import schema
from mcp_gateway.storage.database import Database, Transaction
from mcp_gateway.storage.feed import Change


@dataclass(frozen=True, slots=True)
class SwitchRow:
    object: str
    """`user:…`, `agent:…`, `server:…`, `tool:…`, `prompt:…`, `resource:…` or `gateway:local`."""
    reason: str
    off_at: float
    """When it was last switched off, in seconds since the epoch."""
    off_by: str
    on_at: float | None
    """When it was switched on again; None = it is off."""
    on_by: str | None


async def switch_off(transaction: Transaction, object: str, reason: str) -> bool:
    """Switch `object` off; False when it was off already, which keeps the first reason."""
    if await is_off(transaction, object):
        return False
    values = {
        "reason": reason,
        "off_at": transaction.now,
        "off_by": transaction.actor,
        "on_at": None,
        "on_by": None,
    }
    await transaction.connection.execute(
        insert(schema.switches)
        .values(object=object, **values)
        .on_conflict_do_update(index_elements=["object"], set_=values)
    )
    await transaction.changed("switch.off", {"object": object, "at": transaction.now})
    return True


async def switch_on(transaction: Transaction, object: str) -> bool:
    """Switch `object` on again; False when it was on."""
    if not await is_off(transaction, object):
        return False
    table = schema.switches
    await transaction.connection.execute(
        update(table).where(table.c.object == object).values(on_at=transaction.now, on_by=transaction.actor)
    )
    await transaction.changed("switch.on", {"object": object, "at": transaction.now})
    return True


async def is_off(transaction: Transaction, *objects: str) -> bool:
    """Whether any of `objects` is off, as the transaction sees it."""
    return (
        await transaction.connection.execute(_off().where(schema.switches.c.object.in_(objects)))
    ).first() is not None


async def switched_off(database: Database) -> list[SwitchRow]:
    """Everything that is off, by id."""
    async with database.read() as connection:
        return [_as_row(row) for row in await connection.execute(_off().order_by(schema.switches.c.object))]


async def first_off(database: Database, *objects: str) -> str | None:
    """The first of `objects` that is off now, in the store itself; for the rare questions that cannot wait for news."""
    off = {row.object for row in await switched_off(database)}
    return next((object for object in objects if object in off), None)


class Switches:
    """The switches of one process, kept by the changelog. A `storage.Follower`; asking costs a look into a dict."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._off: frozenset[str] = frozenset()
        self._since: dict[str, float] = {}

    async def load(self) -> None:
        async with self._database.read() as connection:
            rows = [_as_row(row) for row in await connection.execute(select(schema.switches))]
        self._off = frozenset(row.object for row in rows if row.on_at is None)
        self._since = {row.object: row.off_at for row in rows}

    async def follow(self, changes: Sequence[Change]) -> None:
        self._off = after(self._off, changes)
        for change in changes:
            if change.kind == "switch.off":
                self._since[str(change.payload["object"])] = float(change.payload["at"])

    def any_off(self, *objects: str) -> str | None:
        """The first of `objects` that is off."""
        return next((object for object in objects if object in self._off), None) if self._off else None

    def last_off(self, object: str) -> float:
        """When `object` was last switched off, in epoch seconds; 0 if never. What began before has ended."""
        return self._since.get(object, 0.0)


def after(off: frozenset[str], changes: Iterable[Change]) -> frozenset[str]:
    """What is off after `changes`, when `off` was before; the same object when nothing was switched. Pure."""
    switched = [change for change in changes if change.kind in {"switch.off", "switch.on"}]
    if not switched:
        return off
    left = set(off)
    for change in switched:
        (left.add if change.kind == "switch.off" else left.discard)(str(change.payload["object"]))
    return frozenset(left)


def _off() -> Any:
    return select(schema.switches).where(schema.switches.c.on_at.is_(None))


def _as_row(row: Any) -> SwitchRow:
    return SwitchRow(row.object, row.reason, row.off_at, row.off_by, row.on_at, row.on_by)
