"""What is wrong with a model, as a value: a sentence, where it stands, and what kind of problem it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from mcp_gateway.authorization.language.syntax import NOWHERE, Document, Place, Source
from mcp_gateway.errors import OperatorError

UNUSED = "condition.unused"
UNGOVERNED = "kind.ungoverned"
_ADVICE = frozenset({UNUSED, UNGOVERNED})


@dataclass(frozen=True, slots=True)
class Problem:
    kind: str
    """A stable word for programs, such as `syntax` or `relation.unknown`."""
    sentence: str
    file: str
    place: Place = NOWHERE

    @property
    def is_advice(self) -> bool:
        """It lets nothing through; a model with such a problem is taken all the same."""
        return self.kind in _ADVICE

    @property
    def where(self) -> str:
        place = self.place
        return f"{self.file}:{place.line}:{place.column}" if place.line else self.file

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading: a document, or the problems that stood in the way."""

    document: Document | None
    problems: tuple[Problem, ...]


def require_none(problems: Sequence[Problem]) -> None:
    """OperatorError with the first problem, and how many more there are; advice is let be."""
    serious = [one for one in problems if not one.is_advice]
    if not serious:
        return
    first, more = serious[0], len(serious) - 1
    also = f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""
    raise OperatorError(f"{first.sentence}{also}", where=first.where)


def file_of(source: Source, model: str) -> str:
    """The path of the file a part of a model comes from; `model` is the file the model begins in."""
    return str(PurePath(model).parent / source.file) if source.file else model
