"""What the embedded backend lists for people: all objects of a type that hold, in turns that let others run.

Nothing is enforced by it. An object that cannot be decided is not listed, and the list says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable

from anyio.lowlevel import checkpoint

from mcp_gateway.authorization.engine.alike import group_alike
from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.listing import Listing
from mcp_gateway.authorization.engine.query import Query

_log = logging.getLogger(__name__)

_OBJECTS_AT_ONCE = 256


async def objects_that_hold(
    new_query: Callable[[], Query],
    relation: str,
    object_type: str,
    *,
    revision: Callable[[], int],
    nameless: Collection[str],
    limit: int,
) -> Listing:
    """What is written while it runs counts from the next turn on; `nameless` as of `alike.nameless_types`."""
    query, asked_at = new_query(), revision()
    found: list[str] = []
    undecided = 0
    objects = await _objects_of(query, object_type)
    for start in range(0, len(objects), _OBJECTS_AT_ONCE):
        if revision() != asked_at:
            query, asked_at = new_query(), revision()
        held, open_ = _turn(query, relation, objects[start : start + _OBJECTS_AT_ONCE], nameless)
        found += held
        undecided += open_
        if len(found) > limit:
            return Listing(tuple(found[:limit]), f"only the first {limit} are listed")
        await checkpoint()
    return Listing(tuple(found), f"{undecided} could not be decided" if undecided else "")


async def _objects_of(query: Query, object_type: str) -> list[str]:
    """Every object of a type something is written for, and the one the subject itself names."""
    named = list(query.laid)
    if query.self_key:
        named.append(query.self_key[0])
    found = {object_ for object_ in named if object_.startswith(f"{object_type}:")}
    found.update(query.tables[object_type])
    await checkpoint()
    return sorted(found)


def _turn(query: Query, relation: str, objects: Iterable[str], nameless: Collection[str]) -> tuple[list[str], int]:
    held: list[str] = []
    undecided = 0
    for group in group_alike(objects, nameless, query.tables, query.laid):
        try:
            if query.holds(relation, group[0]):
                held += group
        except Undecidable as exc:
            _log.warning("unanswered: %s %s %s: %s", query.subject, relation, group[0], exc)
            undecided += len(group)
    return sorted(held), undecided
