"""From a subject back to what is written for it, for the relations where that saves a search.

Whether Mira is in `everybody` is asked from Mira upwards: her few teams, and theirs. From
`everybody` downwards it would be every team there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from mcp_gateway.authorization.engine.closures import Closures
from mcp_gateway.authorization.engine.names import Names, add_name, names_of, remove_name
from mcp_gateway.authorization.engine.pairs import Pairs


class Tracked(NamedTuple):
    """What a way back is kept for; relations as `type#relation`."""

    memberships: frozenset[str] = frozenset()
    """Those that lead on: what is written for a `group#member` counts for its members."""
    narrowing: frozenset[tuple[str, str]] = frozenset()
    """(`grant#audience`, `#effective`): what is written for one tells which of the other can count."""
    pairs: frozenset[tuple[str, str, str]] = frozenset()
    """(`grant#agent`, `grant#audience`, `#effective`): what is written for both tells it."""


class _Way(NamedTuple):
    """What a tuple of one relation leads back to."""

    member: str
    """`#member`, or nothing."""
    narrowing: tuple[tuple[str, Names], ...]
    pairs: tuple[tuple[Pairs, bool], ...]


class WayBack:
    """Kept by the index."""

    __slots__ = ("_narrowing", "_pairs", "_ways", "closures", "tracked")

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        self.closures = Closures()
        self._narrowing: dict[tuple[str, str], Names] = {one: {} for one in tracked.narrowing}
        """Subject -> usersets that can count for it, whether its own tuple has a condition or not.

        A userset nobody knows the members of, such as `tenant:acme#member`, stands there by its kind.
        """
        self._pairs = {one: Pairs(one[2]) for one in tracked.pairs}
        kinds = {*tracked.memberships, *(kind for kind, _ in tracked.narrowing)}
        self._ways = {kind: self._way(kind) for kind in kinds.union(*(one[:2] for one in tracked.pairs))}

    def keeps(self, kind: str) -> bool:
        return kind in self._ways

    def add(
        self, kind: str, object_: str, subject: str, *, conditional: bool, name: Callable[[str], str] = str
    ) -> None:
        """`name` may give a string that stands in memory already for one that says the same."""
        member, narrowing, pairs = self._ways[kind]
        for one, is_agent in pairs:
            one.add(object_, self._known_as(subject), is_agent=is_agent, name=name)
        for suffix, table in narrowing:
            add_name(table, self._known_as(subject), name(object_ + suffix))
        if member:
            self.closures.add(subject, name(object_ + member), conditional=conditional)

    def remove(self, kind: str, object_: str, subject: str, *, conditional: bool) -> None:
        member, narrowing, pairs = self._ways[kind]
        for one, is_agent in pairs:
            one.remove(object_, self._known_as(subject), is_agent=is_agent)
        for suffix, table in narrowing:
            remove_name(table, self._known_as(subject), object_ + suffix)
        if member:
            self.closures.remove(subject, object_ + member, conditional=conditional)

    def _way(self, kind: str) -> _Way:
        suffixes = sorted(suffix for one, suffix in self.tracked.narrowing if one == kind)
        narrowing = tuple((one, self._narrowing[kind, one]) for one in suffixes)
        pairs = tuple((self._pairs[one], one[0] == kind) for one in sorted(self.tracked.pairs) if kind in one[:2])
        return _Way(kind[kind.index("#") :] if kind in self.tracked.memberships else "", narrowing, pairs)

    def paired(
        self, kinds: tuple[str, str, str], agents: Iterable[str], audiences: Sequence[str], more: Set[str]
    ) -> Set[str]:
        """The usersets that can count through one of `agents` for one of `audiences` or `more`."""
        pairs = self._pairs[kinds]
        found = [pairs.both(agent, audiences, more) for agent in agents]
        return found[0] if len(found) == 1 else set[str]().union(*found)

    def narrowed(self, kind: str, suffix: str, subjects: Iterable[str]) -> Set[str]:
        """The usersets that can count for any of `subjects` by what is written for it in `kind`."""
        table = self._narrowing[kind, suffix]
        return {name for subject in subjects for name in names_of(table, subject)}

    def content(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """All of it, in an order that does not depend on how it came there."""
        tables = self.closures.content()
        tables |= {" ".join(one): table for one, table in self._narrowing.items()}
        tables |= {" ".join(one): pairs.content() for one, pairs in self._pairs.items()}
        return {
            kind: {subject: [names] if isinstance(names, str) else sorted(names) for subject, names in table.items()}
            for kind, table in tables.items()
        }

    def _known_as(self, subject: str) -> str:
        if "#" not in subject:
            return subject
        object_, _, relation = subject.partition("#")
        kind = f"{object_.partition(':')[0]}#{relation}"
        return subject if kind in self.tracked.memberships else kind
