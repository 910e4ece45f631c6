"""What subjects are in, by what is written for them: groups in groups, roles of groups.

Kept for each group: what its members are in because of it. A subject's own are put together from those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from mcp_gateway.authorization.engine.names import Names, add_name, names_of, remove_name

_KEPT_USERSETS = 400_000
"""Of all closures that are kept together; about 40 MB."""

_FEW_GROUPS, _WIDE = 64, 20_000
"""Groups of a subject, and usersets above them in all, that are put together from what each group leads to."""


class Above(NamedTuple):
    """What the members of one userset are in because of it. Usersets that lead to the same share one."""

    sure: frozenset[str]
    """Without any condition."""
    possible: frozenset[str]
    """All of `sure`, and where conditions would have to hold."""
    steps: int
    """No more than so many lead to any that is sure."""


class Closure(NamedTuple):
    """The usersets a subject is in, as `group:eng#member`."""

    possible: Set[str]
    """All of them, where conditions would have to hold included."""
    plain: Collection[str]
    """Those it stands in itself, without a condition."""
    above: Sequence[Above]
    """What these lead to."""

    def sure(self, userset: str, steps: int) -> bool:
        """Whether no condition and at most so many steps lead there."""
        if userset in self.plain:
            return steps > 0
        for one in self.above:  # noqa: SIM110 - a generator would cost more than it looks through
            if userset in one.sure and one.steps < steps:
                return True
        return False


class Closures:
    """Kept by the way back."""

    __slots__ = ("_above", "_alike", "_conditional", "_kept", "_known", "_plain")

    def __init__(self) -> None:
        self._plain: Names = {}
        """Subject -> usersets it is in without a condition."""
        self._conditional: Names = {}
        """Subject -> usersets it is in as long as a condition holds."""
        self.forget()

    def add(self, subject: str, userset: str, *, conditional: bool) -> None:
        add_name(self._conditional if conditional else self._plain, subject, userset)

    def remove(self, subject: str, userset: str, *, conditional: bool) -> None:
        remove_name(self._conditional if conditional else self._plain, subject, userset)

    def content(self) -> dict[str, Mapping[str, str | Collection[str]]]:
        return {"plain": self._plain, "conditional": self._conditional}

    def of(self, subject: str, wildcard: str, added: Sequence[str] = ()) -> Closure:
        """All that `subject`, or everybody like it, is in; `added` is what this request says besides."""
        if added:
            return self._closure(subject, wildcard, added)
        known = self._known.get(subject)
        if known is None:
            known = self._known[subject] = self._closure(subject, wildcard, ())
            self._kept += len(known.possible) + 1
            if self._kept > _KEPT_USERSETS:
                self.forget()
        return known

    def forget(self, subject: str = "") -> None:
        """Something has changed: of one subject alone, when it is one that nobody is in and not everybody."""
        if subject and "#" not in subject and not subject.endswith(":*"):
            self._known.pop(subject, None)
        else:
            self._known: dict[str, Closure] = {}
            self._above: dict[str, Above] = {}
            self._alike: dict[Above, Above] = {}
            self._kept = 0

    def _closure(self, subject: str, wildcard: str, added: Sequence[str]) -> Closure:
        plain = [*names_of(self._plain, subject), *names_of(self._plain, wildcard), *added]
        conditional = [*names_of(self._conditional, subject), *names_of(self._conditional, wildcard)]
        if len(plain) + len(conditional) > _FEW_GROUPS:
            return self._whole(plain, conditional)
        kept = self._above
        above = [kept.get(name) or self._keep_above(name) for name in plain]
        others = [kept.get(name) or self._keep_above(name) for name in conditional] if conditional else []
        possible = [one.possible for one in above + others]
        if sum(map(len, possible)) > _WIDE:
            return self._whole(plain, conditional)
        return Closure(set(plain).union(conditional, *possible), plain, above)

    def _keep_above(self, userset: str) -> Above:
        found = self._climbed(names_of(self._plain, userset), names_of(self._conditional, userset))
        known = self._alike.get(found)
        if known is None:
            known = self._alike[found] = found
            self._kept += len(found.possible)
        self._above[userset] = known
        self._kept += 1
        return known

    def _whole(self, plain: Sequence[str], conditional: Iterable[str]) -> Closure:
        found = self._climbed(plain, conditional)
        return Closure(found.possible, frozenset(plain), (found,))

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


def _climb(level: Iterable[str], table: Names, found: dict[str, int]) -> None:
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
