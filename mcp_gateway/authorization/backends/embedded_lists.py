"""What the embedded backend lists for people: all objects of a type that hold, in turns that let others run.

Nothing is enforced by it. An object that cannot be decided is not listed, and the list says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from anyio.lowlevel import checkpoint

from mcp_gateway.authorization.engine.alike import group_alike
from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.listing import Listing
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import Key, Row

_log = logging.getLogger(__name__)

_OBJECTS_AT_ONCE = 256


async def objects_that_hold(
    new_query: Callable[[], Query],
    relation: str,
    object_type: str,
    *,
    revision: Callable[[], int],
    written: Mapping[str, tuple[str, ...]],
    limit: int,
) -> Listing:
    """What is written while it runs counts from the next turn on; `written` as of `alike.written_relations`."""
    query, asked_at = new_query(), revision()
    found: list[str] = []
    undecided = 0
    objects = await _objects_of(query, object_type)
    for start in range(0, len(objects), _OBJECTS_AT_ONCE):
        if revision() != asked_at:
            query, asked_at = new_query(), revision()
        held, open_ = _turn(query, relation, objects[start : start + _OBJECTS_AT_ONCE], written)
        found += held
        undecided += open_
        if len(found) > limit:
            return Listing(tuple(found[:limit]), f"only the first {limit} are listed")
        await checkpoint()
    return Listing(tuple(found), f"{undecided} could not be decided" if undecided else "")


async def _objects_of(query: Query, object_type: str) -> list[str]:
    """Every object of a type something is written for, and the one the subject itself names."""
    named = [object_ for object_, _ in query.overlay]
    if query.self_key:
        named.append(query.self_key[0])
    found = {object_ for object_ in named if object_.startswith(f"{object_type}:")}
    for kind in [kind for kind in query.tables if kind.startswith(f"{object_type}#")]:
        found.update(query.tables[kind])
        await checkpoint()
    return sorted(found)


def _turn(
    query: Query, relation: str, objects: Iterable[str], written: Mapping[str, tuple[str, ...]]
) -> tuple[list[str], int]:
    held: list[str] = []
    undecided = 0
    for group in group_alike(objects, written, query.tables):
        try:
            if query.holds(relation, group[0]):
                held += group
        except Undecidable as exc:
            _log.warning("unanswered: %s %s %s: %s", query.subject, relation, group[0], exc)
            undecided += len(group)
    return sorted(held), undecided


def reader(rows: Mapping[Key, Row], overlay: Mapping[Key, Row]) -> Callable[[Key], Row | None]:
    """What a question sees: the request's row, where it has one, holds the stored one too."""
    return lambda key: overlay.get(key) or rows.get(key)
