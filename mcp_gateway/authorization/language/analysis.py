"""What can be known of a model before there is a tuple. Pure; keys are `type#relation`.

reachable(...)      which kinds of subject a relation can ever hold for
grounded(...)       which relations can ever hold at all
looped(...)         which relations are said in terms of themselves, on the same object
bound(...)          which relations can hold only through the agent of the request
touching(...)       which relations look at the agent of the request anywhere
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

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
    kinds: dict[str, frozenset[str]] = {key: frozenset((key,)) for key, _, _ in _every(relations)}
    grown = True
    while grown:
        grown = False
        for key, object_type, definition in _every(relations):
            wider = kinds[key].union(*_kinds(relations, object_type, definition, definition.rewrite, kinds))
            grown = grown or len(wider) > len(kinds[key])
            kinds[key] = wider
    return kinds


def _kinds(
    relations: Relations,
    object_type: str,
    definition: RelationDefinition,
    rewrite: Rewrite,
    known: Mapping[str, frozenset[str]],
) -> Iterator[frozenset[str]]:
    if isinstance(rewrite, Direct):
        for one in definition.restrictions:
            yield known[f"{one.type}#{one.relation}"] if one.relation else frozenset((one.type,))
    elif isinstance(rewrite, Computed):
        yield known[f"{object_type}#{rewrite.relation}"]
    elif isinstance(rewrite, From):
        yield from (known[parent] for parent in parents(relations, object_type, rewrite))
    for part in parts_of(rewrite):
        yield from _kinds(relations, object_type, definition, part, known)


def grounded(relations: Relations) -> frozenset[str]:
    """Relations that some set of tuples makes true: the others only refer to themselves."""
    return _least(relations, _is_grounded)


def looped(relations: Relations) -> frozenset[str]:
    """Relations that follow from themselves by names alone; OpenFGA takes no such model."""
    found: set[str] = set()
    for object_type, definitions in relations.items():
        names = {name: frozenset(_named(one.rewrite)) for name, one in definitions.items()}
        for name in _closing(names):
            found.add(f"{object_type}#{name}")
    return frozenset(found)


def _named(rewrite: Rewrite) -> Iterator[str]:
    if isinstance(rewrite, Computed):
        yield rewrite.relation
    for part in parts_of(rewrite):
        yield from _named(part)


def _closing(names: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The nodes of a graph that a way leads back to."""
    # What nothing leads to, and what leads to nothing, is on no circle; taken away until nothing more goes.
    left = dict(names)
    size = -1
    while size != len(left):
        size = len(left)
        reached = frozenset[str]().union(*left.values())
        left = {name: then & left.keys() for name, then in left.items() if name in reached and then & left.keys()}
    for name in left:
        if name in _reached(left, left[name]):
            yield name


def _reached(names: Mapping[str, frozenset[str]], start: frozenset[str]) -> set[str]:
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= names.get(name, frozenset()) - found
    return found


def touching(relations: Relations) -> frozenset[str]:
    return _least(relations, _touches)


def bound(relations: Relations) -> frozenset[str]:
    """Relations whose every path goes through `agent#in_context`: without the right agent they are empty."""
    found = frozenset(key for key, _, _ in _every(relations))
    while True:
        # From above: a relation stays bound only while nothing it stands on gets loose.
        kept = frozenset(
            key
            for key, object_type, definition in _every(relations)
            if key == IN_CONTEXT
            or (key in found and _is_bound(relations, object_type, definition, definition.rewrite, found.__contains__))
        )
        if kept == found:
            return found
        found = kept


def only_written(relations: Relations) -> frozenset[str]:
    """Relations that are nothing but tuples, and so is all their tuples lead to: groups, roles, audiences."""
    links = {
        key: {f"{one.type}#{one.relation}" for one in definition.restrictions if one.relation}
        for key, _, definition in _every(relations)
        if isinstance(definition.rewrite, Direct)
    }
    found, size = set(links), -1
    while size != len(found):
        size = len(found)
        found = {key for key in found if links[key] <= found}
    return frozenset(found)


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


def _least(
    relations: Relations, rule: Callable[[Relations, str, RelationDefinition, Rewrite, _Known], bool]
) -> frozenset[str]:
    """The smallest set of relations closed under `rule`."""
    found: set[str] = set()
    size = -1
    while size < len(found):
        size = len(found)
        for key, object_type, definition in _every(relations):
            if rule(relations, object_type, definition, definition.rewrite, found.__contains__):
                found.add(key)
    return frozenset(found)


def _every(relations: Relations) -> Iterator[tuple[str, str, RelationDefinition]]:
    for object_type, definitions in relations.items():
        for name, definition in definitions.items():
            yield f"{object_type}#{name}", object_type, definition
