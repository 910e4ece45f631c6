"""What one request lays over the stored records: who acts, what its token or its contextual tuples say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from mcp_gateway.authorization.engine.rows import Key, Places, Record, Row, Table

CONTEXTUAL = "in_context"
"""Comes with the request and is never stored."""

ACTING = frozenset({f"agent#{CONTEXTUAL}"})


class Overlay(NamedTuple):
    """A record here counts instead of the stored one, so it holds what is stored, and more."""

    records: Mapping[str, Record]
    kinds: Collection[str]
    """`type#relation` of every row that is other than the stored one."""
    acting: tuple[str, ...]
    """Objects that are in the context of the request."""


NOTHING = Overlay({}, frozenset(), ())


def overlay_of(places: Places, tables: Mapping[str, Table], rows: Mapping[Key, Row]) -> Overlay:
    """`rows`, each with what is stored there too, of relations tuples are accepted for."""
    records: dict[str, Record] = {}
    for (object_, relation), row in rows.items():
        object_type = object_.partition(":")[0]
        before = records.get(object_) or tables[object_type].get(object_)
        records[object_] = with_row(before, len(places[object_type]), places[object_type][relation], row)
    acting = tuple(object_ for object_, relation in rows if relation == CONTEXTUAL)
    return Overlay(records, _kinds(rows), acting)


def reader(places: Places, rows: Mapping[Key, Row], overlay: Overlay) -> Callable[[Key], Row | None]:
    """What is written, what the request brought included."""

    def row(key: Key) -> Row | None:
        record = overlay.records.get(key[0])
        if record is None:
            return rows.get(key)
        place = places[key[0].partition(":")[0]].get(key[1])
        return None if place is None else record[place]

    return row


def with_row(before: Record | None, size: int, place: int, row: Row | None) -> Record:
    """A record as another, but for one place."""
    rows = list[Row | None](before or (None,) * size)
    rows[place] = row
    return tuple(rows)


def _kinds(keys: Iterable[Key]) -> frozenset[str]:
    return frozenset(f"{object_.partition(':')[0]}#{relation}" for object_, relation in keys)
