"""One subject's questions at one moment, and what has been found out so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.model import subject_kind
from mcp_gateway.authorization.outcome import MAX_STEPS, YES
from mcp_gateway.authorization.tuples import Key, Row

NOWHERE = 1 << 60
"""Of `Query.lowest`: no cycle was met."""

Step: TypeAlias = Callable[["Query", str, int], int]
"""(query, object, depth) -> an outcome; one per relation of the model."""


class Program(NamedTuple):
    """A model ready to run."""

    steps: Mapping[str, Step]
    """`type#relation` -> its function."""
    kinds: frozenset[str]
    """Every kind of subject the model knows."""


class Query:
    """All questions of one subject at one moment. Not shared between subjects or revisions."""

    __slots__ = (
        "_steps",
        "at",
        "kind",
        "left",
        "lowest",
        "memo",
        "overlay",
        "position",
        "rows",
        "self_key",
        "subject",
        "wildcard",
    )

    def __init__(
        self,
        program: Program,
        rows: Mapping[Key, Row],
        subject: str,
        at: Circumstances,
        overlay: Mapping[Key, Row],
    ) -> None:
        kind = subject_kind(subject)
        if kind is None or kind.removesuffix(":*") not in program.kinds:
            raise Undecidable(f"`{subject}` is no subject of this model")
        object_, hash_, relation = subject.partition("#")
        self._steps = program.steps
        self.rows = rows
        self.overlay = overlay
        self.subject = subject
        self.kind = kind.removesuffix(":*")
        self.wildcard = "" if hash_ else f"{kind}:*"
        self.self_key = (object_, relation) if hash_ else None
        self.at = at
        self.memo: dict[Key, int] = {}
        self.position = 0
        self.lowest = NOWHERE
        self.left = MAX_STEPS

    def holds(self, relation: str, object_: str) -> bool:
        """Undecidable when it cannot be said."""
        object_type, _, name = object_.partition(":")
        step = self._steps.get(f"{object_type}#{relation}")
        if step is None or not name:
            raise Undecidable(f"the model has no relation `{relation}` for `{object_}`")
        self.left = MAX_STEPS
        return step(self, object_, 0) == YES
