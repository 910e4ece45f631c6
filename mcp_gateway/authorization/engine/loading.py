"""A store's worth of tuples into tables at once: some microseconds each. What changes later goes row by row.

Strings that say the same are one object, so are rows and whole records, and what can be known of a
subject or an object is found out once.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, cast

from mcp_gateway.authorization.engine.alike import nameless_types
from mcp_gateway.authorization.engine.conditions import BoundCondition
from mcp_gateway.authorization.engine.model import Model, is_object, subject_kind
from mcp_gateway.authorization.engine.overlay import CONTEXTUAL
from mcp_gateway.authorization.engine.rows import (
    EMPTY,
    FEW,
    Record,
    Row,
    Rule,
    Table,
    Userset,
    by_kind,
    place,
    places_of,
    row_of,
)
from mcp_gateway.authorization.engine.wayback import Tracked, WayBack
from mcp_gateway.storage.relationships import RelationshipTuple

_log = logging.getLogger(__name__)

_SAID_ALOUD = 10
"""Ignored tuples that are logged one by one; the others are counted."""

_MANY = 50_000
"""Objects that the collector should never look through."""

Stored: TypeAlias = tuple[str, str, str, str | None, str | Mapping[str, Any] | None]
"""(object, relation, subject, condition, its context), the context maybe as JSON."""


class _Place:
    """Where tuples of one relation go."""

    __slots__ = ("accepted", "back", "number", "plain")

    def __init__(self, number: int, accepted: Mapping[str, frozenset[str]], back: str) -> None:
        self.number = number
        """In the record."""
        self.accepted = accepted
        self.plain = frozenset(kind for kind, conditions in accepted.items() if "" in conditions)
        """Kinds of subject that may be written without a condition."""
        self.back = back
        """`type#relation` when the way back is kept, else empty."""


class _Reading(NamedTuple):
    """The object whose tuples are being read."""

    name: str
    rows: list[Row | None]
    places: Mapping[str, _Place]
    table: Table


class _Subject:
    __slots__ = ("kind", "row", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.kind = subject_kind(text) or ""
        direct: dict[str, Rule] = {}
        usersets: dict[str, Userset] = {}
        place(text, None, direct, usersets)
        self.row = row_of(direct, usersets)
        """Shared by everything it alone is written for."""


class Loader:
    """Reads once, from empty to `finish`; an index then adopts the result.

    Fastest when the tuples of an object come one after another.
    """

    def __init__(self, model: Model, tracked: Tracked) -> None:
        self._model = model
        self.places = places_of(model)
        self.tables: dict[str, Table] = {object_type: {} for object_type in model.relations}
        self.back = WayBack(tracked)
        self.stored_in_context: set[tuple[str, str]] = set()
        self.records: dict[Record, Record] = {}
        """Those that stand for every object of which the same is written, of types nothing leads to by name."""
        self._nameless = nameless_types(model)
        self._kinds = self._all_places()
        self._nothing = {kind: list[Row | None]([None] * len(places)) for kind, places in self.places.items()}
        self._subjects: dict[str, _Subject] = {}
        self._names: dict[str, str] = {}
        self._bound: dict[tuple[str, str], BoundCondition] = {}
        self._wide: list[Row] = []
        self._ignored = 0
        self._reading = _Reading("", [], {}, {})

    def add(self, rows: Iterable[Stored]) -> None:
        subjects, add_back, name = self._subjects, self.back.add, self._name
        current, here, places, table = self._reading
        for row in rows:
            object_, relation, subject, condition, _ = row
            if object_ != current:
                if any(here):
                    table[current] = tuple(here)
                self._reading = current, here, places, table = self._open(object_)
            who = subjects.get(subject) or self._subject(subject)
            place = places.get(relation)
            if place is None or condition or who.kind not in place.plain:
                self._add_with_care(place, who, row)
                continue
            if here[place.number] is None:
                here[place.number] = who.row
            else:
                self._put(place, who, None)
            if place.back:
                add_back(place.back, current, who.text, conditional=False, name=name)

    def finish(self) -> None:
        """After the last `add`."""
        current, here, _, last = self._reading
        if any(here):
            last[current] = tuple(here)
        self._reading = _Reading("", [], {}, {})
        for row in self._wide:
            row.by_kind = by_kind(row.usersets)
        self._wide = []
        one_for = self.records.setdefault
        for object_type in self._nameless:
            table = self.tables[object_type]
            for object_, record in table.items():
                table[object_] = one_for(record, record)
        if self._ignored > _SAID_ALOUD:
            _log.warning("%d stored relationships are ignored in all", self._ignored)

    @property
    def size(self) -> int:
        """Objects read."""
        return sum(map(len, self.tables.values()))

    def alike(self) -> dict[str, Row]:
        """The rows that stand for everything one subject alone is written for."""
        return {one.text: one.row for one in self._subjects.values()}

    def _all_places(self) -> dict[str, dict[str, _Place]]:
        found: dict[str, dict[str, _Place]] = {}
        for object_type, numbers in self.places.items():
            here = found[object_type] = {}
            for relation, number in numbers.items():
                kind = f"{object_type}#{relation}"
                if relation != CONTEXTUAL:
                    here[relation] = _Place(number, self._model.accepted[kind], kind if self.back.keeps(kind) else "")
        return found

    def _open(self, text: str) -> _Reading:
        """What has been read of the object already is there."""
        object_type = text.partition(":")[0]
        places = self._kinds.get(object_type)
        if places is None or not is_object(text):
            return _Reading(text, [], {}, {})
        table = self.tables[object_type]
        there = table.get(text)
        rows = self._nothing[object_type].copy() if there is None else list(there)
        return _Reading(text if object_type in self._nameless else self._name(text), rows, places, table)

    def _subject(self, text: str) -> _Subject:
        known = self._subjects[text] = _Subject(self._name(text))
        return known

    def _name(self, text: str) -> str:
        return self._names.setdefault(text, text)

    def _put(self, place: _Place, who: _Subject, rule: Rule) -> None:
        """Into a row of its own; instead of what stood there for the subject, if anything did."""
        subject = who.text
        there = self._reading.rows[place.number] or EMPTY
        direct, usersets = there.direct, there.usersets
        stood = subject in direct or subject in usersets
        if stood and place.back:
            before = direct[subject] if subject in direct else usersets[subject].condition
            self.back.remove(place.back, self._reading.name, subject, conditional=before is not None)
        if len(direct) + len(usersets) < 2:
            # It may be shared, so it stays as it is. A row with several subjects is this loader's own.
            there = self._reading.rows[place.number] = Row(dict(direct), dict(usersets), None, there.only)
            direct, usersets = there.direct, there.usersets
        if "#" in subject:
            userset = who.row.usersets[subject]
            cast("dict[str, Userset]", usersets)[subject] = (
                userset if rule is None else userset._replace(condition=rule)
            )
            if len(usersets) == FEW + 1 and not stood:
                self._wide.append(there)
        else:
            cast("dict[str, Rule]", direct)[subject] = rule
            there.only = "" if rule is not None or len(direct) > 1 else subject

    def _add_with_care(self, place: _Place | None, who: _Subject, row: Stored) -> None:
        """A tuple under a condition, or one that does not count."""
        object_, relation, subject, condition, context = row
        if relation == CONTEXTUAL:
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
        self._put(place, who, rule)
        if place.back:
            self.back.add(place.back, self._reading.name, who.text, conditional=rule is not None, name=self._name)

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
