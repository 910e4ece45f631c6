"""Tables from a string to one or more strings: mostly it is one, and then there is no list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Names: TypeAlias = dict[str, str | list[str]]


def names_of(table: Names, key: str) -> Sequence[str]:
    names = table.get(key, ())
    return (names,) if isinstance(names, str) else names


def add_name(table: Names, key: str, name: str) -> None:
    """As often as it is added it stands there."""
    before = table.get(key)
    if before is None:
        table[key] = name
    elif isinstance(before, str):
        table[key] = [before, name]
    else:
        before.append(name)


def remove_name(table: Names, key: str, name: str) -> None:
    before = table[key]
    if isinstance(before, str):
        del table[key]
        return
    before.remove(name)
    if len(before) == 1:
        table[key] = before[0]
