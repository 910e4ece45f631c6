"""What can be known of a model before there is a tuple. Pure; keys are `type#relation`.

reachable(...)      which kinds of subject a relation can ever hold for
grounded(...)       which relations can ever hold at all
looped(...)         which relations are said in terms of themselves, on the same object
bound(...)          which relations can hold only through the agent of the request
touching(...)       which relations look at the agent of the request anywhere
only_written(...)   which relations are nothing but tuples
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

from mcp_gateway.authorization.language.graph import components, growing, shrinking
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Document,
    From,
    Intersection,
    RelationDefinition,
    Rewrite,
    Union,
    parts_of,
)

IN_CONTEXT = "agent#in_context"
"""Made from the verified token for one request, never stored."""

Relations: TypeAlias = Mapping[str, Mapping[str, RelationDefinition]]
"""type -> relation -> definition."""

_Known: TypeAlias = Callable[[str], bool]
_Rule: TypeAlias = Callable[[Relations, str, RelationDefinition, Rewrite, _Known], bool]


def relations_of(document: Document) -> Relations:
    found: dict[str, dict[str, RelationDefinition]] = {}
    for one in document.types:
        found.setdefault(one.name, {}).update((relation.name, relation) for relation in one.relations)
    return found


def parents(relations: Relations, object_type: str, rewrite: From) -> Iterator[str]:
    """`type#relation` of everything `relation from tupleset` can lead to."""
    for restriction in relations[object_type][rewrite.tupleset].restrictions:
        if rewrite.relation in relations.get(restriction.type, {}):
            yield f"{restriction.type}#{rewrite.relation}"


def reachable(relations: Relations) -> dict[str, frozenset[str]]:
    """Kinds (`user`, `group#member`) for which there is a path at all, right or not."""
    leads = {
        key: frozenset(_holders(relations, object_type, definition, definition.rewrite))
        for key, object_type, definition in _every(relations)
    }
    known: dict[str, frozenset[str]] = {}
    for group in components(leads):
        # On a circle every relation holds for whatever one of them holds for.
        beyond = frozenset[str]().union(*(leads[key] for key in group if key in leads)) - group
        kinds = frozenset(group).union(*(known[key] for key in beyond))
        known.update(dict.fromkeys(group, kinds))
    return {key: known[key] for key in leads}


def _holders(relations: Relations, object_type: str, definition: RelationDefinition, rewrite: Rewrite) -> Iterator[str]:
    """The types and relations whose subjects a relation takes on."""
    if isinstance(rewrite, Direct):
        for one in definition.restrictions:
            yield f"{one.type}#{one.relation}" if one.relation else one.type
    elif isinstance(rewrite, Computed):
        yield f"{object_type}#{rewrite.relation}"
    elif isinstance(rewrite, From):
        yield from parents(relations, object_type, rewrite)
    for part in parts_of(rewrite):
        yield from _holders(relations, object_type, definition, part)


def grounded(relations: Relations) -> frozenset[str]:
    """Relations that some set of tuples makes true: the others only refer to themselves."""
    return growing(_mentions(relations), _ruling(relations, _is_grounded))


def touching(relations: Relations) -> frozenset[str]:
    return growing(_mentions(relations), _ruling(relations, _touches))


def bound(relations: Relations) -> frozenset[str]:
    """Relations whose every path goes through `agent#in_context`: without the right agent they are empty."""
    # From above: a relation stays bound only while nothing it stands on gets loose.
    is_bound = _ruling(relations, _is_bound)
    return shrinking(_mentions(relations), lambda key, found: key == IN_CONTEXT or is_bound(key, found))


def only_written(relations: Relations) -> frozenset[str]:
    """Relations that are nothing but tuples, and so is all their tuples lead to: groups, roles, audiences."""
    links = {
        key: frozenset(f"{one.type}#{one.relation}" for one in definition.restrictions if one.relation)
        for key, _, definition in _every(relations)
        if isinstance(definition.rewrite, Direct)
    }
    return shrinking(links, lambda key, found: all(link in found for link in links[key]))


def looped(relations: Relations) -> frozenset[str]:
    """Relations that follow from themselves by names alone; OpenFGA takes no such model."""
    names = {
        key: frozenset(f"{object_type}#{name}" for name in _named(definition.rewrite))
        for key, object_type, definition in _every(relations)
    }
    circles = (
        group for group in components(names) if len(group) > 1 or any(key in names.get(key, ()) for key in group)
    )
    return frozenset[str]().union(*circles)


def _named(rewrite: Rewrite) -> Iterator[str]:
    if isinstance(rewrite, Computed):
        yield rewrite.relation
    for part in parts_of(rewrite):
        yield from _named(part)


def _mentions(relations: Relations) -> dict[str, frozenset[str]]:
    """Relation -> the relations its definition names, in whatever way."""
    return {
        key: frozenset(_mentioned(relations, object_type, definition, definition.rewrite))
        for key, object_type, definition in _every(relations)
    }


def _mentioned(
    relations: Relations, object_type: str, definition: RelationDefinition, rewrite: Rewrite
) -> Iterator[str]:
    yield from (one for one in _holders(relations, object_type, definition, rewrite) if "#" in one)
    if isinstance(rewrite, From):
        yield f"{object_type}#{rewrite.tupleset}"
    for part in parts_of(rewrite):
        yield from _mentioned(relations, object_type, definition, part)


def _ruling(relations: Relations, rule: _Rule) -> Callable[[str, Collection[str]], bool]:
    defined = {key: (object_type, definition) for key, object_type, definition in _every(relations)}

    def holds(key: str, found: Collection[str]) -> bool:
        object_type, definition = defined[key]
        return rule(relations, object_type, definition, definition.rewrite, found.__contains__)

    return holds


def _is_bound(
    relations: Relations, object_type: str, definition: RelationDefinition, rewrite: Rewrite, known: _Known
) -> bool:
    def inner(part: Rewrite) -> bool:
        return _is_bound(relations, object_type, definition, part, known)

    if isinstance(rewrite, Direct):
        return all(one.relation and known(f"{one.type}#{one.relation}") for one in definition.restrictions)
    if isinstance(rewrite, Computed):
        return known(f"{object_type}#{rewrite.relation}")
    if isinstance(rewrite, From):
        return all(map(known, parents(relations, object_type, rewrite)))
    if isinstance(rewrite, Union):
        return all(map(inner, rewrite.parts))
    return any(map(inner, rewrite.parts)) if isinstance(rewrite, Intersection) else inner(rewrite.base)


def _is_grounded(
    relations: Relations, object_type: str, definition: RelationDefinition, rewrite: Rewrite, known: _Known
) -> bool:
    def inner(part: Rewrite) -> bool:
        return _is_grounded(relations, object_type, definition, part, known)

    if isinstance(rewrite, Direct):
        return any(not one.relation or known(f"{one.type}#{one.relation}") for one in definition.restrictions)
    if isinstance(rewrite, Computed):
        return known(f"{object_type}#{rewrite.relation}")
    if isinstance(rewrite, From):
        return any(map(known, parents(relations, object_type, rewrite)))
    # What is excluded must be able to hold too: OpenFGA refuses a `but not` that can exclude nothing.
    return (any if isinstance(rewrite, Union) else all)(map(inner, parts_of(rewrite)))


def _touches(
    relations: Relations, object_type: str, definition: RelationDefinition, rewrite: Rewrite, known: _Known
) -> bool:
    if f"{object_type}#{definition.name}" == IN_CONTEXT:
        return True
    if isinstance(rewrite, Direct):
        return any(one.relation and known(f"{one.type}#{one.relation}") for one in definition.restrictions)
    if isinstance(rewrite, Computed):
        return known(f"{object_type}#{rewrite.relation}")
    if isinstance(rewrite, From):
        return known(f"{object_type}#{rewrite.tupleset}") or any(map(known, parents(relations, object_type, rewrite)))
    return any(_touches(relations, object_type, definition, part, known) for part in parts_of(rewrite))


def _every(relations: Relations) -> Iterator[tuple[str, str, RelationDefinition]]:
    for object_type, definitions in relations.items():
        for name, definition in definitions.items():
            yield f"{object_type}#{name}", object_type, definition
