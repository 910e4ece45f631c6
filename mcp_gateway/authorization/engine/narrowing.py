"""Hundreds of grants on one server: which of them can be this request's, known before there is a tuple.

`grant#effective` needs `audience`, which is written, and `acting_for from agent`, which only
the agent of the request has. So a query goes from its agent and its user to the grants written for
both, and skips every other. It skips nothing that could be true: conditions are ignored on the way,
and what is left is asked in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.overlay import CONTEXTUAL
from mcp_gateway.authorization.engine.references import memberships
from mcp_gateway.authorization.engine.wayback import Tracked
from mcp_gateway.authorization.language.analysis import parents
from mcp_gateway.authorization.language.syntax import Computed, Direct, From, Intersection, Rewrite


class Narrowing(NamedTuple):
    """What an intersection cannot hold without; every part of it may be missing."""

    contextual: bool
    """The object itself is in the context of the request."""
    parent: str
    """`grant#agent`: written for an object that is."""
    written: str
    """`grant#audience`: written for the subject, or for something it is in."""
    unknown: tuple[str, ...] = ()
    """Kinds `written` may be written for of which the way back does not tell who is in them, as `tenant#member`."""


def narrowings(model: Model) -> dict[str, Narrowing]:
    """By intersection; those without any such part are left out."""
    leading, contextual = memberships(model), _contextual(model)
    found: dict[str, Narrowing] = {}
    for object_type, definitions in model.relations.items():
        for name, definition in definitions.items():
            rewrite = definition.rewrite
            computed = [f"{object_type}#{part.relation}" for part in _parts(rewrite) if isinstance(part, Computed)]
            written = (one for one in computed if _is_written(model, one) and _tells_apart(model.accepted[one]))
            through = (
                f"{object_type}#{part.tupleset}"
                for part in _parts(rewrite)
                if isinstance(part, From) and contextual.issuperset(parents(model.relations, object_type, part))
            )
            key = f"{object_type}#{name}"
            if key in contextual:
                found[key] = Narrowing(True, "", "")
                continue
            parent = next(through, "")
            tells = next((one for one in written if one != parent), "")
            if parent or tells:
                unknown = (kind for kind in model.accepted.get(tells, ()) if "#" in kind and kind not in leading)
                found[key] = Narrowing(False, parent, tells, tuple(unknown))
    return found


def tracked(model: Model, found: Mapping[str, Narrowing]) -> Tracked:
    """The relations whose way back `found`, and every membership, goes."""
    single: set[tuple[str, str]] = set()
    pairs: set[tuple[str, str, str]] = set()
    for key, one in found.items():
        suffix = key[key.index("#") :]
        if one.parent and one.written:
            pairs.add((one.parent, one.written, suffix))
        elif one.parent or one.written:
            single.add((one.parent or one.written, suffix))
    return Tracked(memberships(model), frozenset(single), frozenset(pairs))


def _contextual(model: Model) -> frozenset[str]:
    """Relations only an object in the context of the request can have."""
    found = {key for key in model.accepted if key.endswith(f"#{CONTEXTUAL}")}
    size = 0
    while size < len(found):
        size = len(found)
        for object_type, definitions in model.relations.items():
            for name, definition in definitions.items():
                computed = (one.relation for one in _parts(definition.rewrite) if isinstance(one, Computed))
                if any(f"{object_type}#{one}" in found for one in computed):
                    found.add(f"{object_type}#{name}")
    return frozenset(found)


def _parts(rewrite: Rewrite) -> Iterator[Rewrite]:
    """Of an intersection; a relation that is another by name is an intersection of one."""
    if isinstance(rewrite, Intersection):
        yield from rewrite.parts
    elif isinstance(rewrite, Computed):
        yield rewrite


def _is_written(model: Model, kind: str) -> bool:
    object_type, _, relation = kind.partition("#")
    return relation != CONTEXTUAL and isinstance(model.relations[object_type][relation].rewrite, Direct)


def _tells_apart(accepted: Iterable[str]) -> bool:
    return any(not kind.endswith(":*") for kind in accepted)
