"""ListUsers: which subjects of one kind have a relation on an object?

Forward from the object through all it leads to. With a wildcard inside, `but not` turns "everybody"
into "everybody but", so what is kept per subject is a yes, an explicit no, or that it must be asked; whoever
is not named stands with the wildcard. Each one that may be found is then asked in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.conditions import Circumstances
from mcp_gateway.authorization.engine.listing import MAX_RESULTS, Listing
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.outcome import MAX_DEPTH, MAX_STEPS, TooComplex
from mcp_gateway.authorization.engine.query import NOWHERE
from mcp_gateway.authorization.engine.tuples import EMPTY, Key, Row, Rule
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    Rewrite,
    Union,
)

_Has: TypeAlias = bool | None
"""None: it leans on itself under a `but not`, so only asking tells."""

_Named: TypeAlias = Mapping[str, _Has]


class _Found(NamedTuple):
    named: _Named
    cycle: bool = False
    """Something leaned on itself."""


def list_users(
    model: Model,
    row: Callable[[Key], Row | None],
    at: Circumstances,
    object_: str,
    relation: str,
    kind: str,
    *,
    holds: Callable[[str], bool],
    limit: int = MAX_RESULTS,
) -> Listing:
    """`row` reads what is written, `holds` asks the relation of one subject in full."""
    if kind not in model.reach[f"{object_.partition(':')[0]}#{relation}"]:
        return Listing(())
    named = _Search(model, row, at, kind).relation(object_, relation, 0).named
    found: list[str] = []
    for subject in sorted(subject for subject, has in named.items() if has is not False):
        if holds(subject):
            if len(found) == limit:
                return Listing(tuple(found), f"only the first {limit} are listed")
            found.append(subject)
    return Listing(tuple(found))


class _Search:
    """One question; remembers what does not depend on the way it came."""

    def __init__(self, model: Model, row: Callable[[Key], Row | None], at: Circumstances, kind: str) -> None:
        self._model = model
        self._row = row
        self._at = at
        self._kind = kind
        self._everybody = f"{kind}:*"
        self._path: dict[Key, int] = {}
        self._lowest: int = NOWHERE
        self._known: dict[Key, _Found] = {}
        self._left = MAX_STEPS

    def relation(self, object_: str, name: str, depth: int) -> _Found:
        key = (object_, name)
        if key in self._known:
            return self._known[key]
        if depth == MAX_DEPTH or self._left <= 0:
            raise TooComplex()
        if key in self._path:
            self._lowest = min(self._lowest, self._path[key])
            return _Found({}, cycle=True)
        self._left -= 1
        mark = self._path[key] = len(self._path)
        outer, self._lowest = self._lowest, NOWHERE
        found = self._defined(object_, name, depth + 1)
        del self._path[key]
        # What leaned on something further out is another answer there.
        if self._lowest >= mark:
            self._known[key] = found
            self._lowest = outer
        self._lowest = min(self._lowest, outer)
        return found

    def _defined(self, object_: str, name: str, depth: int) -> _Found:
        object_type = object_.partition(":")[0]
        definition = self._model.relations[object_type][name]
        found = self._rewrite(object_, name, definition.rewrite, depth)
        if self._kind != f"{object_type}#{name}":
            return found
        return found._replace(named={**found.named, f"{object_}#{name}": True})

    def _rewrite(self, object_: str, name: str, rewrite: Rewrite, depth: int) -> _Found:
        if isinstance(rewrite, Direct):
            return self._direct(object_, name, depth)
        if isinstance(rewrite, Computed):
            return self.relation(object_, rewrite.relation, depth)
        if isinstance(rewrite, From):
            return self._from(object_, rewrite, depth)
        if isinstance(rewrite, Exclusion):
            base = self._rewrite(object_, name, rewrite.base, depth)
            return self._without(base, self._rewrite(object_, name, rewrite.but_not, depth))
        parts = [self._rewrite(object_, name, part, depth) for part in rewrite.parts]
        return self._any(parts) if isinstance(rewrite, Union) else self._all(parts)

    def _direct(self, object_: str, name: str, depth: int) -> _Found:
        row = self._row((object_, name)) or EMPTY
        self._left -= len(row.direct) + len(row.usersets)
        counting = [subject for subject, rule in row.direct.items() if self._counts(rule)]
        named: dict[str, _Has] = {one: True for one in counting if one.partition(":")[0] == self._kind}
        hops = [userset.key for userset in row.usersets.values() if self._counts(userset.condition)]
        return self._any([_Found(named), *(self.relation(*key, depth) for key in hops)])

    def _from(self, object_: str, rewrite: From, depth: int) -> _Found:
        row = self._row((object_, rewrite.tupleset)) or EMPTY
        self._left -= len(row.direct)
        counting = [parent for parent, rule in row.direct.items() if self._counts(rule)]
        relations = self._model.relations
        leading = [one for one in counting if rewrite.relation in relations.get(one.partition(":")[0], {})]
        return self._any([self.relation(parent, rewrite.relation, depth) for parent in leading])

    def _any(self, parts: Sequence[_Found]) -> _Found:
        if len(parts) == 1:
            return parts[0]
        named: dict[str, _Has] = {}
        for subject in _subjects(part.named for part in parts):
            each = [self._has(part.named, subject) for part in parts]
            has = True if True in each else None if None in each else False
            if _is_named(subject, has, parts):
                named[subject] = has
        return _Found(named, cycle=any(part.cycle for part in parts))

    def _all(self, parts: Sequence[_Found]) -> _Found:
        named: dict[str, _Has] = {}
        for subject in _subjects(part.named for part in parts):
            each = [self._has(part.named, subject) for part in parts]
            has = False if False in each else None if None in each else True
            if _is_named(subject, has, parts):
                named[subject] = has
        return _Found(named, cycle=any(part.cycle for part in parts))

    def _without(self, base: _Found, but_not: _Found) -> _Found:
        named: dict[str, _Has] = {}
        for subject in _subjects((base.named, but_not.named)):
            has, taken = self._has(base.named, subject), self._has(but_not.named, subject)
            if has is not False and taken is False and but_not.cycle:
                has = None
            named[subject] = False if taken is True else None if taken is None and has else has
        return _Found(named, cycle=base.cycle or but_not.cycle)

    def _has(self, named: _Named, subject: str) -> _Has:
        return named[subject] if subject in named else named.get(self._everybody, False)

    def _counts(self, rule: Rule) -> bool:
        return rule is None or rule.holds(self._at)


def _subjects(several: Iterable[_Named]) -> dict[str, None]:
    return {subject: None for named in several for subject in named}


def _is_named(subject: str, has: _Has, parts: Iterable[_Found]) -> bool:
    """Who is in by the wildcard alone is not named again."""
    return has is False or any(part.named.get(subject, False) is not False for part in parts)
