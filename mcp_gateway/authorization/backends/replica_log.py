"""What a relationship server's change log means for a copy of its tuples. Pure: no I/O, no clock.

The server orders its log by ids that are made before the transactions commit, so a line can appear
behind lines that were read already. Whoever follows the log therefore reads the last minute again
and again: what counts is how the log leaves a tuple, compared with how it stands in the copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from mcp_gateway.storage.relationships import RelationshipTuple

Place: TypeAlias = tuple[str, str, str]
"""(object, relation, subject): what identifies a tuple, whatever its condition."""

State: TypeAlias = RelationshipTuple | None
"""How a tuple stands: as written, or not at all."""


class Logged(NamedTuple):
    """One line of the log."""

    at: float
    """Epoch seconds of the server's clock."""
    written: bool
    tuple: RelationshipTuple


class Copy(Protocol):
    """The tuples a copy holds."""

    def agrees(self, place: Place, state: State) -> bool:
        """Whether the copy has `place` exactly so; a tuple the model does not accept counts as not there."""
        ...


def place_of(one: RelationshipTuple) -> Place:
    return one.object, one.relation, one.subject


def outcome(log: Iterable[Logged]) -> dict[Place, State]:
    """How the log leaves each tuple it speaks of, in the order of their last lines."""
    left: dict[Place, State] = {}
    for line in log:
        place = place_of(line.tuple)
        left.pop(place, None)
        left[place] = line.tuple if line.written else None
    return left


def news(left: Mapping[Place, State], copy: Copy) -> dict[Place, State]:
    """The part of an outcome the copy does not know yet, in the same order."""
    return {place: state for place, state in left.items() if not copy.agrees(place, state)}


def change_to(place: Place, state: State) -> tuple[bool, RelationshipTuple]:
    """(written, tuple), as an index takes it."""
    return (True, state) if state is not None else (False, RelationshipTuple(*place))


class Outranked:
    """Places of which something newer than the log was learned; until the log caught up it is not believed there.

    Our own writes are such, and tuples read one by one from the server's primary database while
    the log may come from another one.
    """

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Place, float] = {}

    def note(self, places: Iterable[Place], now: float) -> None:
        for place in places:
            self._since.pop(place, None)
            self._since[place] = now

    def since(self, place: Place) -> float | None:
        """When something was last learned of `place`; None when the log may speak for it."""
        return self._since.get(place)

    def forget(self, now: float) -> None:
        """Drop what is so old that the log has it by now."""
        for place, since in list(self._since.items()):
            if now - since <= self._seconds:
                return
            del self._since[place]
