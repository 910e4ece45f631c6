"""What is written for an object, as the questions read it: one record, and in it a row for each relation.

Rows and records are replaced, never changed, so a query that has begun keeps what it saw. Those that
say the same are one object: `enabled user:*` stands once in memory however many tools are enabled,
and so does the record of all read tools of one server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.conditions import BoundCondition
from mcp_gateway.authorization.engine.model import Model, subject_kind

Key: TypeAlias = tuple[str, str]
"""(object, relation)."""

Rule: TypeAlias = BoundCondition | None


class Userset(NamedTuple):
    """`group:eng#member`, ready to hop to."""

    key: Key
    kind: str
    """`group#member`."""
    condition: Rule
    name: str
    """The whole: `group:eng#member`."""


class Row:
    """Everything written for one relation of one object. Equal only to itself; `row_of` knows the whole of it."""

    __slots__ = ("by_kind", "direct", "only", "usersets")

    def __init__(
        self,
        direct: Mapping[str, Rule],
        usersets: Mapping[str, Userset],
        by_kind: Mapping[str, Set[str]] | None = None,
        only: str = "",
    ) -> None:
        self.direct = direct
        """Subjects without a relation, `user:*` among them."""
        self.usersets = usersets
        self.by_kind = by_kind
        """The names of the usersets by their kind, when they are more than a few."""
        self.only = only
        """The one direct subject, when it stands there without a condition; else empty."""


def row_of(direct: Mapping[str, Rule], usersets: Mapping[str, Userset]) -> Row:
    kinds = by_kind(usersets) if len(usersets) > FEW else None
    return Row(direct or EMPTY.direct, usersets or EMPTY.usersets, kinds, _only(direct))


def by_kind(usersets: Mapping[str, Userset]) -> Mapping[str, Set[str]]:
    found: dict[str, set[str]] = {}
    for name, userset in usersets.items():
        found.setdefault(userset.kind, set()).add(name)
    return found


def _only(direct: Mapping[str, Rule]) -> str:
    if len(direct) == 1:
        for subject, rule in direct.items():
            return subject if rule is None else ""
    return ""


FEW = 2
"""Usersets that are tried one by one."""

EMPTY = Row({}, {})

Record: TypeAlias = tuple[Row | None, ...]
"""The rows of one object, each in the place of its relation."""

Table: TypeAlias = dict[str, Record]
"""Object -> its record, of one type; objects of which nothing is written are not in it."""

Places: TypeAlias = Mapping[str, Mapping[str, int]]
"""Type -> relation -> its place in a record; only of relations tuples are written for."""


def places_of(model: Model) -> Places:
    return {
        object_type: {
            name: place
            for place, name in enumerate(one for one in definitions if model.accepted[f"{object_type}#{one}"])
        }
        for object_type, definitions in model.relations.items()
    }


class Rows(Mapping[Key, Row]):
    """All rows by (object, relation), for whoever is not in a hurry; the others take the record of an object."""

    __slots__ = ("_places", "_tables")

    def __init__(self, places: Places, tables: Mapping[str, Table]) -> None:
        self._places = places
        self._tables = tables

    def __getitem__(self, key: Key) -> Row:
        object_, relation = key
        object_type = object_.partition(":")[0]
        row = self._tables[object_type][object_][self._places[object_type][relation]]
        if row is None:
            raise KeyError(key)
        return row

    def __iter__(self) -> Iterator[Key]:
        for object_type, table in self._tables.items():
            names = tuple(self._places[object_type])
            for object_, record in table.items():
                yield from ((object_, name) for name, row in zip(names, record, strict=True) if row is not None)

    def __len__(self) -> int:
        return sum(row is not None for table in self._tables.values() for record in table.values() for row in record)


def place(subject: str, rule: Rule, direct: dict[str, Rule], usersets: dict[str, Userset]) -> None:
    """Put a subject where its kind belongs."""
    object_, hash_, relation = subject.partition("#")
    if hash_:
        usersets[subject] = Userset((object_, relation), subject_kind(subject) or "", rule, subject)
    else:
        direct[subject] = rule


def only_subject(row: Row) -> str | None:
    """The one unconditional subject of a row that holds nothing else."""
    if len(row.direct) + len(row.usersets) != 1:
        return None
    for userset in row.usersets.values():
        return userset.name if userset.condition is None else None
    return row.only or None
