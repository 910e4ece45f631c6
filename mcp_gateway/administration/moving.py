"""Move the relationships between this store and a server: compare, write what differs, compare again; audited.

The gateway's own store stays what administration writes. Moving to a server makes the server's content
the store's; moving here makes the store's content the server's. What only the target has is never
removed or kept without being told which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mcp_gateway.administration.changes import Part
from mcp_gateway.administration.rules import Vocabulary, validate
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.relationships import (
    RelationshipTuple,
    all_tuples,
    delete_tuple,
    refuse_contextual,
    write_tuple,
)

_AT_ONCE = 1000


class Server(Protocol):
    """The server's side of a move."""

    @property
    def name(self) -> str:
        """Says in the audit which store of which server."""
        ...

    def tuples(self) -> AsyncIterator[RelationshipTuple]: ...

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None: ...

    async def has_everything(self, revision: int) -> None:
        """The store's changes up to `revision` need not be told any more."""
        ...


class Extra(StrEnum):
    """What to do with relationships that only the target has."""

    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Difference:
    """What a move would do to the target."""

    added: tuple[RelationshipTuple, ...]
    changed: tuple[tuple[RelationshipTuple, RelationshipTuple], ...]
    """The same relationship with another condition: as it stands at the target, as it is at the source."""
    extra: tuple[RelationshipTuple, ...]
    """Only the target has these."""
    alike: int

    @property
    def nothing(self) -> bool:
        return not (self.added or self.changed)


Progress = Callable[[int, int], None]
"""How many of how many are written."""


class Moving(Part):
    async def relationships_difference(self, server: Server, *, to_server: bool) -> Difference:
        """What a move in this direction would do; raises OperatorError when the source must not be moved."""
        _, stored = await all_tuples(self._database)
        held = await _read(server)
        source, target = (stored, held) if to_server else (held, stored)
        _refuse_unfit(source, self._vocabulary)
        return difference(source=source, target=target)

    async def relationships_to_server(
        self, server: Server, *, extra: Extra | None, actor: str, progress: Progress
    ) -> Difference:
        """Make the server hold what the store holds; raises OperatorError when it then does not."""
        # Before anything is compared: what changes from here on is still told to the server afterwards.
        revision, _ = await all_tuples(self._database)
        found = await self.relationships_difference(server, to_server=True)
        gone = _decided(found, extra)
        async with self._changes.around("relationships.moved", actor, to=server.name, **_counts(found, gone)):
            writes = [*found.added, *(after for _, after in found.changed)]
            await server.apply(gone, ())
            for start in range(0, len(writes), _AT_ONCE):
                await server.apply((), writes[start : start + _AT_ONCE])
                progress(min(start + _AT_ONCE, len(writes)), len(writes))
            _require_moved(found, await self.relationships_difference(server, to_server=True), gone)
            await server.has_everything(revision)
        return found

    async def relationships_from_server(
        self, server: Server, *, extra: Extra | None, actor: str, progress: Progress
    ) -> Difference:
        """Make the store hold what the server holds; a move that was cut off is completed by the next."""
        found = await self.relationships_difference(server, to_server=False)
        gone = _decided(found, extra)
        moves = [(False, row) for row in gone]
        moves += [(True, row) for row in (*found.added, *(after for _, after in found.changed))]
        async with self._changes.around("relationships.moved", actor, to="embedded", **_counts(found, gone)):
            for start in range(0, len(moves), _AT_ONCE):
                async with self._database.write(actor) as transaction:
                    for written, row in moves[start : start + _AT_ONCE]:
                        await (write_tuple if written else delete_tuple)(transaction, row)
                progress(min(start + _AT_ONCE, len(moves)), len(moves))
            _require_moved(found, await self.relationships_difference(server, to_server=False), gone)
        return found


def difference(*, source: Iterable[RelationshipTuple], target: Iterable[RelationshipTuple]) -> Difference:
    """What makes `target` like `source`."""
    wanted = {_key(row): row for row in source}
    standing = {_key(row): row for row in target}
    both = [(standing[key], row) for key, row in wanted.items() if key in standing]
    changed = tuple((before, after) for before, after in both if before != after)
    return Difference(
        added=tuple(row for key, row in wanted.items() if key not in standing),
        changed=changed,
        extra=tuple(row for key, row in standing.items() if key not in wanted),
        alike=len(both) - len(changed),
    )


async def _read(server: Server) -> list[RelationshipTuple]:
    return [row async for row in server.tuples()]


def _refuse_unfit(rows: Iterable[RelationshipTuple], vocabulary: Vocabulary) -> None:
    for row in rows:
        refuse_contextual(row)
        validate(vocabulary, row)


def _decided(found: Difference, extra: Extra | None) -> tuple[RelationshipTuple, ...]:
    if found.extra and extra is None:
        raise OperatorError(
            f"the target has {len(found.extra)} relationships the source lacks",
            remedy="look at them with --dry-run, then say --extra keep or --extra remove",
        )
    return found.extra if extra is Extra.REMOVE else ()


def _require_moved(planned: Difference, left: Difference, gone: Sequence[RelationshipTuple]) -> None:
    # Ended at the source while it was written to the target, it would stand there for ever.
    kept = set(map(_key, planned.extra)) - set(map(_key, gone))
    beyond = [row for row in left.extra if _key(row) not in kept]
    if not left.nothing or beyond:
        raise OperatorError(
            f"after the move {len(left.added) + len(left.changed) + len(beyond)} relationships differ",
            remedy="somebody writes at the same time, or the server's model has no place for them; run it again",
        )


def _counts(found: Difference, gone: Sequence[RelationshipTuple]) -> dict[str, object]:
    return {"added": len(found.added), "changed": len(found.changed), "removed": len(gone), "alike": found.alike}


def _key(row: RelationshipTuple) -> tuple[str, str, str]:
    return row.object, row.relation, row.subject
