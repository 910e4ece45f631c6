"""What is wrong with a file, where: all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from mcp_gateway import yaml_lines
from mcp_gateway.errors import OperatorError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    file: str
    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"

    @property
    def where(self) -> str:
        """`file:line:column`, as far as it is known."""
        return ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])

    def as_dict(self) -> dict[str, object]:
        return {"file": self.file, "line": self.line, "column": self.column, "problem": self.sentence}


class Invalid(OperatorError):
    """One or more files are wrong; `problems` has at least one member, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        first, *more = self.problems
        others = f" (and {len(more)} more)" if more else ""
        super().__init__(
            first.sentence + others, where=first.where, remedy="mcp-gateway policy validate names them all"
        )


def of_validation(exc: ValidationError, node: yaml.Node | None, file: str) -> list[Problem]:
    """Each field that does not fit, at its place in the file; a value is never repeated."""
    found: list[Problem] = []
    for error in exc.errors(include_url=False, include_input=False):
        line, column = yaml_lines.place_of(node, error["loc"])
        field = ".".join(str(step) for step in error["loc"])
        said = error["msg"].removeprefix("Value error, ")
        found.append(Problem(file, line, column, f"{field}: {said}" if field else said))
    return found


def of_error(error: OperatorError, file: str) -> Problem:
    """An error that names its own place, `…:line` or `…:line:column`, else the whole file."""
    name, numbers = error.where, [0, 0]
    for position in (1, 0):
        head, colon, tail = name.rpartition(":")
        if not colon or not tail.isdigit():
            break
        name, numbers[position] = head, int(tail)
    if numbers[1] and not numbers[0]:
        numbers = [numbers[1], 0]
    return Problem(name or file, numbers[0], numbers[1], error.problem)
