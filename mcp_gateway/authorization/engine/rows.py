"""What is written for one relation of one object, as the questions read it.

Rows are replaced, never changed, so a query that has begun keeps what it saw. Rows that are alike
are one object: `enabled user:*` stands once in memory however many tools are enabled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.conditions import BoundCondition
from mcp_gateway.authorization.engine.model import subject_kind

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


class Row(NamedTuple):
    """Everything written for one relation of one object."""

    direct: Mapping[str, Rule]
    """Subjects without a relation, `user:*` among them."""
    usersets: Mapping[str, Userset]
    by_kind: Mapping[str, Mapping[str, Userset]] | None = None
    """The usersets once more by kind, when they are more than a few."""


EMPTY = Row({}, {})

Table: TypeAlias = dict[str, Row]
"""Object -> its row, of one `type#relation`. No key is a pair: with a million rows, pairs would be most of the memory."""

FEW = 2
"""Usersets that are tried one by one."""


class Rows(Mapping[Key, Row]):
    """All rows by (object, relation), for whoever is not in a hurry; the others take the table of their relation."""

    __slots__ = ("_tables",)

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables

    def __getitem__(self, key: Key) -> Row:
        object_, relation = key
        return self._tables[f"{object_.partition(':')[0]}#{relation}"][object_]

    def __iter__(self) -> Iterator[Key]:
        for kind, table in self._tables.items():
            relation = kind.partition("#")[2]
            for object_ in table:
                yield object_, relation

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))


def place(subject: str, rule: Rule, direct: dict[str, Rule], usersets: dict[str, Userset]) -> None:
    """Put a subject where its kind belongs."""
    object_, hash_, relation = subject.partition("#")
    if hash_:
        usersets[subject] = Userset((object_, relation), subject_kind(subject) or "", rule, subject)
    else:
        direct[subject] = rule


def row_of(direct: Mapping[str, Rule], usersets: Mapping[str, Userset]) -> Row:
    return Row(direct or EMPTY.direct, usersets or EMPTY.usersets, by_kind(usersets))


def only_subject(row: Row) -> str | None:
    """The one unconditional subject of a row that holds nothing else."""
    if len(row.direct) + len(row.usersets) != 1:
        return None
    for subject, rule in row.direct.items():
        return subject if rule is None else None
    for subject, userset in row.usersets.items():
        return subject if userset.condition is None else None
    return None


def by_kind(usersets: Mapping[str, Userset]) -> Mapping[str, Mapping[str, Userset]] | None:
    if len(usersets) <= FEW:
        return None
    found: dict[str, dict[str, Userset]] = {}
    for subject, userset in usersets.items():
        found.setdefault(userset.kind, {})[subject] = userset
    return found
