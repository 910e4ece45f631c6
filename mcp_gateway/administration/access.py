"""Access: user or group U may use X; relationships written one by one or from a file."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.administration import imports
from mcp_gateway.administration.changes import Part
from mcp_gateway.administration.rules import refuse_owned, validate
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.grants import expiring
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, matching, write_tuple


class Access(Part):
    async def access_add(
        self, subject: str, relation: str, object: str, *, actor: str, until: float | None = None
    ) -> bool:
        """Write one relationship, for good or until `until` (epoch seconds); False when it stood there already."""
        row = RelationshipTuple(object, relation, subject, expiring(until))
        self._refuse(row)
        async with self._changes.open("access.added", actor, **_named(row)) as transaction:
            return await write_tuple(transaction, row)

    async def access_remove(self, subject: str, relation: str, object: str, *, actor: str) -> bool:
        """Take one relationship away for the next call; False when there was none.

        Only the owners of a relationship are asked, not the model: what an older model allowed must be removable.
        """
        row = RelationshipTuple(object, relation, subject)
        refuse_owned(row)
        async with self._changes.open("access.removed", actor, **_named(row)) as transaction:
            return await delete_tuple(transaction, row)

    async def access_list(
        self, *, subject: str | None = None, relation: str | None = None, object: str | None = None
    ) -> list[RelationshipTuple]:
        """The stored relationships people may write, in a stable order."""
        rows = await matching(self._database, object=object, relation=relation, subject=subject)
        return [row for row in rows if _is_access(row)]

    async def relationships_import(self, file: Path, *, actor: str) -> tuple[int, int]:
        """Write every relationship of a YAML file, or none; returns how many it holds and how many were new."""
        found = imports.read(file)
        for entry in found:
            try:
                self._refuse(entry.row)
            except OperatorError as exc:
                raise OperatorError(str(exc), where=entry.where, remedy=exc.remedy) from exc
        new = 0
        async with self._changes.open("relationships.imported", actor, file=file.name, count=len(found)) as transaction:
            for entry in found:
                new += await write_tuple(transaction, entry.row)
        return len(found), new

    def _refuse(self, row: RelationshipTuple) -> None:
        refuse_owned(row)
        validate(self._vocabulary, row)


def _is_access(row: RelationshipTuple) -> bool:
    try:
        refuse_owned(row)
    except OperatorError:
        return False
    return True


def _named(row: RelationshipTuple) -> dict[str, object]:
    named: dict[str, object] = {"subject": row.subject, "relation": row.relation, "object": row.object}
    return {**named, "condition": dict(row.condition.context)} if row.condition else named
