"""Which relations a relation leads to, and what follows from that before there is a tuple. Keys are `type#relation`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.outcome import MAX_DEPTH
from mcp_gateway.authorization.language.analysis import Relations, only_written, parents
from mcp_gateway.authorization.language.syntax import Computed, Exclusion, From, Rewrite, parts_of

References: TypeAlias = Mapping[str, frozenset[str]]


def references(model: Model) -> References:
    """Each relation -> those its answer may be made of, in one step."""
    found: dict[str, frozenset[str]] = {}
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            written = (kind for kind in model.accepted[f"{object_type}#{name}"] if "#" in kind)
            rewritten = _mentioned(model.relations, object_type, definition.rewrite)
            found[f"{object_type}#{name}"] = frozenset((*written, *rewritten))
    return found


def led_to(starts: Iterable[str], graph: References) -> frozenset[str]:
    """Everything `starts` lead to in any number of steps; themselves only where they lead to themselves."""
    found: set[str] = set()
    waiting = [one for start in starts for one in graph[start]]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(graph[key])
    return frozenset(found)


def circular(graph: References) -> frozenset[str]:
    """Relations that may lead to themselves."""
    return frozenset(key for key in graph if key in led_to((key,), graph))


def shallow(graph: References) -> frozenset[str]:
    """Relations no question comes to after so many hops that it would have to stop there."""
    steps = dict.fromkeys(graph, 0)
    for _ in range(MAX_DEPTH):
        longer = {
            to: min(steps[key] + 1, MAX_DEPTH)
            for key, nexts in graph.items()
            for to in nexts
            if steps[key] >= steps[to]
        }
        if not longer:
            break
        steps |= longer
    return frozenset(key for key, count in steps.items() if count < MAX_DEPTH)


def asked_once(model: Model, graph: References) -> frozenset[str]:
    """Relations of objects nothing leads to, that no question comes to on two ways: not worth remembering."""
    led_into = {kind.partition("#")[0] for kind in _hops(model)}
    turning = {key.partition("#")[0] for key in circular(graph)}
    once = {key for key in graph if key.partition("#")[0] not in led_into | turning}
    return frozenset(once - {key for start in once for key, ways in _ways(start, graph).items() if ways > 1})


def _ways(start: str, graph: References) -> Counter[str]:
    """On how many ways one relation leads to another of its type; no more than two are told apart."""
    object_type = start.partition("#")[0]
    found: Counter[str] = Counter()
    waiting = [start]
    while waiting:
        for key in graph[waiting.pop()]:
            if key.startswith(f"{object_type}#"):
                found[key] += 1
                if found[key] <= 2:
                    waiting.append(key)
    return found


def memberships(model: Model) -> frozenset[str]:
    """Relations that are only written and count for other relations: groups, roles."""
    leading = {kind for accepted in model.accepted.values() for kind in accepted if "#" in kind}
    return frozenset(key for key in only_written(model.relations) & leading if not key.endswith("#in_context"))


def plain_memberships(model: Model, graph: References) -> frozenset[str]:
    """Memberships where no way back means no.

    Elsewhere a no can be more than that: a no that leans on itself counts in `but not`, and a
    condition that cannot be decided leaves the answer open.
    """
    within = _at_or_under_exclusions(model, graph)
    open_ended = {key for key, accepted in model.accepted.items() if not _always_decided(model, accepted.values())}
    return frozenset(
        key
        for key in memberships(model)
        if key not in within and key not in open_ended and open_ended.isdisjoint(led_to((key,), graph))
    )


def leaning(model: Model, graph: References) -> frozenset[str]:
    """Relations with or under a `but not` that lead to a ring: there a no that leans on itself is more than a no."""
    rings = circular(graph)
    return frozenset(
        key for key in _at_or_under_exclusions(model, graph) if not rings.isdisjoint({key, *led_to((key,), graph)})
    )


def _at_or_under_exclusions(model: Model, graph: References) -> frozenset[str]:
    excluding = [
        f"{object_type}#{name}"
        for object_type, definitions in model.relations.items()
        for name, definition in definitions.items()
        if any(isinstance(part, Exclusion) for part in _parts(definition.rewrite))
    ]
    return led_to(excluding, graph).union(excluding)


def _hops(model: Model) -> Iterator[str]:
    """Relations a tuple leads to from another object."""
    for object_type, definitions in model.relations.items():
        for definition in definitions.values():
            for part in _parts(definition.rewrite):
                if isinstance(part, From):
                    yield from parents(model.relations, object_type, part)
    for accepted in model.accepted.values():
        yield from (kind for kind in accepted if "#" in kind)


def _always_decided(model: Model, conditions: Iterable[Iterable[str]]) -> bool:
    names = {name for every in conditions for name in every if name}
    return all(model.conditions[name].only_expires for name in names)


def _mentioned(relations: Relations, object_type: str, rewrite: Rewrite) -> Iterator[str]:
    for part in _parts(rewrite):
        if isinstance(part, Computed):
            yield f"{object_type}#{part.relation}"
        elif isinstance(part, From):
            yield from parents(relations, object_type, part)


def _parts(rewrite: Rewrite) -> Iterator[Rewrite]:
    yield rewrite
    for part in parts_of(rewrite):
        yield from _parts(part)
