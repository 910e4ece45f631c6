"""Which relations a relation leads to, and what follows from that before there is a tuple. Keys are `type#relation`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from mcp_gateway.authorization.engine.model import Model
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


def memberships(model: Model) -> frozenset[str]:
    """Relations that are only written and count for other relations: groups, roles."""
    leading = {kind for accepted in model.accepted.values() for kind in accepted if "#" in kind}
    return frozenset(key for key in only_written(model.relations) & leading if not key.endswith("#in_context"))


def plain_memberships(model: Model, graph: References) -> frozenset[str]:
    """Memberships where no way back means no.

    Elsewhere a no can be more than that: a no that leans on itself counts in `but not`, and a
    condition that cannot be decided leaves the answer open.
    """
    excluding = [
        f"{object_type}#{name}"
        for object_type, definitions in model.relations.items()
        for name, definition in definitions.items()
        if any(isinstance(part, Exclusion) for part in _parts(definition.rewrite))
    ]
    within = led_to(excluding, graph).union(excluding)
    open_ended = {key for key, accepted in model.accepted.items() if not _always_decided(model, accepted.values())}
    return frozenset(
        key
        for key in memberships(model)
        if key not in within and key not in open_ended and open_ended.isdisjoint(led_to((key,), graph))
    )


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
