"""Values of arguments that a tool's policy asks to be recorded: found by JSON Pointer (RFC 6901). Pure.

They leave here only to be sealed; nothing else of the audit has an argument's value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

SealedFor: TypeAlias = Callable[[str], Callable[[object], object]]
"""User to what seals that user's values, bounded in size; raises AuditUnavailable when nothing can be sealed."""

_MISSING = object()


def named_values(pointers: Sequence[str], arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each pointer with what is there; one that points at nothing is left out."""
    for pointer in pointers:
        value: object = arguments
        for step in pointer.split("/")[1:]:
            value = _member(value, step.replace("~1", "/").replace("~0", "~"))
        if value is not _MISSING:
            yield pointer, value


def _member(value: object, step: str) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).get(step, _MISSING)
    if isinstance(value, list) and step.isdecimal() and step.isascii() and (step == "0" or step[0] != "0"):
        items = cast("list[object]", value)
        return items[int(step)] if len(step) < 7 and int(step) < len(items) else _MISSING
    return _MISSING
