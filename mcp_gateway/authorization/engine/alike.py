"""One answer for objects that are alike, so that a long list costs little more than its kinds of tools.

An object's answer follows from its own record and from what that leads to. Two objects of one
record therefore have the same answer, as long as nothing leads back to them by name. Records that
say the same are one object in the index, so sameness is identity.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.rows import Table


def nameless_types(model: Model) -> frozenset[str]:
    """Types nothing leads to by name and no request adds to."""
    referred = {kind.partition("#")[0].partition(":")[0] for accepted in model.accepted.values() for kind in accepted}
    return frozenset(
        object_type
        for object_type, definitions in model.relations.items()
        if object_type not in referred and "in_context" not in definitions
    )


def group_alike(
    objects: Iterable[str], nameless: Collection[str], tables: Mapping[str, Table], apart: Collection[str]
) -> Sequence[list[str]]:
    """`objects` in groups whose members have the same answer to every question; `apart` are alone."""
    groups: dict[tuple[str, int] | str, list[str]] = {}
    for object_ in objects:
        object_type = object_.partition(":")[0]
        if object_type in nameless and object_ not in apart:
            key = (object_type, id(tables[object_type].get(object_)))
            known = groups.get(key)
            if known is None:
                groups[key] = [object_]
            else:
                known.append(object_)
        else:
            groups.setdefault(object_, []).append(object_)
    return list(groups.values())
