"""Relations that lead back to themselves in one way only: groups in groups, folders in folders.

OpenFGA walks these level by level, so a ring of groups is just a ring: who is in none of them is
not a member. Through any other ring its answer leans on itself, and inside `but not` it then denies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.language.syntax import Computed, Direct, From, Rewrite, Union, parts_of


def plain_recursions(model: Model) -> frozenset[str]:
    """`type#relation` of each union with exactly one way back to itself and nothing else that leads on."""
    return frozenset(
        f"{object_type}#{name}"
        for object_type, definitions in model.relations.items()
        for name, definition in definitions.items()
        if _is_plain(model, object_type, name, definition.rewrite)
    )


def _is_plain(model: Model, object_type: str, name: str, rewrite: Rewrite) -> bool:
    ways = 0
    for part in _alternatives(rewrite):
        back = _ways_back(model, object_type, name, part)
        if back is None:
            return False
        ways += back
    return ways == 1


def _alternatives(rewrite: Rewrite) -> Iterator[Rewrite]:
    if isinstance(rewrite, Union):
        for part in rewrite.parts:
            yield from _alternatives(part)
    else:
        yield rewrite


def _ways_back(model: Model, object_type: str, name: str, part: Rewrite) -> int | None:
    """How often one alternative leads straight back; None when it leads anywhere else."""
    if isinstance(part, Direct):
        usersets = [kind for kind in model.accepted[f"{object_type}#{name}"] if "#" in kind]
        return len(usersets) if set(usersets) <= {f"{object_type}#{name}"} else None
    if isinstance(part, From):
        parents = {one.type for one in model.relations[object_type][part.tupleset].restrictions}
        return 1 if part.relation == name and parents == {object_type} else None
    return 0 if _ends_here(model, object_type, name, part, {}) else None


def _ends_here(model: Model, object_type: str, name: str, part: Rewrite, seen: Mapping[str, None]) -> bool:
    """Nothing but tuples of the same object that name subjects themselves."""
    if isinstance(part, Direct):
        return not any("#" in kind for kind in model.accepted[f"{object_type}#{name}"])
    if isinstance(part, Computed):
        if part.relation in seen:
            return False
        definition = model.relations[object_type][part.relation]
        return _ends_here(model, object_type, part.relation, definition.rewrite, {**seen, part.relation: None})
    parts = parts_of(part)
    return bool(parts) and all(_ends_here(model, object_type, name, one, seen) for one in parts)
