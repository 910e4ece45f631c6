"""One answer for objects that are alike, so that a long list costs little more than its kinds of tools.

An object's answer follows from its own rows and from what they lead to. Two objects with the very
same rows therefore have the same answer, as long as nothing leads back to them by name. Rows that
say the same are one object in the index, so sameness is identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.tuples import Key, Row


def written_relations(model: Model) -> Mapping[str, tuple[str, ...]]:
    """Types nothing leads to by name and no request adds to -> the relations tuples are written for."""
    referred = {kind.partition("#")[0].partition(":")[0] for accepted in model.accepted.values() for kind in accepted}
    return {
        object_type: tuple(name for name in definitions if model.accepted[f"{object_type}#{name}"])
        for object_type, definitions in model.relations.items()
        if object_type not in referred and "in_context" not in definitions
    }


def group_alike(
    objects: Iterable[str], written: Mapping[str, tuple[str, ...]], rows: Mapping[Key, Row]
) -> Sequence[list[str]]:
    """`objects` in groups whose members have the same answer to every question."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for object_ in objects:
        object_type = object_.partition(":")[0]
        names = written.get(object_type)
        signature: tuple[object, ...] = (
            (object_,) if names is None else (object_type, *[id(rows.get((object_, name))) for name in names])
        )
        groups.setdefault(signature, []).append(object_)
    return list(groups.values())
