"""From a subject back to what is written for it, for the relations where that saves a search.

Whether Mira is in `everybody` is asked from Mira upwards: her few teams, and theirs. From
`everybody` downwards it would be every team there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple, TypeAlias

_Table: TypeAlias = dict[str, str | list[str]]
"""Mostly a subject has one name, and then there is no list."""

_Sets: TypeAlias = dict[str, str | set[str]]
"""The same where names are compared with other names: sets compare without looking at the strings."""

_NOBODY: frozenset[str] = frozenset()

_KEPT_USERSETS = 200_000
"""Of all closures that are kept together; about 20 MB."""

_FEW_GROUPS, _WIDE = 64, 20_000
"""Groups of a subject, and usersets above them in all, that are put together from what each group leads to."""


class Tracked(NamedTuple):
    """What a way back is kept for; relations as `type#relation`."""

    memberships: frozenset[str] = frozenset()
    """Those that lead on: what is written for a `group#member` counts for its members."""
    narrowing: frozenset[tuple[str, str]] = frozenset()
    """(`grant#audience`, `#effective`): what is written for one tells which of the other can count."""


class Above(NamedTuple):
    """What a member of one userset is in because of it, the userset itself included."""

    sure: Set[str]
    """Without any condition."""
    possible: Set[str]
    """All of `sure`, and where conditions would have to hold."""
    steps: int
    """No more than so many lead to any that is sure."""


class Closure(NamedTuple):
    """The usersets a subject is in, as `group:eng#member`."""

    possible: Set[str]
    """All of them, where conditions would have to hold included."""
    certain: Sequence[Above]
    """What it is in without any condition, by what leads there."""

    def sure(self, userset: str, steps: int) -> bool:
        """Whether no condition and at most so many steps lead there."""
        for one in self.certain:  # noqa: SIM110 - a generator would cost more than it looks through
            if userset in one.sure and one.steps <= steps:
                return True
        return False


class WayBack:
    """Kept by the index."""

    __slots__ = (
        "_above",
        "_closures",
        "_conditional",
        "_kept",
        "_narrowing",
        "_plain",
        "_suffixes",
        "_unknown",
        "tracked",
    )

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        self._suffixes: dict[str, list[str]] = {}
        for kind, suffix in sorted(tracked.narrowing):
            self._suffixes.setdefault(kind, []).append(suffix)
        self._plain: _Table = {}
        """Subject -> usersets it is in without a condition."""
        self._conditional: _Table = {}
        """Subject -> usersets it is in as long as a condition holds."""
        self._narrowing: dict[tuple[str, str], _Sets] = {one: {} for one in tracked.narrowing}
        """Subject -> usersets that can count for it, whether its own tuple has a condition or not."""
        self._unknown: dict[tuple[str, str], _Table] = {one: {} for one in tracked.narrowing}
        """Kind of a userset nobody knows the members of, such as `tenant#member` -> the same, once for each of them."""
        self._closures: dict[str, Closure] = {}
        self._above: dict[str, Above] = {}
        self._kept = 0

    def keeps(self, kind: str) -> bool:
        return kind in self.tracked.memberships or kind in self._suffixes

    def add(
        self, kind: str, object_: str, subject: str, *, conditional: bool, name: Callable[[str], str] = str
    ) -> None:
        """`name` may give a string that stands in memory already for one that says the same."""
        for suffix in self._suffixes.get(kind, ()):
            known_as = self._known_as(subject)
            if known_as == subject:
                _include(self._narrowing[kind, suffix], subject, name(object_ + suffix))
            else:
                _add(self._unknown[kind, suffix], known_as, name(object_ + suffix))
        if kind in self.tracked.memberships:
            _add(
                self._conditional if conditional else self._plain, subject, name(f"{object_}#{kind.partition('#')[2]}")
            )

    def remove(self, kind: str, object_: str, subject: str, *, conditional: bool) -> None:
        for suffix in self._suffixes.get(kind, ()):
            known_as = self._known_as(subject)
            if known_as == subject:
                _exclude(self._narrowing[kind, suffix], subject, object_ + suffix)
            else:
                _remove(self._unknown[kind, suffix], known_as, object_ + suffix)
        if kind in self.tracked.memberships:
            _remove(self._conditional if conditional else self._plain, subject, f"{object_}#{kind.partition('#')[2]}")

    def narrowed(self, kind: str, suffix: str, subject: str) -> Set[str]:
        """The usersets that can count for `subject` by what is written for it in `kind`."""
        names = self._narrowing[kind, suffix].get(subject, _NOBODY)
        return {names} if isinstance(names, str) else names

    def narrowed_by_any(self, kind: str, suffix: str, subjects: Iterable[str], unknown: Iterable[str]) -> Set[str]:
        found = {name for one in unknown for name in _names(self._unknown[kind, suffix], one)}
        for names in map(self._narrowing[kind, suffix].get, subjects):
            if isinstance(names, str):
                found.add(names)
            elif names is not None:
                found |= names
        return found

    def content(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """All of it, in an order that does not depend on how it came there."""
        tables: dict[str, Mapping[str, str | Collection[str]]]
        tables = {"plain": self._plain, "conditional": self._conditional}
        tables |= {" ".join(one): table for one, table in self._narrowing.items()}
        tables |= {" ".join((*one, "unknown")): table for one, table in self._unknown.items()}
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

    def forget_closures(self, subject: str = "") -> None:
        """Something has changed: of one subject alone, when it is one that nobody is in and not everybody."""
        if subject and "#" not in subject and not subject.endswith(":*"):
            self._closures.pop(subject, None)
        else:
            self._closures, self._above, self._kept = {}, {}, 0

    def _closure(self, subject: str, wildcard: str, added: Sequence[str]) -> Closure:
        plain = [*_names(self._plain, subject), *_names(self._plain, wildcard), *added]
        conditional = [*_names(self._conditional, subject), *_names(self._conditional, wildcard)]
        if len(plain) + len(conditional) > _FEW_GROUPS:
            return self._whole(plain, conditional)
        above = self._above
        certain = [above.get(name) or self._keep_above(name) for name in plain]
        others = [above.get(name) or self._keep_above(name) for name in conditional] if conditional else []
        possible = [one.possible for one in certain + others]
        if len(possible) == 1:
            return Closure(possible[0], certain)
        if sum(map(len, possible)) > _WIDE:
            return self._whole(plain, conditional)
        return Closure(set[str]().union(*possible), certain)

    def _keep_above(self, userset: str) -> Above:
        found = self._above[userset] = self._climbed((userset,), ())
        self._kept += len(found.possible)
        return found

    def _whole(self, plain: Iterable[str], conditional: Iterable[str]) -> Closure:
        found = self._climbed(plain, conditional)
        return Closure(found.possible, (found,))

    def _climbed(self, plain: Iterable[str], conditional: Iterable[str]) -> Above:
        """Of somebody for whom just these are written."""
        sure = dict.fromkeys(plain, 1)
        _climb(list(sure), self._plain, sure)
        possible = sure | dict.fromkeys(conditional, 1)
        _climb(list(possible)[len(sure) :], self._plain, possible)
        level = list(possible)
        while not self._conditional.keys().isdisjoint(level):
            known = len(possible)
            _climb(level, self._conditional, possible)
            _climb(list(possible)[known:], self._plain, possible)
            level = list(possible)[known:]
        names = frozenset(sure)
        everything = names if len(possible) == len(sure) else frozenset(possible)
        return Above(names, everything, max(sure.values(), default=0))


def _names(table: _Table, subject: str) -> Sequence[str]:
    names = table.get(subject, ())
    return (names,) if isinstance(names, str) else names


def _include(table: _Sets, subject: str, name: str) -> None:
    before = table.get(subject)
    if before is None:
        table[subject] = name
    elif isinstance(before, str):
        table[subject] = {before, name}
    else:
        before.add(name)


def _exclude(table: _Sets, subject: str, name: str) -> None:
    before = table[subject]
    if isinstance(before, str):
        del table[subject]
        return
    before.remove(name)
    if len(before) == 1:
        table[subject] = before.pop()


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


def _climb(level: Iterable[str], table: _Table, found: dict[str, int]) -> None:
    """Everything above `level`, which is one step away, into `found`, each with the number of steps it takes."""
    steps = 1
    while level:
        steps += 1
        following: list[str] = []
        for names in map(table.get, level):
            for name in () if names is None else (names,) if isinstance(names, str) else names:
                if name not in found:
                    found[name] = steps
                    following.append(name)
        level = following
