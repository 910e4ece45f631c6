"""Read relationships from a YAML file: a list of `{user, relation, object}`, as OpenFGA's tools write them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_gateway import yaml_lines
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.relationships import Condition, RelationshipTuple


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ConditionEntry(_Strict):
    name: str = Field(min_length=1, max_length=50)
    context: dict[str, str | int | float | bool] = {}


class _Entry(_Strict):
    user: str = Field(min_length=3, max_length=512)
    relation: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")
    object: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,49}:[^\s#]{1,256}$")
    condition: _ConditionEntry | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    row: RelationshipTuple
    where: str
    """File and line."""


def read(path: Path) -> list[Imported]:
    """Every relationship in the file; raises OperatorError naming file and line for the first bad one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise OperatorError("there is no such file", where=str(path)) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as UTF-8 text", where=str(path)) from exc
    value, node = yaml_lines.parse(text, where=path.name)
    if not isinstance(value, list):
        raise OperatorError("must be a list of {user, relation, object}", where=path.name)
    return list(_entries(value, node, path.name))  # pyright: ignore[reportUnknownArgumentType]


def _entries(values: list[Any], node: Any, file: str) -> Iterator[Imported]:
    for position, value in enumerate(values):
        where = f"{file}:{yaml_lines.line_of(node, (position,))}"
        try:
            entry = _Entry.model_validate(value)
        except ValidationError as exc:
            problem = exc.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(step) for step in problem["loc"]) or "entry"
            raise OperatorError(f"{field}: {problem['msg']}", where=where) from exc
        condition = Condition(entry.condition.name, entry.condition.context) if entry.condition else None
        yield Imported(RelationshipTuple(entry.object, entry.relation, entry.user, condition), where)
