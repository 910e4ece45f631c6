"""From a subject back to what is written for it, for the relations where that saves a search.

Whether Mira is in `everybody` is asked from Mira upwards: her few teams, and theirs. From
`everybody` downwards it would be every team there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

_Names: TypeAlias = str | list[str]
"""Mostly it is one, and then there is no list."""

_Table: TypeAlias = dict[str, _Names]

_KEPT_USERSETS = 200_000
"""Of all closures that are kept together; about 20 MB."""


class Tracked(NamedTuple):
    """What a way back is kept for; relations as `type#relation`."""

    memberships: frozenset[str] = frozenset()
    """Those that lead on: what is written for a `group#member` counts for its members."""
    narrowing: frozenset[tuple[str, str]] = frozenset()
    """(`grant#audience`, `#effective`): what is written for one tells which of the other can count."""


class Closure(NamedTuple):
    """The usersets a subject is in, as `group:eng#member`."""

    sure: Mapping[str, int]
    """Without any condition; with the number of steps it takes."""
    possible: Mapping[str, int]
    """All of `sure`, and where conditions would have to hold; the number says nothing."""


class WayBack:
    """Kept by the index."""

    __slots__ = ("_closures", "_conditional", "_kept", "_narrowing", "_plain", "_suffixes", "tracked")

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        self._suffixes: dict[str, list[str]] = {}
        for kind, suffix in sorted(tracked.narrowing):
            self._suffixes.setdefault(kind, []).append(suffix)
        self._plain: _Table = {}
        """Subject -> usersets it is in without a condition."""
        self._conditional: _Table = {}
        """Subject -> usersets it is in as long as a condition holds."""
        self._narrowing: dict[tuple[str, str], _Table] = {one: {} for one in tracked.narrowing}
        """Subject -> usersets that can count for it, whether its own tuple has a condition or not.

        A userset nobody knows the members of, such as `tenant:acme#member`, stands there by its kind.
        """
        self._closures: dict[str, Closure] = {}
        self._kept = 0

    def keeps(self, kind: str) -> bool:
        return kind in self.tracked.memberships or kind in self._suffixes

    def add(
        self, kind: str, object_: str, subject: str, *, conditional: bool, name: Callable[[str], str] = str
    ) -> None:
        """`name` may give a string that stands in memory already for one that says the same."""
        for suffix in self._suffixes.get(kind, ()):
            _add(self._narrowing[kind, suffix], self._known_as(subject), name(object_ + suffix))
        if kind in self.tracked.memberships:
            _add(
                self._conditional if conditional else self._plain, subject, name(f"{object_}#{kind.partition('#')[2]}")
            )

    def remove(self, kind: str, object_: str, subject: str, *, conditional: bool) -> None:
        for suffix in self._suffixes.get(kind, ()):
            _remove(self._narrowing[kind, suffix], self._known_as(subject), object_ + suffix)
        if kind in self.tracked.memberships:
            _remove(self._conditional if conditional else self._plain, subject, f"{object_}#{kind.partition('#')[2]}")

    def narrowed(self, kind: str, suffix: str, subject: str) -> Sequence[str]:
        """The usersets that can count for `subject` by what is written for it in `kind`."""
        names = self._narrowing[kind, suffix].get(subject, ())
        return (names,) if isinstance(names, str) else names

    def narrowed_by_any(self, kind: str, suffix: str, subjects: Iterable[str]) -> list[str]:
        found: list[str] = []
        for names in map(self._narrowing[kind, suffix].get, subjects):
            if isinstance(names, str):
                found.append(names)
            elif names is not None:
                found += names
        return found

    def content(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """All of it, in an order that does not depend on how it came there."""
        tables = {"plain": self._plain, "conditional": self._conditional}
        tables |= {" ".join(one): table for one, table in self._narrowing.items()}
        return {
            kind: {subject: [names] if isinstance(names, str) else sorted(names) for subject, names in table.items()}
            for kind, table in tables.items()
        }

    def _known_as(self, subject: str) -> str:
        object_, hash_, relation = subject.partition("#")
        if not hash_:
            return subject
        kind = f"{object_.partition(':')[0]}#{relation}"
        return subject if kind in self.tracked.memberships else kind

    def closure(self, subject: str, wildcard: str, added: Sequence[str] = ()) -> Closure:
        """All that `subject`, or everybody like it, is in; `added` is what this request says besides."""
        if added:
            return self._closure(subject, wildcard, added)
        known = self._closures.get(subject)
        if known is None:
            known = self._closures[subject] = self._closure(subject, wildcard, ())
            self._kept += len(known.possible) + 1
            if self._kept > _KEPT_USERSETS:
                self.forget_closures()
        return known

    def forget_closures(self) -> None:
        self._closures = {}
        self._kept = 0

    def _closure(self, subject: str, wildcard: str, added: Sequence[str]) -> Closure:
        plain, conditional = self._plain, self._conditional
        sure = dict.fromkeys(added, 1)
        _climb((subject, wildcard), plain, sure, steps=0)
        _climb(added, plain, sure, steps=1)
        level = [subject, wildcard, *sure]
        if conditional.keys().isdisjoint(level):
            return Closure(sure, sure)
        possible = dict(sure)
        while level:
            known = len(possible)
            _climb(level, conditional, possible, steps=0)
            _climb(list(possible)[known:], plain, possible, steps=0)
            level = list(possible)[known:]
        return Closure(sure, possible)


def _add(table: _Table, subject: str, name: str) -> None:
    before = table.get(subject)
    if before is None:
        table[subject] = name
    elif isinstance(before, str):
        table[subject] = [before, name]
    else:
        before.append(name)


def _remove(table: _Table, subject: str, name: str) -> None:
    before = table[subject]
    if isinstance(before, str):
        del table[subject]
        return
    before.remove(name)
    if len(before) == 1:
        table[subject] = before[0]


def _climb(level: Iterable[str], table: _Table, found: dict[str, int], *, steps: int) -> None:
    """Everything above `level` into `found`, each with the number of steps it takes."""
    while level:
        steps += 1
        following: list[str] = []
        for names in map(table.get, level):
            if names is None:
                continue
            if isinstance(names, str):
                if names not in found:
                    found[names] = steps
                    following.append(names)
                continue
            for name in names:
                if name not in found:
                    found[name] = steps
                    following.append(name)
        level = following
