"""Hundreds of grants on one server: look only at those that can be the subject's.

`grant#effective` needs `audience`, and who stands in an audience is only written. So the index
keeps, for `audience` and the groups and roles it leads to, the way back from subject to object;
from there a query knows which grants may count, and skips the others. It skips nothing that could
be true: conditions are ignored on the way back, and what is left is asked in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.tuples import Key
from mcp_gateway.authorization.language.analysis import only_written
from mcp_gateway.authorization.language.syntax import Computed, Intersection, Rewrite

_CONTEXTUAL = "in_context"
"""Comes with the request, so the index does not know it."""


def narrowing_relations(model: Model) -> dict[str, str]:
    """`grant#effective` -> `grant#audience`: an intersection and the written part that tells subjects apart."""
    members = only_written(model.relations)
    found: dict[str, str] = {}
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            for part in _parts(definition.rewrite):
                key = f"{object_type}#{part}"
                if key in members and part != _CONTEXTUAL and _tells_apart(model.accepted[key]):
                    found.setdefault(f"{object_type}#{name}", key)
    return found


def tracked_relations(model: Model, narrowing: Iterable[str]) -> frozenset[str]:
    """`narrowing` and all that membership in it can come through."""
    found: set[str] = set()
    waiting = list(narrowing)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(kind for kind in model.accepted[key] if "#" in kind)
    return frozenset(found)


def possible_objects(starts: Iterable[str], holders: Mapping[str, set[Key]]) -> dict[str, list[str]]:
    """`type#relation` -> objects on which one of `starts` may have it, by what is written."""
    found: dict[str, list[str]] = {}
    seen: set[Key] = set()
    waiting = list(starts)
    while waiting:
        for key in holders.get(waiting.pop(), ()):
            if key not in seen:
                seen.add(key)
                object_, relation = key
                found.setdefault(f"{object_.partition(':')[0]}#{relation}", []).append(object_)
                waiting.append(f"{object_}#{relation}")
    return found


def _parts(rewrite: Rewrite) -> list[str]:
    parts = rewrite.parts if isinstance(rewrite, Intersection) else ()
    return [part.relation for part in parts if isinstance(part, Computed)]


def _tells_apart(accepted: Iterable[str]) -> bool:
    return any(not kind.endswith(":*") for kind in accepted)
