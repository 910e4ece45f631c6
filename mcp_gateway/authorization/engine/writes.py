"""Write: which changes a request makes, or why it makes none. All of it or nothing; holds no tuples itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from mcp_gateway.authorization.engine.codes import FgaCode, RequestRefused
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.requests import require_tuple_key, require_written
from mcp_gateway.storage.relationships import RelationshipTuple

MAX_TUPLES = 100

TupleKey: TypeAlias = tuple[str, str, str]
"""(object, relation, subject)."""

Otherwise: TypeAlias = Literal["error", "ignore"]


def key_of(one: RelationshipTuple) -> TupleKey:
    return one.object, one.relation, one.subject


def changes_of(
    model: Model,
    stored: Mapping[TupleKey, RelationshipTuple],
    writes: Sequence[RelationshipTuple],
    deletes: Sequence[RelationshipTuple],
    *,
    on_duplicate: Otherwise = "error",
    on_missing: Otherwise = "error",
) -> list[tuple[bool, RelationshipTuple]]:
    """(written, tuple) in the order they apply: deletes first."""
    _require_fit(model, writes, deletes)
    changes: list[tuple[bool, RelationshipTuple]] = []
    for one in deletes:
        if key_of(one) in stored:
            changes.append((False, stored[key_of(one)]))
        elif on_missing == "error":
            raise _failed("a tuple to be deleted does not exist")
    for one in writes:
        there = stored.get(key_of(one))
        if there is None:
            changes.append((True, one))
        elif on_duplicate == "error" or there.condition != one.condition:
            raise _failed("a tuple to be written exists already")
    return changes


def _require_fit(model: Model, writes: Sequence[RelationshipTuple], deletes: Sequence[RelationshipTuple]) -> None:
    if not writes and not deletes:
        raise RequestRefused(FgaCode.INVALID_WRITE_INPUT, "nothing to write or delete")
    for one in writes:
        require_written(model, one)
    for one in deletes:
        require_tuple_key(one)
    keys = [key_of(one) for one in (*deletes, *writes)]
    if len(set(keys)) < len(keys):
        raise RequestRefused(FgaCode.CANNOT_ALLOW_DUPLICATE_TUPLES_IN_ONE_REQUEST, "a tuple stands twice")
    if len(keys) > MAX_TUPLES:
        raise RequestRefused(FgaCode.EXCEEDED_ENTITY_LIMIT, f"more than {MAX_TUPLES} tuples")


def _failed(detail: str) -> RequestRefused:
    return RequestRefused(FgaCode.WRITE_FAILED_DUE_TO_INVALID_INPUT, detail)
