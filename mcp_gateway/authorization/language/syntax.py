"""The syntax tree of a relationship model: what the DSL says, with its lines. Checks nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

SCHEMAS = ("1.1", "1.2")
"""The versions of the language: 1.2 adds modules and nothing else."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands: line and column from 1, `end` behind its last character. Line 0 is nowhere."""

    line: int = 0
    column: int = 0
    end: int = 0


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Source:
    """The module, and its file, that a part of a modular model comes from."""

    module: str = ""
    file: str = ""

    def __bool__(self) -> bool:
        return bool(self.module or self.file)


UNSOURCED = Source()


@dataclass(frozen=True, slots=True)
class Restriction:
    """One alternative between brackets: `user`, `user:*`, `group#member`, each maybe `with condition`."""

    type: str
    relation: str = ""
    wildcard: bool = False
    condition: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    condition_place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        subject = f"{self.type}:*" if self.wildcard else f"{self.type}#{self.relation}" if self.relation else self.type
        return f"{subject} with {self.condition}" if self.condition else subject


@dataclass(frozen=True, slots=True)
class Direct:
    """`[...]`: tuples written for this very relation."""

    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Computed:
    """`name`: another relation of the same object."""

    relation: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class From:
    """`name from tupleset`: a relation of the objects the tupleset leads to."""

    relation: str
    tupleset: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    tupleset_place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Union:
    parts: tuple[Rewrite, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    parts: tuple[Rewrite, ...]


@dataclass(frozen=True, slots=True)
class Exclusion:
    base: Rewrite
    but_not: Rewrite


Rewrite: TypeAlias = Direct | Computed | From | Union | Intersection | Exclusion


@dataclass(frozen=True, slots=True)
class RelationDefinition:
    name: str
    rewrite: Rewrite
    restrictions: tuple[Restriction, ...]
    line: int = field(compare=False)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    source: Source = field(default=UNSOURCED)
    """Only where another module than the type's own defined it."""


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    name: str
    relations: tuple[RelationDefinition, ...]
    line: int = field(compare=False)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    source: Source = field(default=UNSOURCED)
    extends: bool = False
    """`extend type`: more relations for a type of another module."""


@dataclass(frozen=True, slots=True)
class ParameterType:
    """`int`, or `list<string>` and `map<string>` with an element."""

    name: str
    element: str = ""


@dataclass(frozen=True, slots=True)
class ConditionDefinition:
    name: str
    parameters: tuple[tuple[str, ParameterType], ...]
    expression: str
    line: int = field(compare=False)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    source: Source = field(default=UNSOURCED)


@dataclass(frozen=True, slots=True)
class Document:
    schema: str
    types: tuple[TypeDefinition, ...]
    conditions: tuple[ConditionDefinition, ...]
    module: str = ""
    """Of a file that says `module name` where others say `model`; such a file has no schema of its own."""
    schema_place: Place = field(default=NOWHERE, compare=False, repr=False)


def parts_of(rewrite: Rewrite) -> tuple[Rewrite, ...]:
    """The operands of a rewrite; none for a leaf."""
    if isinstance(rewrite, Union | Intersection):
        return rewrite.parts
    return (rewrite.base, rewrite.but_not) if isinstance(rewrite, Exclusion) else ()
