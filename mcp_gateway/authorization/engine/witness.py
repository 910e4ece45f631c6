"""Why a relation holds: the tuples on one path that makes it true. For people; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import EMPTY, Row
from mcp_gateway.authorization.language.syntax import Computed, Direct, Exclusion, From, Intersection, Rewrite, Union

_MAX_LINES = 50


def witness(model: Model, query: Query, object_: str, relation: str) -> tuple[str, ...]:
    """`subject relation object` of each tuple on a path that holds; empty when the relation does not hold."""
    if not query.holds(relation, object_):
        return ()
    found = dict.fromkeys(_Path(model, query).relation(object_, relation))
    return tuple(found)[:_MAX_LINES]


class _Path:
    """Walks the model along branches the query says are true; each (object, relation) once."""

    def __init__(self, model: Model, query: Query) -> None:
        self._model = model
        self._query = query
        self._walked: set[tuple[str, str]] = set()

    def relation(self, object_: str, name: str) -> Iterator[str]:
        definition = self._model.relations[_type(object_)][name]
        if (object_, name) not in self._walked:
            self._walked.add((object_, name))
            yield from self._rewrite(object_, name, definition.rewrite)

    def _rewrite(self, object_: str, name: str, rewrite: Rewrite) -> Iterator[str]:
        if isinstance(rewrite, Direct):
            yield from self._direct(object_, name)
        elif isinstance(rewrite, Computed):
            yield from self.relation(object_, rewrite.relation)
        elif isinstance(rewrite, From):
            yield from self._from(object_, rewrite)
        elif isinstance(rewrite, Union):
            yield from self._rewrite(object_, name, next(p for p in rewrite.parts if self._true(object_, name, p)))
        elif isinstance(rewrite, Intersection):
            for part in rewrite.parts:
                yield from self._rewrite(object_, name, part)
        else:
            yield from self._rewrite(object_, name, rewrite.base)

    def _direct(self, object_: str, name: str) -> Iterator[str]:
        row, query = self._row(object_, name), self._query
        for subject in (query.subject, query.wildcard):
            rule = row.direct.get(subject)
            if subject in row.direct and (rule is None or rule.holds(query.at)):
                yield _line(subject, name, object_, rule)
                return
        for subject, userset in row.usersets.items():
            rule, (member_of, relation) = userset.condition, userset.key
            if (rule is None or rule.holds(query.at)) and query.holds(relation, member_of):
                yield _line(subject, name, object_, rule)
                yield from self.relation(member_of, relation)
                return

    def _from(self, object_: str, rewrite: From) -> Iterator[str]:
        for parent, rule in self._row(object_, rewrite.tupleset).direct.items():
            if self._leads(parent, rewrite.relation) and (rule is None or rule.holds(self._query.at)):
                yield _line(parent, rewrite.tupleset, object_, rule)
                yield from self.relation(parent, rewrite.relation)
                return

    def _true(self, object_: str, name: str, rewrite: Rewrite) -> bool:
        if isinstance(rewrite, Direct):
            return any(True for _ in self._direct(object_, name))
        if isinstance(rewrite, Computed):
            return self._query.holds(rewrite.relation, object_)
        if isinstance(rewrite, From):
            return any(self._leads(parent, rewrite.relation) for parent in self._row(object_, rewrite.tupleset).direct)
        if isinstance(rewrite, Exclusion):
            return self._true(object_, name, rewrite.base) and not self._true(object_, name, rewrite.but_not)
        every = all if isinstance(rewrite, Intersection) else any
        return every(self._true(object_, name, part) for part in rewrite.parts)

    def _leads(self, parent: str, relation: str) -> bool:
        return relation in self._model.relations.get(_type(parent), {}) and self._query.holds(relation, parent)

    def _row(self, object_: str, name: str) -> Row:
        return self._query.row((object_, name)) or EMPTY


def _type(object_: str) -> str:
    return object_.partition(":")[0]


def _line(subject: str, relation: str, object_: str, rule: object) -> str:
    return f"{subject} {relation} {object_}" + (f" with {rule}" if rule is not None else "")
