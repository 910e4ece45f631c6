"""From a subject back to what is written for it, for the relations where that saves a search.

Whether Mira is in `everybody` is asked from Mira upwards: her few teams, and theirs. From
`everybody` downwards it would be every team there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

_Names: TypeAlias = str | list[str]
"""Mostly it is one, and then there is no list."""

_KEPT_USERSETS = 200_000
"""Of all closures that are kept together; about 20 MB."""


class Tracked(NamedTuple):
    """The relations, as `type#relation`, that a way back is kept for."""

    memberships: frozenset[str] = frozenset()
    """Those that lead on: what is written for a `group#member` counts for its members."""
    others: frozenset[str] = frozenset()


class Closure(NamedTuple):
    """The usersets a subject is in, as `group:eng#member`."""

    sure: Mapping[str, int]
    """Without any condition; with the number of steps it takes."""
    possible: Mapping[str, int]
    """All of `sure`, and where conditions would have to hold; the number says nothing."""


class WayBack:
    """Kept by the index; a membership is held as the userset it leads to, anything else as its object."""

    __slots__ = ("_closures", "_kept", "conditional", "plain", "tracked")

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        kinds = tracked.memberships | tracked.others
        self.plain: dict[str, dict[str, _Names]] = {kind: {} for kind in kinds}
        """`type#relation` -> subject -> what is written for it without a condition."""
        self.conditional: dict[str, dict[str, _Names]] = {kind: {} for kind in kinds}
        self._closures: dict[str, Closure] = {}
        self._kept = 0

    def add(self, kind: str, name: str, subject: str, *, conditional: bool) -> None:
        table = (self.conditional if conditional else self.plain)[kind]
        before = table.get(subject)
        if before is None:
            table[subject] = name
        elif isinstance(before, str):
            table[subject] = [before, name]
        else:
            before.append(name)

    def remove(self, kind: str, name: str, subject: str, *, conditional: bool) -> None:
        table = (self.conditional if conditional else self.plain)[kind]
        before = table[subject]
        if isinstance(before, str):
            del table[subject]
        else:
            before.remove(name)
            if len(before) == 1:
                table[subject] = before[0]

    def forget_closures(self) -> None:
        self._closures = {}
        self._kept = 0

    def written_for(self, kind: str, subjects: Iterable[str]) -> list[str]:
        """What `kind` holds for any of `subjects`, with a condition or without."""
        found: list[str] = []
        for table in (self.plain[kind], self.conditional[kind]):
            if table:
                for subject in subjects:
                    _extend(found, table.get(subject))
        return found

    def closure(self, subject: str, wildcard: str, added: Iterable[str] = ()) -> Closure:
        """All that `subject`, or everybody like it, is in; `added` is what this request says besides."""
        if added:
            return self._closure((subject, wildcard), added)
        known = self._closures.get(subject)
        if known is None:
            known = self._closures[subject] = self._closure((subject, wildcard), ())
            self._kept += len(known.possible) + 1
            if self._kept > _KEPT_USERSETS:
                self.forget_closures()
        return known

    def _closure(self, starts: Iterable[str], added: Iterable[str]) -> Closure:
        tables = [table for kind in self.tracked.memberships if (table := self.plain[kind])]
        sure = _climb(starts, tables, dict.fromkeys(added, 1))
        maybe = [table for kind in self.tracked.memberships if (table := self.conditional[kind])]
        if not any(one in table for table in maybe for one in (*starts, *sure)):
            return Closure(sure, sure)
        return Closure(sure, _climb((*starts, *sure), [*tables, *maybe], dict(sure)))


def _climb(starts: Iterable[str], tables: list[dict[str, _Names]], found: dict[str, int]) -> dict[str, int]:
    level, steps = list(starts), 0
    waiting = list(found)
    while level:
        steps += 1
        following, waiting = waiting, []
        for subject in level:
            for table in tables:
                above = table.get(subject)
                if above is None:
                    continue
                for one in (above,) if isinstance(above, str) else above:
                    if one not in found:
                        found[one] = steps
                        following.append(one)
        level = following
    return found


def _extend(found: list[str], names: _Names | None) -> None:
    if names is None:
        return
    if isinstance(names, str):
        found.append(names)
    else:
        found.extend(names)
