"""Relationship tuples in the store: each write is idempotent and moves the revision.

Change kinds: `tuple.written` and `tuple.deleted`, payload `{object, relation, subject, condition}`
with `condition` = `{name, context}` or null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert

from mcp_gateway.errors import OperatorError
from mcp_gateway.storage import schema
from mcp_gateway.storage.database import Database, Transaction

_EVERY_TUPLE = "SELECT object, relation, subject, condition_name, condition_context_json FROM tuples"
_AT_ONCE = 2_000

Stored: TypeAlias = tuple[str, str, str, str | None, str | None]
"""(object, relation, subject, condition, its context as JSON)."""


@dataclass(frozen=True, slots=True)
class Condition:
    name: str
    context: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class RelationshipTuple:
    """`subject` has `relation` on `object`, as OpenFGA writes it."""

    object: str
    relation: str
    subject: str
    condition: Condition | None = None


async def write_tuple(transaction: Transaction, row: RelationshipTuple) -> bool:
    """Store `row`; False when it stood there already with the same condition."""
    refuse_contextual(row)
    table = schema.tuples
    stored = (await transaction.connection.execute(select(table).where(*_key(row)))).first()
    if stored is not None and _as_tuple(stored) == row:
        return False
    condition = row.condition
    values = {
        "condition_name": condition.name if condition else None,
        "condition_context_json": json.dumps(condition.context, sort_keys=True) if condition else None,
    }
    await transaction.connection.execute(
        insert(table)
        .values(object=row.object, relation=row.relation, subject=row.subject, **values)
        .on_conflict_do_update(index_elements=["object", "relation", "subject"], set_=values)
    )
    await transaction.changed("tuple.written", _payload(row))
    return True


async def delete_tuple(transaction: Transaction, row: RelationshipTuple) -> bool:
    """Remove `row`, whatever its condition; False when there was none."""
    result = await transaction.connection.execute(delete(schema.tuples).where(*_key(row)))
    if not result.rowcount:
        return False
    await transaction.changed("tuple.deleted", _payload(row))
    return True


async def all_tuples(database: Database) -> tuple[int, list[RelationshipTuple]]:
    """The newest revision and every tuple as of it."""
    async with database.read() as connection:
        revision = (
            await connection.execute(
                select(schema.changes.c.revision).order_by(schema.changes.c.revision.desc()).limit(1)
            )
        ).scalar()
        rows = await connection.execute(select(schema.tuples))
        return int(revision or 0), [_as_tuple(row) for row in rows]


async def read_all(database: Database, take: Callable[[Sequence[Stored]], None]) -> int:
    """Give `take` every tuple, some thousand at a time and as the store has them; answers the revision they are of."""
    async with database.read() as connection:
        revision = (await connection.execute(select(func.max(schema.changes.c.revision)))).scalar()
        # Past SQLAlchemy's rows, which would take longer than all the rest; the transaction is the same.
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        async with driver.execute(_EVERY_TUPLE) as cursor:
            while rows := await cursor.fetchmany(_AT_ONCE):
                take(rows)
        return int(revision or 0)


async def matching(
    database: Database, *, object: str | None = None, relation: str | None = None, subject: str | None = None
) -> list[RelationshipTuple]:
    """The stored tuples that agree with every argument given, in a stable order."""
    table = schema.tuples
    given = [(table.c.object, object), (table.c.relation, relation), (table.c.subject, subject)]
    query = select(table).where(*(column == value for column, value in given if value is not None))
    async with database.read() as connection:
        rows = await connection.execute(query.order_by(table.c.object, table.c.relation, table.c.subject))
        return [_as_tuple(row) for row in rows]


def refuse_contextual(row: RelationshipTuple) -> None:
    """`in_context` says "this request is user U through agent A"; stored, it would say so of every request."""
    if row.relation == "in_context":
        raise OperatorError("the relation in_context is never stored", where=f"{row.subject} in_context {row.object}")


def tuple_of(payload: Mapping[str, Any]) -> RelationshipTuple:
    """The tuple a change speaks of."""
    condition = payload["condition"]
    return RelationshipTuple(
        payload["object"],
        payload["relation"],
        payload["subject"],
        Condition(condition["name"], condition["context"]) if condition else None,
    )


def _key(row: RelationshipTuple) -> Iterable[Any]:
    table = schema.tuples
    return table.c.object == row.object, table.c.relation == row.relation, table.c.subject == row.subject


def _payload(row: RelationshipTuple) -> dict[str, Any]:
    condition = row.condition
    return {
        "object": row.object,
        "relation": row.relation,
        "subject": row.subject,
        "condition": {"name": condition.name, "context": dict(condition.context)} if condition else None,
    }


def _as_tuple(row: Any) -> RelationshipTuple:
    condition = Condition(row.condition_name, json.loads(row.condition_context_json)) if row.condition_name else None
    return RelationshipTuple(row.object, row.relation, row.subject, condition)
