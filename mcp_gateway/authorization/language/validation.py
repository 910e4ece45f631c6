"""Does a model make sense? Every problem there is, with its place; pure.

In four steps, each looking only at what the steps before it found sound: names, references,
repetition, and whether each relation can ever hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mcp_gateway.authorization.language.analysis import Relations, grounded, looped, parents, relations_of
from mcp_gateway.authorization.language.problems import UNUSED, Problem
from mcp_gateway.authorization.language.syntax import (
    SCHEMAS,
    Computed,
    Direct,
    Document,
    From,
    Place,
    RelationDefinition,
    Restriction,
    Rewrite,
    TypeDefinition,
    parts_of,
)

T = TypeVar("T")

_RESERVED = frozenset({"self", "this"})
_MAX_TYPES, _MAX_TYPE_NAME, _MAX_RELATION_NAME = 100, 254, 50
_MAX_RELATIONS = 2000
"""Ours, so that what each relation can be reached from stays small; large models have some hundred."""


def problems_of(document: Document, *, where: str) -> list[Problem]:
    """In the order of the text."""
    look = _Look(document, relations_of(document), where)
    found = [*look.names()]
    if not found:
        found = [*look.references()] or [*look.repetitions()] or [*look.hollow()]
        found += look.unused()
    return sorted(found, key=lambda one: (one.file, one.place.line, one.place.column))


def misnamed(document: Document, *, where: str) -> list[Problem]:
    """The first step alone, for a model whose parts do not fit together yet."""
    return [*_Look(document, relations_of(document), where).names()]


@dataclass(frozen=True, slots=True)
class _Look:
    document: Document
    relations: Relations
    where: str

    def names(self) -> Iterator[Problem]:
        schema, place = self.document.schema, self.document.schema_place
        if schema not in SCHEMAS:
            sentence = f"schema {schema} is not supported; this program reads {' and '.join(SCHEMAS)}"
            missing = "a module is no model of its own; name it in the contents of a fga.mod"
            yield Problem("schema", sentence if schema else missing, self.where, place)
        if not 0 < len(self.document.types) <= _MAX_TYPES:
            yield Problem("size", f"a model has 1 to {_MAX_TYPES} types", self.where, place)
        if sum(len(one.relations) for one in self.document.types) > _MAX_RELATIONS:
            yield Problem("size", f"a model has at most {_MAX_RELATIONS} relations", self.where, place)
        for one in self.document.types:
            yield from self._name(one, "a type", _MAX_TYPE_NAME, one.source.file)
            for relation in one.relations:
                yield from self._name(relation, "a relation", _MAX_RELATION_NAME, self._file(one, relation))

    def _name(self, item: TypeDefinition | RelationDefinition, what: str, longest: int, file: str) -> Iterator[Problem]:
        if item.name in _RESERVED:
            yield Problem("name.reserved", f"{what} cannot be named `self` or `this`", file or self.where, item.place)
        if len(item.name) > longest:
            sentence = f"the name of {what} has at most {longest} characters"
            yield Problem("name.length", sentence, file or self.where, item.place)

    def references(self) -> Iterator[Problem]:
        for one in self.document.types:
            for relation in one.relations:
                file = self._file(one, relation)
                for kind, sentence, place in self._dangling(one, relation):
                    yield Problem(kind, sentence, file, place if place.line else relation.place)

    def _dangling(self, one: TypeDefinition, relation: RelationDefinition) -> Iterator[tuple[str, str, Place]]:
        """Kind, sentence and place of each reference that leads nowhere."""
        for restriction in relation.restrictions:
            yield from self._restriction(restriction)
        for leaf in _leaves(relation.rewrite):
            if isinstance(leaf, Computed) and leaf.relation not in self.relations[one.name]:
                yield "relation.unknown", f"`{leaf.relation}` is not a relation of `{one.name}`", leaf.place
            elif isinstance(leaf, From):
                yield from self._leading(one.name, leaf)
            elif isinstance(leaf, Direct) and not relation.restrictions:
                yield (
                    "restriction.missing",
                    f"`{one.name}#{relation.name}` takes tuples and does not say whose",
                    leaf.place,
                )

    def _restriction(self, one: Restriction) -> Iterator[tuple[str, str, Place]]:
        if one.type not in self.relations:
            yield "type.unknown", f"`{one.type}` is not a type", one.place
        elif one.relation and one.relation not in self.relations[one.type]:
            yield "relation.unknown", f"`{one.relation}` is not a relation of `{one.type}`", one.place
        if one.condition and all(one.condition != condition.name for condition in self.document.conditions):
            yield "condition.unknown", f"`{one.condition}` is not a condition", one.condition_place

    def _leading(self, object_type: str, leaf: From) -> Iterator[tuple[str, str, Place]]:
        tupleset = self.relations[object_type].get(leaf.tupleset)
        if tupleset is None:
            yield "relation.unknown", f"`{leaf.tupleset}` is not a relation of `{object_type}`", leaf.place
        elif not _leads_to_objects(tupleset):
            name = f"{object_type}#{leaf.tupleset}"
            sentence = f"`{name}` stands behind `from`, so it must be directly assigned to objects"
            yield "tupleset.indirect", sentence, leaf.tupleset_place
        elif not any(parents(self.relations, object_type, leaf)):
            for restriction in tupleset.restrictions:
                sentence = (
                    f"nothing `{leaf.tupleset}` leads to has a relation `{leaf.relation}`: not `{restriction.type}`"
                )
                yield "relation.unknown", sentence, leaf.place

    def repetitions(self) -> Iterator[Problem]:
        """Each at the first of its kind, where the others were meant to be."""
        for first in _repeated(self.document.types, key=lambda one: one.name):
            yield Problem(
                "duplicate", f"type `{first.name}` stands twice", first.source.file or self.where, first.place
            )
        for one in self.document.types:
            for relation in one.relations:
                for sentence, place in _repeated_within(relation):
                    yield Problem("duplicate", sentence, self._file(one, relation), place)

    def hollow(self) -> Iterator[Problem]:
        live, circling = grounded(self.relations), looped(self.relations)
        for one in self.document.types:
            for relation in one.relations:
                key = f"{one.name}#{relation.name}"
                why = (
                    "it has no entry point" if key not in live else "it follows from itself" if key in circling else ""
                )
                if why:
                    sentence = f"`{key}` can never hold: {why}" if key not in live else f"`{key}` says nothing: {why}"
                    yield Problem("relation.hollow", sentence, self._file(one, relation), relation.place)

    def unused(self) -> Iterator[Problem]:
        every = (relation for one in self.document.types for relation in one.relations)
        used = {restriction.condition for relation in every for restriction in relation.restrictions}
        for one in self.document.conditions:
            if one.name not in used:
                yield Problem(
                    UNUSED, f"no relation uses the condition `{one.name}`", one.source.file or self.where, one.place
                )

    def _file(self, one: TypeDefinition, relation: RelationDefinition) -> str:
        return relation.source.file or one.source.file or self.where


def _leads_to_objects(tupleset: RelationDefinition) -> bool:
    plain = all(not one.relation and not one.wildcard for one in tupleset.restrictions)
    return isinstance(tupleset.rewrite, Direct) and plain


def _repeated_within(relation: RelationDefinition) -> Iterator[tuple[str, Place]]:
    for restriction in _repeated(relation.restrictions, key=str):
        yield f"`{restriction}` stands twice in `{relation.name}`", restriction.place
    for part in _repeated(parts_of(relation.rewrite), key=lambda one: one):
        if isinstance(part, Computed):
            yield f"`{part.relation}` stands twice in `{relation.name}`", part.place
        elif isinstance(part, From):
            yield f"`{part.relation} from {part.tupleset}` stands twice in `{relation.name}`", part.place


def _leaves(rewrite: Rewrite) -> Iterator[Rewrite]:
    parts = parts_of(rewrite)
    if not parts:
        yield rewrite
    for part in parts:
        yield from _leaves(part)


def _repeated(items: Iterable[T], *, key: Callable[[T], object]) -> Iterator[T]:
    """The first of those that stand more than once, for each time it is repeated."""
    seen: dict[object, T] = {}
    for item in items:
        if key(item) in seen:
            yield seen[key(item)]
        seen.setdefault(key(item), item)
