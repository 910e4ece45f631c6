"""What a few questions about a model come down to: a directed graph of names. Every answer in one pass.

components(...)   the circles of the graph, what they lead to first
growing(...)      the smallest set a rule closes
shrinking(...)    the largest set a rule leaves
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

Graph: TypeAlias = Mapping[str, Collection[str]]
"""Name -> the names it leads to; a name that leads nowhere may be missing."""


def components(graph: Graph) -> list[frozenset[str]]:
    """Names that lead to each other, together; each group after all those it leads to."""
    found: list[frozenset[str]] = []
    placed: set[str] = set()
    names = dict.fromkeys([*graph, *(one for following in graph.values() for one in following)])
    for name in reversed(_by_completion(turned(graph), names)):
        if name not in placed:
            group = frozenset(_reached(name, graph, placed))
            placed |= group
            found.append(group)
    return found


def _by_completion(graph: Graph, names: Collection[str]) -> list[str]:
    """Depth first; each name behind those it leads to, circles aside. Without recursion: chains may be long."""
    done: list[str] = []
    seen: set[str] = set()
    for start in names:
        if start in seen:
            continue
        seen.add(start)
        open_: list[tuple[str, Iterator[str]]] = [(start, iter(graph.get(start, ())))]
        while open_:
            following = next((one for one in open_[-1][1] if one not in seen), None)
            if following is None:
                done.append(open_.pop()[0])
            else:
                seen.add(following)
                open_.append((following, iter(graph.get(following, ()))))
    return done


def _reached(start: str, graph: Graph, without: Collection[str]) -> set[str]:
    found = {start}
    waiting = [start]
    while waiting:
        new = [one for one in graph.get(waiting.pop(), ()) if one not in found and one not in without]
        found.update(new)
        waiting += new
    return found


def turned(graph: Graph) -> dict[str, list[str]]:
    """The same with every arrow the other way."""
    found: dict[str, list[str]] = {}
    for name, following in graph.items():
        for one in following:
            found.setdefault(one, []).append(name)
    return found


def growing(graph: Graph, rule: Callable[[str, Collection[str]], bool]) -> frozenset[str]:
    """The smallest set of names closed under `rule`, which may ask about the names that one leads to."""
    behind, found = turned(graph), set[str]()
    waiting = list(graph)
    while waiting:
        name = waiting.pop()
        if name not in found and rule(name, found):
            found.add(name)
            waiting += behind.get(name, ())
    return frozenset(found)


def shrinking(graph: Graph, rule: Callable[[str, Collection[str]], bool]) -> frozenset[str]:
    """The largest set of names in which `rule` holds of each."""
    behind, found = turned(graph), set(graph)
    waiting = list(graph)
    while waiting:
        name = waiting.pop()
        if name in found and not rule(name, found):
            found.remove(name)
            waiting += behind.get(name, ())
    return frozenset(found)
