"""A store's worth of tuples into tables at once: about a microsecond each. What changes later goes row by row.

Strings that say the same are one object, rows that say the same are one object, and what can be
known of a subject or an object is found out once.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, cast

from mcp_gateway.authorization.engine.conditions import BoundCondition
from mcp_gateway.authorization.engine.model import Model, is_object, subject_kind
from mcp_gateway.authorization.engine.rows import (
    EMPTY,
    FEW,
    Row,
    Rule,
    Table,
    Userset,
    by_kind,
    place,
)
from mcp_gateway.authorization.engine.wayback import Tracked, WayBack
from mcp_gateway.storage.relationships import RelationshipTuple

_log = logging.getLogger(__name__)

_SAID_ALOUD = 10
"""Ignored tuples that are logged one by one; the others are counted."""

_MANY = 50_000
"""Rows that the collector should never look through."""

Stored: TypeAlias = tuple[str, str, str, str | None, str | Mapping[str, Any] | None]
"""(object, relation, subject, condition, its context), the context maybe as JSON."""


class _Place(NamedTuple):
    """Where tuples of one relation go."""

    table: Table
    accepted: Mapping[str, frozenset[str]]
    back: str
    """`type#relation` when the way back is kept, else empty."""


class _Subject:
    __slots__ = ("kind", "row", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.kind = subject_kind(text) or ""
        self.row: Row | None = None
        """Shared by everything it alone is written for."""


class Loader:
    """Reads once, from empty to `finish`; an index then adopts the result."""

    def __init__(self, model: Model, tracked: Tracked) -> None:
        self._model = model
        self.tables: dict[str, Table] = {kind: {} for kind in model.accepted}
        self.back = WayBack(tracked)
        self.stored_in_context: set[tuple[str, str]] = set()
        self._places = self._all_places()
        self._objects: dict[str, tuple[str, Mapping[str, _Place]]] = {}
        self._subjects: dict[str, _Subject] = {}
        self._names: dict[str, str] = {}
        self._bound: dict[tuple[str, str], BoundCondition] = {}
        self._wide: list[tuple[Table, str]] = []
        self._ignored = 0

    def add(self, rows: Iterable[Stored]) -> None:
        objects, subjects = self._objects, self._subjects
        for row in rows:
            object_, relation, subject, condition, _ = row
            known = objects.get(object_) or self._object(object_)
            who = subjects.get(subject) or self._subject(subject)
            place = known[1].get(relation)
            if place is None or condition or "" not in place.accepted.get(who.kind, ()):
                self._add_with_care(place, who, row)
                continue
            object_, table = known[0], place.table
            if object_ not in table:
                table[object_] = who.row or self._alone(who)
            else:
                self._put(place, object_, who, None)
            if place.back:
                self.back.add(place.back, object_, who.text, conditional=False, name=self._name)

    def finish(self) -> None:
        """After the last `add`."""
        for table, object_ in self._wide:
            row = table[object_]
            table[object_] = row._replace(by_kind=by_kind(row.usersets))
        self._wide = []
        if self._ignored > _SAID_ALOUD:
            _log.warning("%d stored relationships are ignored in all", self._ignored)

    @property
    def size(self) -> int:
        """Rows read."""
        return sum(map(len, self.tables.values()))

    def alike(self) -> dict[str, Row]:
        """The rows that stand for everything one subject alone is written for."""
        return {one.text: one.row for one in self._subjects.values() if one.row is not None}

    def _all_places(self) -> dict[str, dict[str, _Place]]:
        found: dict[str, dict[str, _Place]] = {object_type: {} for object_type in self._model.relations}
        for kind, accepted in self._model.accepted.items():
            object_type, _, relation = kind.partition("#")
            if relation != "in_context":
                back = kind if self.back.keeps(kind) else ""
                found[object_type][relation] = _Place(self.tables[kind], accepted, back)
        return found

    def _object(self, text: str) -> tuple[str, Mapping[str, _Place]]:
        object_type = text.partition(":")[0]
        places = self._places.get(object_type, {}) if is_object(text) else {}
        known = self._objects[text] = (self._name(text), places)
        return known

    def _subject(self, text: str) -> _Subject:
        known = self._subjects[text] = _Subject(self._name(text))
        return known

    def _name(self, text: str) -> str:
        return self._names.setdefault(text, text)

    def _alone(self, who: _Subject) -> Row:
        direct: dict[str, Rule] = {}
        usersets: dict[str, Userset] = {}
        place(who.text, None, direct, usersets)
        who.row = Row(direct or EMPTY.direct, usersets or EMPTY.usersets)
        return who.row

    def _put(self, place: _Place, object_: str, who: _Subject, rule: Rule) -> None:
        """Into a row of its own; instead of what stood there for the subject, if anything did."""
        table, subject = place.table, who.text
        there = table.get(object_, EMPTY)
        direct, usersets, _ = there
        stood = subject in direct or subject in usersets
        if stood and place.back:
            before = direct[subject] if subject in direct else usersets[subject].condition
            self.back.remove(place.back, object_, subject, conditional=before is not None)
        if len(direct) + len(usersets) < 2:
            # It may be shared, so it stays as it is. A row with several subjects is this loader's own.
            direct = dict(direct) if direct else EMPTY.direct
            usersets = dict(usersets) if usersets else EMPTY.usersets
        if "#" in subject:
            usersets = {} if usersets is EMPTY.usersets else cast("dict[str, Userset]", usersets)
            userset = (who.row or self._alone(who)).usersets[subject]
            usersets[subject] = userset if rule is None else userset._replace(condition=rule)
            if len(usersets) == FEW + 1 and not stood:
                self._wide.append((table, object_))
        else:
            direct = {} if direct is EMPTY.direct else cast("dict[str, Rule]", direct)
            direct[subject] = rule
        if direct is not there.direct or usersets is not there.usersets:
            table[object_] = Row(direct, usersets)

    def _add_with_care(self, place: _Place | None, who: _Subject, row: Stored) -> None:
        """A tuple under a condition, or one that does not count."""
        object_, relation, subject, condition, context = row
        if relation == "in_context":
            self.stored_in_context.add((subject, object_))
            return
        if place is None or (condition or "") not in place.accepted.get(who.kind, ()):
            self._ignore(row, self._model.objection(object_, relation, subject, condition or ""))
            return
        try:
            rule = self._rule(condition, context) if condition else None
        except ValueError as exc:
            self._ignore(row, str(exc))
            return
        object_ = self._name(object_)
        self._put(place, object_, who, rule)
        if place.back:
            self.back.add(place.back, object_, who.text, conditional=rule is not None, name=self._name)

    def _rule(self, condition: str, context: str | Mapping[str, Any] | None) -> BoundCondition:
        """ValueError when the context does not fit."""
        if not isinstance(context, str):
            return self._model.bind(condition, context or {})
        known = self._bound.get((condition, context))
        if known is None:
            known = self._bound[condition, context] = self._model.bind(condition, json.loads(context))
        return known

    def _ignore(self, row: Stored, why: str | None) -> None:
        self._ignored += 1
        if self._ignored <= _SAID_ALOUD:
            object_, relation, subject, *_ = row
            _log.warning("a stored relationship is ignored: %s (%s %s %s)", why, subject, relation, object_)


@contextmanager
def collector_paused(loader: Loader) -> Generator[None]:
    """While `loader` reads: what it makes has no cycles, and looking through it again and again takes seconds."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if loader.size > _MANY:
            gc.freeze()
        if was_enabled:
            gc.enable()


def in_rows(tuples: Iterable[RelationshipTuple]) -> Iterator[Stored]:
    for one in tuples:
        condition = one.condition
        name, context = (condition.name, condition.context) if condition else (None, None)
        yield one.object, one.relation, one.subject, name, context


def accepted_rule(model: Model, one: RelationshipTuple) -> Rule | str:
    """The condition of a tuple the model accepts (None = unconditional), or what is wrong with it."""
    condition = one.condition
    problem = model.objection(one.object, one.relation, one.subject, condition.name if condition else "")
    if problem is not None:
        return problem
    if condition is None:
        return None
    try:
        return model.bind(condition.name, condition.context)
    except ValueError as exc:
        return str(exc)
