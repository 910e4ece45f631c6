"""One answer for objects that are alike, so that a long list costs little more than its kinds of tools.

An object's answer follows from its own rows and from what they lead to. Two objects with the very
same rows therefore have the same answer, as long as nothing leads back to them by name. Rows that
say the same are one object in the index, so sameness is identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.rows import Row, Table


def written_relations(model: Model) -> Mapping[str, tuple[str, ...]]:
    """Types nothing leads to by name and no request adds to -> the relations tuples are written for."""
    referred = {kind.partition("#")[0].partition(":")[0] for accepted in model.accepted.values() for kind in accepted}
    return {
        object_type: tuple(name for name in definitions if model.accepted[f"{object_type}#{name}"])
        for object_type, definitions in model.relations.items()
        if object_type not in referred and "in_context" not in definitions
    }


def group_alike(
    objects: Iterable[str], written: Mapping[str, tuple[str, ...]], tables: Mapping[str, Table]
) -> Sequence[list[str]]:
    """`objects` in groups whose members have the same answer to every question."""
    groups: dict[tuple[object, ...], list[str]] = {}
    looks: dict[str, list[Callable[[str], Row | None]] | None] = {}
    for object_ in objects:
        object_type = object_.partition(":")[0]
        if object_type not in looks:
            names = written.get(object_type)
            looks[object_type] = None if names is None else [tables[f"{object_type}#{name}"].get for name in names]
        look = looks[object_type]
        signature = (object_,) if look is None else (object_type, *[id(one(object_)) for one in look])
        groups.setdefault(signature, []).append(object_)
    return list(groups.values())
