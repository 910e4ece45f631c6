"""Grants by their agent and their audience: the few of hundreds that can be this request's.

A grant counts only for its agent and only for its audience, both of which are written. So it is kept
under each agent by each audience, as soon as it has both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from mcp_gateway.authorization.engine.names import Names, add_name, names_of, remove_name


class Pairs:
    """Of one relation, such as `grant#effective`."""

    __slots__ = ("_agents", "_audiences", "_found", "_suffix")

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._agents: Names = {}
        self._audiences: Names = {}
        self._found: dict[str, Names] = {}
        """Agent -> audience -> usersets."""

    def add(self, object_: str, subject: str, *, is_agent: bool, name: Callable[[str], str]) -> None:
        mine, others = (self._agents, self._audiences) if is_agent else (self._audiences, self._agents)
        add_name(mine, object_, subject)
        for other in names_of(others, object_):
            agent, audience = (subject, other) if is_agent else (other, subject)
            add_name(self._found.setdefault(agent, {}), audience, name(object_ + self._suffix))

    def remove(self, object_: str, subject: str, *, is_agent: bool) -> None:
        mine, others = (self._agents, self._audiences) if is_agent else (self._audiences, self._agents)
        remove_name(mine, object_, subject)
        for other in names_of(others, object_):
            agent, audience = (subject, other) if is_agent else (other, subject)
            remove_name(self._found[agent], audience, object_ + self._suffix)
            if not self._found[agent]:
                del self._found[agent]

    def both(self, agent: str, audiences: Iterable[str], more: Set[str]) -> set[str]:
        """The usersets of `agent` for any of these audiences."""
        found: set[str] = set()
        table = self._found.get(agent)
        if table is None:
            return found
        for names in map(table.get, (*audiences, *(table.keys() & more))):
            if isinstance(names, str):
                found.add(names)
            elif names is not None:
                found.update(names)
        return found

    def content(self) -> Mapping[str, Sequence[str]]:
        """All of it, in an order that does not depend on how it came there."""
        return {
            f"{agent} {audience}": sorted(names_of(table, audience))
            for agent, table in self._found.items()
            for audience in table
        }
