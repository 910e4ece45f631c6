"""Read a test file into what the runners work with: tuples gathered, the model's source found, every test placed.

Nothing is run here, and the model is not compiled.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from mcp_gateway import yaml_lines
from mcp_gateway.errors import OperatorError
from mcp_gateway.policy.entries import CaseEntry, SuiteEntry, TestEntry, TupleEntry
from mcp_gateway.policy.problems import Invalid, Problem, of_error, of_validation
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

PATTERNS = ("*.fga.yaml", "*.cases.yaml")
"""What a folder of tests holds."""

_MAX_VALUES = 1_000_000

_TUPLES = TypeAdapter(list[TupleEntry])


@dataclass(frozen=True, slots=True)
class Test:
    """One entry of `tests:`."""

    __test__ = False

    entry: TestEntry
    tuples: tuple[RelationshipTuple, ...]
    """Its own, besides those of the file."""
    line: int


@dataclass(frozen=True, slots=True)
class Case:
    """One entry of `cases:`."""

    entry: CaseEntry
    tuples: tuple[RelationshipTuple, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Suite:
    """One file."""

    path: Path
    name: str
    model_text: str | None
    model_path: Path | None
    """Of a model in a file; neither means the model in force."""
    tuples: tuple[RelationshipTuple, ...]
    tests: tuple[Test, ...]
    cases: tuple[Case, ...]


def found_in(paths: Sequence[Path]) -> list[Path]:
    """The test files among `paths` and in the folders among them, in a stable order."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(sorted(one for pattern in PATTERNS for one in path.rglob(pattern)))
        elif path.exists():
            found[path] = None
        else:
            raise OperatorError("there is no such file or folder", where=str(path))
    return list(found)


def read(path: Path) -> Suite:
    """Raises Invalid with every problem of the file."""
    value, node = _document(path)
    try:
        entry = SuiteEntry.model_validate(_plain(value, str(path)))
    except ValidationError as exc:
        raise Invalid(of_validation(exc, node, str(path))) from exc
    return Suite(
        path=path,
        name=entry.name or path.name,
        model_text=entry.model,
        model_path=path.parent / entry.model_file if entry.model is None and entry.model_file else None,
        tuples=_tuples(entry, path),
        tests=tuple(
            Test(one, _tuples(one, path), yaml_lines.line_of(node, ("tests", position)))
            for position, one in enumerate(entry.tests)
        ),
        cases=tuple(
            Case(one, _tuples(one, path), yaml_lines.line_of(node, ("cases", position)))
            for position, one in enumerate(entry.cases)
        ),
    )


def _tuples(entry: SuiteEntry | TestEntry | CaseEntry, path: Path) -> tuple[RelationshipTuple, ...]:
    """Those written out and those in files; as in OpenFGA's command line, the former win over `tuple_file`."""
    rows = list(entry.tuples)
    files = list(entry.tuple_files)
    if entry.tuple_file is not None and not rows:
        files.insert(0, entry.tuple_file)
    for name in files:
        rows += _tuple_file(path.parent / name)
    return tuple(map(_row, rows))


def _tuple_file(path: Path) -> list[TupleEntry]:
    node: yaml.Node | None = None
    if path.suffix == ".csv":
        value: object = list(_csv_rows(_text(path), str(path)))
    else:
        value, node = _document(path)  # JSON is YAML
    try:
        return _TUPLES.validate_python(_plain(value, str(path)))
    except ValidationError as exc:
        raise Invalid(of_validation(exc, node, str(path))) from exc


def _csv_rows(text: str, where: str) -> Iterator[dict[str, Any]]:
    """The columns OpenFGA's command line writes: user_type,user_id,user_relation,relation,object_type,object_id,…"""
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            yield _csv_row(row)
        except (KeyError, ValueError, TypeError) as exc:
            raise Invalid([Problem(where, number, 1, "is not a row of a tuple file")]) from exc


def _csv_row(row: Mapping[str, str]) -> dict[str, Any]:
    subject = f"{row['user_type']}:{row['user_id']}" + (f"#{row['user_relation']}" if row.get("user_relation") else "")
    found: dict[str, Any] = {
        "user": subject,
        "relation": row["relation"],
        "object": f"{row['object_type']}:{row['object_id']}",
    }
    if row.get("condition_name"):
        context = row.get("condition_context") or "{}"
        found["condition"] = {"name": row["condition_name"], "context": json.loads(context)}
    return found


def _row(entry: TupleEntry) -> RelationshipTuple:
    condition = Condition(entry.condition.name, entry.condition.context) if entry.condition else None
    return RelationshipTuple(entry.object, entry.relation, entry.user, condition)


def _document(path: Path) -> tuple[object, yaml.Node | None]:
    try:
        return yaml_lines.parse(_text(path), where=str(path))
    except OperatorError as exc:
        raise Invalid([of_error(exc, str(path))]) from exc


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as UTF-8 text", where=str(path)) from exc


def _plain(value: object, where: str) -> Any:
    """YAML reads an unquoted moment as one; a condition's context has text. Aliases are written out, within bounds."""
    try:
        return _written_out(value, iter(range(_MAX_VALUES)))
    except (RecursionError, StopIteration) as exc:
        raise Invalid([Problem(where, 0, 0, "refers to itself, or is too large or too deep")]) from exc


def _written_out(value: object, left: Iterator[int]) -> Any:
    next(left)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _written_out(one, left) for key, one in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [_written_out(one, left) for one in cast("list[object]", value)]
    return value
