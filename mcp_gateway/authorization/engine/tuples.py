"""The relationships in memory: a table of records per type, and the way back. Holds only tuples the model accepts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mcp_gateway.authorization.engine.alike import nameless_types
from mcp_gateway.authorization.engine.loading import Loader, accepted_rule, in_rows
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.overlay import with_row
from mcp_gateway.authorization.engine.rows import (
    EMPTY,
    Key,
    Places,
    Row,
    Rows,
    Rule,
    Table,
    Userset,
    only_subject,
    place,
    row_of,
)
from mcp_gateway.authorization.engine.wayback import Tracked, WayBack
from mcp_gateway.storage.relationships import RelationshipTuple

__all__ = ["EMPTY", "Key", "Renewal", "Row", "Rule", "TupleIndex", "Userset", "accepted_rule", "place"]

_log = logging.getLogger(__name__)

_NEW_ALIKE = 100_000
"""Shared rows added after loading before sharing starts anew: what nobody uses any more is let go then."""


class Renewal(NamedTuple):
    """One row as it will be, and what that changes on the way back."""

    kind: str
    object: str
    row: Row | None
    removed: tuple[tuple[str, bool], ...]
    """(subject, whether it had a condition)."""
    added: tuple[tuple[str, bool], ...]


class TupleIndex:
    """Mutated by one owner; readers take `tables` or `rows` and look."""

    def __init__(self, model: Model, *, tracked: Tracked | None = None) -> None:
        self._model = model
        self.tracked = tracked or Tracked()
        self._nameless = nameless_types(model)
        self.adopt(Loader(model, self.tracked))

    def load(self, tuples: Iterable[RelationshipTuple]) -> None:
        """Replace everything by `tuples`."""
        loader = Loader(self._model, self.tracked)
        loader.add(in_rows(tuples))
        self.adopt(loader)

    def adopt(self, loader: Loader) -> None:
        """Replace everything by what `loader` has read, all at once."""
        loader.finish()
        self.places: Places = loader.places
        self.tables: Mapping[str, Table] = loader.tables
        self.rows: Mapping[Key, Row] = Rows(loader.places, loader.tables)
        self.back: WayBack = loader.back
        self.stored_in_context: set[tuple[str, str]] = loader.stored_in_context
        """(subject, object) of tuples nobody may store; while there is one, nothing is allowed."""
        self._alike = loader.alike()
        self._records = loader.records
        self._limit = len(self._alike) + len(self._records) + _NEW_ALIKE

    def apply(self, changes: Iterable[tuple[bool, RelationshipTuple]]) -> None:
        """Each change is (written, tuple); all count at once, the last one where there are several."""
        self.commit(list(self.renewals(changes)))

    def renewals(self, changes: Iterable[tuple[bool, RelationshipTuple]]) -> Iterator[Renewal]:
        """What `changes` come to, row by row. Nothing counts before `commit`, so a caller may pause in between."""
        touched: dict[Key, dict[str, RelationshipTuple | None]] = {}
        for written, one in changes:
            touched.setdefault((one.object, one.relation), {})[one.subject] = one if written else None
        for (object_, relation), subjects in touched.items():
            kind = f"{object_.partition(':')[0]}#{relation}"
            if relation == "in_context":
                yield self._contextual(object_, subjects)
            elif relation in self.places.get(object_.partition(":")[0], {}):
                yield self._renewal(kind, object_, subjects)
            else:
                self._warn(one for one in subjects.values() if one is not None)

    def commit(self, renewals: Iterable[Renewal]) -> None:
        """Let `renewals` count, all at once."""
        for kind, object_, row, removed, added in renewals:
            if kind == _IN_CONTEXT:
                self.stored_in_context.difference_update((subject, object_) for subject, _ in removed)
                self.stored_in_context.update((subject, object_) for subject, _ in added)
                continue
            self._lay_down(kind, object_, row)
            if removed or added:
                self._lead_back(kind, object_, removed, added)

    def _lay_down(self, kind: str, object_: str, row: Row | None) -> None:
        object_type, _, relation = kind.partition("#")
        table, places = self.tables[object_type], self.places[object_type]
        record = with_row(table.get(object_), len(places), places[relation], row)
        if any(record):
            table[object_] = self._records.setdefault(record, record) if object_type in self._nameless else record
        else:
            table.pop(object_, None)

    def _contextual(self, object_: str, subjects: Mapping[str, RelationshipTuple | None]) -> Renewal:
        removed = tuple((subject, False) for subject, one in subjects.items() if one is None)
        added = tuple((subject, False) for subject, one in subjects.items() if one is not None)
        return Renewal(_IN_CONTEXT, object_, None, removed, added)

    def _renewal(self, kind: str, object_: str, subjects: Mapping[str, RelationshipTuple | None]) -> Renewal:
        before = self.rows.get((object_, kind.partition("#")[2]), EMPTY)
        direct, usersets = dict(before.direct), dict(before.usersets)
        for subject, one in subjects.items():
            direct.pop(subject, None)
            usersets.pop(subject, None)
            rule = one and self._accepted(one)
            if one is not None and not isinstance(rule, str):
                place(subject, rule, direct, usersets)
        row = row_of(direct, usersets)
        removed: tuple[tuple[str, bool], ...] = ()
        added: tuple[tuple[str, bool], ...] = ()
        if self.back.keeps(kind):
            removed, added = _written(before, subjects), _written(row, subjects)
        return Renewal(kind, object_, self._shared(row) if direct or usersets else None, removed, added)

    def _accepted(self, one: RelationshipTuple) -> Rule | str:
        rule = accepted_rule(self._model, one)
        if isinstance(rule, str):
            self._warn((one,))
        return rule

    def _shared(self, row: Row) -> Row:
        subject = only_subject(row)
        if subject is None:
            return row
        if len(self._alike) + len(self._records) > self._limit:
            self._alike, self._records = {}, {}
        return self._alike.setdefault(subject, row)

    def _lead_back(
        self, kind: str, object_: str, removed: Iterable[tuple[str, bool]], added: Iterable[tuple[str, bool]]
    ) -> None:
        for subject, conditional in removed:
            self.back.remove(kind, object_, subject, conditional=conditional)
        for subject, conditional in added:
            self.back.add(kind, object_, subject, conditional=conditional)
        if kind in self.tracked.memberships:
            for subject, _ in (*removed, *added):
                self.back.closures.forget(subject)

    def _warn(self, ignored: Iterable[RelationshipTuple]) -> None:
        for one in ignored:
            why = accepted_rule(self._model, one)
            _log.warning("a stored relationship is ignored: %s (%s %s %s)", why, one.subject, one.relation, one.object)


_IN_CONTEXT = "#in_context"
"""Of a `Renewal`; no relation of a model is called that."""


def _written(row: Row, subjects: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """Those of `subjects` the row holds, each with whether under a condition."""
    found: list[tuple[str, bool]] = []
    for subject in subjects:
        if subject in row.direct:
            found.append((subject, row.direct[subject] is not None))
        elif subject in row.usersets:
            found.append((subject, row.usersets[subject].condition is not None))
    return tuple(found)
