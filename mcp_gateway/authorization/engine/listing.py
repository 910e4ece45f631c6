"""ListObjects: on which objects of a type does a subject have a relation?

From the subject back along the tuples that count, `but not` and all but one part of an `and` ignored,
to every object that may be one; each of those is then asked in full. A tuple on the way whose
condition cannot be evaluated leaves the whole list undecided. For people and tests; what is
enforced is asked object by object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from mcp_gateway.authorization.engine.conditions import Circumstances
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.outcome import TooComplex
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import Key, Row
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    Intersection,
    Rewrite,
    Union,
)

MAX_RESULTS = 1000
"""As OpenFGA's default; it cuts in silence, we say so."""

_MAX_VISITED = 500_000


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects or subjects, sorted."""

    found: tuple[str, ...]
    cut: str = ""
    """Why there may be more, as a sentence; empty when there are not."""


@dataclass(frozen=True, slots=True)
class WaysBack:
    """How a relation leads to others, from the tuple's side; keys are `type#relation`."""

    same_object: Mapping[str, tuple[str, ...]]
    """`document#editor` -> relations of the same object it is part of."""
    through: Mapping[str, tuple[tuple[str, str, str], ...]]
    """`folder#viewer` -> (`document`, tupleset, relation) of `viewer from parent`."""
    tuplesets: frozenset[str]
    """`document#parent`."""
    onward: Mapping[str, frozenset[str]]
    """Every relation one leads to in one step, tuples included."""

    def towards(self, target: str) -> frozenset[str]:
        """All relations from which there is a way to `target`, itself among them."""
        found = {target}
        size = 0
        while size < len(found):
            size = len(found)
            found.update(key for key, nexts in self.onward.items() if not found.isdisjoint(nexts))
        return frozenset(found)


def ways_back(model: Model) -> WaysBack:
    same: dict[str, list[str]] = {}
    through: dict[str, list[tuple[str, str, str]]] = {}
    onward: dict[str, set[str]] = {}
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            here = f"{object_type}#{name}"
            for leaf in _necessary(definition.rewrite):
                if isinstance(leaf, Computed):
                    same.setdefault(f"{object_type}#{leaf.relation}", []).append(name)
                    onward.setdefault(f"{object_type}#{leaf.relation}", set()).add(here)
                elif isinstance(leaf, From):
                    for parent in {one.type for one in definitions[leaf.tupleset].restrictions}:
                        through.setdefault(f"{parent}#{leaf.relation}", []).append((object_type, leaf.tupleset, name))
                        onward.setdefault(f"{parent}#{leaf.relation}", set()).add(here)
            for kind in model.accepted[here]:
                if "#" in kind:
                    onward.setdefault(kind, set()).add(here)
    return WaysBack(
        {key: tuple(names) for key, names in same.items()},
        {key: tuple(ways) for key, ways in through.items()},
        frozenset(f"{child}#{tupleset}" for ways in through.values() for child, tupleset, _ in ways),
        {key: frozenset(nexts) for key, nexts in onward.items()},
    )


class Written(Protocol):
    """Where the search reads what is written."""

    def held(self, subject: str) -> Iterable[Key]:
        """What is written for a subject, itself and no other."""
        ...

    def row(self, key: Key) -> Row: ...


def candidates(ways: WaysBack, query: Query, relation: str, object_type: str, written: Written) -> list[str]:
    """Every object that may be one, sorted."""
    target = f"{object_type}#{relation}"
    search = _Search(ways, written, query.at, ways.towards(target))
    starts = [key for subject in (query.subject, query.wildcard) if subject for key in search.counting(subject)]
    if query.self_key:
        starts.append(query.self_key)
    return sorted(object_ for object_, name in search.reached(starts) if _kind((object_, name)) == target)


class _Search:
    def __init__(self, ways: WaysBack, written: Written, at: Circumstances, useful: frozenset[str]) -> None:
        self._ways = ways
        self._written = written
        self._at = at
        self._useful = useful

    def reached(self, starts: Iterable[Key]) -> set[Key]:
        waiting = list(starts)
        seen: set[Key] = set()
        while waiting:
            key = waiting.pop()
            if key in seen or _kind(key) not in self._useful:
                continue
            if len(seen) >= _MAX_VISITED:
                raise TooComplex()
            seen.add(key)
            waiting.extend(self._onward(key))
        return seen

    def counting(self, subject: str) -> Iterator[Key]:
        """What the subject has by a tuple whose condition holds, if it leads anywhere."""
        for key in self._written.held(subject):
            row = self._written.row(key)
            rule = row.usersets[subject].condition if subject in row.usersets else row.direct.get(subject)
            if self._leads(key) and (rule is None or rule.holds(self._at)):
                yield key

    def _leads(self, key: Key) -> bool:
        kind = _kind(key)
        return kind in self._useful or kind in self._ways.tuplesets

    def _onward(self, key: Key) -> Iterator[Key]:
        object_, name = key
        kind = _kind(key)
        for sibling in self._ways.same_object.get(kind, ()):
            yield object_, sibling
        through = self._ways.through.get(kind, ())
        if through:
            for child, tupleset in self.counting(object_):
                for child_type, wanted, reached in through:
                    if tupleset == wanted and child.startswith(f"{child_type}:"):
                        yield child, reached
        yield from self.counting(f"{object_}#{name}")


def _kind(key: Key) -> str:
    return f"{key[0].partition(':')[0]}#{key[1]}"


def those_that_hold(query: Query, relation: str, objects: Iterable[str], *, limit: int = MAX_RESULTS) -> Listing:
    """Undecidable as soon as one of them cannot be said."""
    found: list[str] = []
    for object_ in objects:
        if query.holds(relation, object_):
            if len(found) == limit:
                return Listing(tuple(found), f"only the first {limit} are listed")
            found.append(object_)
    return Listing(tuple(found))


def _necessary(rewrite: Rewrite) -> Iterator[Rewrite]:
    """Leaves of which one must hold for the whole to hold."""
    if isinstance(rewrite, Union):
        for part in rewrite.parts:
            yield from _necessary(part)
    elif isinstance(rewrite, Intersection):
        # Any part would do. One that only is written leads back fastest.
        direct = [part for part in rewrite.parts if isinstance(part, Direct)]
        yield from _necessary(direct[0] if direct else rewrite.parts[0])
    elif isinstance(rewrite, Exclusion):
        yield from _necessary(rewrite.base)
    else:
        yield rewrite
