"""What one request brings along: contextual tuples laid over the stored rows, and the way back through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.overlay import NOTHING, Overlay, overlay_of
from mcp_gateway.authorization.engine.rows import EMPTY, Key, Rule, Userset, place, row_of
from mcp_gateway.authorization.engine.tuples import TupleIndex
from mcp_gateway.storage.relationships import RelationshipTuple

_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Given:
    """Counts for one request and is forgotten."""

    contextual: tuple[RelationshipTuple, ...] = ()
    context: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    """Values for conditions; what is stored with a tuple wins over them."""


NOTHING_GIVEN = Given()


def laid_over(model: Model, index: TupleIndex, tuples: Iterable[RelationshipTuple]) -> Overlay:
    """Every row `tuples` touch, with what is stored there too. They must have been validated."""
    touched: dict[Key, tuple[dict[str, Rule], dict[str, Userset]]] = {}
    for one in tuples:
        key = (one.object, one.relation)
        if key not in touched:
            stored = index.rows.get(key, EMPTY)
            touched[key] = dict(stored.direct), dict(stored.usersets)
        rule = model.bind(one.condition.name, one.condition.context) if one.condition else None
        place(one.subject, rule, *touched[key])
    if not touched:
        return NOTHING
    return overlay_of(index.places, index.tables, {key: row_of(*said) for key, said in touched.items()})


def held_by(tuples: Iterable[RelationshipTuple]) -> dict[str, set[Key]]:
    """Subject -> what `tuples` say it has."""
    found: dict[str, set[Key]] = {}
    for one in tuples:
        found.setdefault(one.subject, set()).add((one.object, one.relation))
    return found
