"""The relationships in memory: for each (object, relation) one immutable row. Holds only tuples the model accepts.

Rows are replaced, never changed, so a query that has begun keeps what it saw. Rows that are alike
are one object: `enabled user:*` stands once in memory however many tools are enabled.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.conditions import BoundCondition
from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.storage.relationships import RelationshipTuple

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str]
"""(object, relation)."""

Rule: TypeAlias = BoundCondition | None


class Userset(NamedTuple):
    """`group:eng#member`, ready to hop to."""

    key: Key
    kind: str
    """`group#member`."""
    condition: Rule


class Row(NamedTuple):
    """Everything written for one relation of one object."""

    direct: Mapping[str, Rule]
    """Subjects without a relation, `user:*` among them."""
    usersets: Mapping[str, Userset]
    by_kind: Mapping[str, Mapping[str, Userset]] | None = None
    """The usersets once more by kind, when they are many."""


EMPTY = Row({}, {})

_MANY = 16


class TupleIndex:
    """Mutated by one owner; readers take `rows` and look."""

    def __init__(self, model: Model, *, tracked: frozenset[str] = frozenset()) -> None:
        self._model = model
        self.tracked = tracked
        self._alike: dict[str, Row] = {}
        self.rows: dict[Key, Row] = {}
        self.holders: dict[str, set[Key]] = {}
        """Subject -> the tracked (object, relation) it is written for."""
        self.stored_in_context: set[tuple[str, str]] = set()
        """(subject, object) of tuples nobody may store; while there is one, nothing is allowed."""

    def load(self, tuples: Iterable[RelationshipTuple]) -> None:
        """Replace everything by `tuples`."""
        self.rows = {}
        self.holders = {}
        self._alike = {}
        self.stored_in_context = set()
        self.apply((True, one) for one in tuples)

    def apply(self, changes: Iterable[tuple[bool, RelationshipTuple]]) -> None:
        """Each change is (written, tuple); every touched row is copied once, then replaced."""
        open_rows: dict[Key, tuple[dict[str, Rule], dict[str, Userset]]] = {}
        for written, one in changes:
            if one.relation == "in_context":
                (self.stored_in_context.add if written else self.stored_in_context.discard)((one.subject, one.object))
                continue
            key = (one.object, one.relation)
            if key not in open_rows:
                row = self.rows.get(key, EMPTY)
                open_rows[key] = (dict(row.direct), dict(row.usersets))
            # A condition may have changed: what stood there goes first.
            for subjects in open_rows[key]:
                subjects.pop(one.subject, None)
            if written:
                self._put(one, *open_rows[key])
        for key, (direct, usersets) in open_rows.items():
            self._replace(key, direct, usersets)

    def _put(self, one: RelationshipTuple, direct: dict[str, Rule], usersets: dict[str, Userset]) -> None:
        rule = accepted_rule(self._model, one)
        if isinstance(rule, str):
            _log.warning("a stored relationship is ignored: %s (%s %s %s)", rule, one.subject, one.relation, one.object)
        else:
            place(one.subject, rule, direct, usersets)

    def _replace(self, key: Key, direct: dict[str, Rule], usersets: dict[str, Userset]) -> None:
        if f"{key[0].partition(':')[0]}#{key[1]}" in self.tracked:
            self._track(key, {*direct, *usersets})
        if not direct and not usersets:
            self.rows.pop(key, None)
        elif len(direct) == 1 and not usersets and None in direct.values():
            (subject,) = direct
            self.rows[key] = self._alike.setdefault(subject, Row(direct, EMPTY.usersets))
        else:
            self.rows[key] = Row(direct, usersets or EMPTY.usersets, _by_kind(usersets))

    def _track(self, key: Key, subjects: set[str]) -> None:
        row = self.rows.get(key, EMPTY)
        before = {*row.direct, *row.usersets}
        for subject in before - subjects:
            self.holders[subject].discard(key)
            if not self.holders[subject]:
                del self.holders[subject]
        for subject in subjects - before:
            self.holders.setdefault(subject, set()).add(key)


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


def place(subject: str, rule: Rule, direct: dict[str, Rule], usersets: dict[str, Userset]) -> None:
    """Put a subject where its kind belongs."""
    object_, hash_, relation = subject.partition("#")
    if hash_:
        usersets[subject] = Userset((object_, relation), subject_kind(subject) or "", rule)
    else:
        direct[subject] = rule


def _by_kind(usersets: Mapping[str, Userset]) -> Mapping[str, Mapping[str, Userset]] | None:
    if len(usersets) <= _MANY:
        return None
    found: dict[str, dict[str, Userset]] = {}
    for subject, userset in usersets.items():
        found.setdefault(userset.kind, {})[subject] = userset
    return found
