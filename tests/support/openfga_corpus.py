"""OpenFGA's own conformance corpus as values, from the folder `OPENFGA_TESTS` names. Whoever runs it brings the backend."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

FILES = ("consolidated_1_1_tests.yaml", "abac_tests.yaml")
REASON = "set OPENFGA_TESTS to the folder of OpenFGA's tests (consolidated_1_1_tests.yaml, abac_tests.yaml)"
MAX_CONTEXTUAL = 100
"""Tuples one request may bring; a larger stage cannot be asked contextually."""


@dataclass(frozen=True, slots=True)
class CheckCase:
    check: Check
    given: Given
    expected: bool | int
    """An int is the number of the refusal."""


@dataclass(frozen=True, slots=True)
class ObjectsCase:
    subject: str
    relation: str
    object_type: str
    given: Given
    expected: frozenset[str] | int


@dataclass(frozen=True, slots=True)
class UsersCase:
    object: str
    relation: str
    kind: str
    given: Given
    expected: frozenset[str] | int


@dataclass(frozen=True, slots=True)
class Stage:
    """A new model over everything written so far."""

    model: str
    tuples: tuple[RelationshipTuple, ...]
    checks: tuple[CheckCase, ...]
    objects: tuple[ObjectsCase, ...]
    users: tuple[UsersCase, ...]


@dataclass(frozen=True, slots=True)
class CorpusTest:
    """All stages share one store."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def fits_contextually(self) -> bool:
        """Whether it can be run with every tuple sent along instead of written."""
        return len(self.stages) == 1 and len(self.stages[0].tuples) <= MAX_CONTEXTUAL


@cache
def corpus() -> tuple[CorpusTest, ...]:
    """Every test; KeyError without `OPENFGA_TESTS`."""
    folder = Path(os.environ["OPENFGA_TESTS"])
    return tuple(test for name in FILES for test in _read(folder / name))


def corpus_parameters() -> Iterator[Any]:
    """For `pytest.mark.parametrize`: one test each, or one skip that says what is missing."""
    if not os.environ.get("OPENFGA_TESTS"):
        yield pytest.param(None, marks=pytest.mark.skip(reason=REASON), id="corpus")
        return
    for test in corpus():
        yield pytest.param(test, id=test.name.replace("/", "_"))


def with_more(given: Given, tuples: Sequence[RelationshipTuple]) -> Given:
    """`given`, and `tuples` sent along as well."""
    return Given((*given.contextual, *tuples), given.context)


def _read(path: Path) -> Iterator[CorpusTest]:
    for test in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["tests"]:
        name = f"{path.name.partition('_')[0]}-{test['name']}"
        yield CorpusTest(name, tuple(map(_stage, test["stages"])))


def _stage(stage: Mapping[str, Any]) -> Stage:
    return Stage(
        stage["model"],
        _tuples(stage.get("tuples")),
        tuple(map(_check, stage.get("checkAssertions") or ())),
        tuple(map(_objects, stage.get("listObjectsAssertions") or ())),
        tuple(map(_users, stage.get("listUsersAssertions") or ())),
    )


def _check(row: Mapping[str, Any]) -> CheckCase:
    key = row["tuple"]
    expected = int(row["errorCode"]) if row.get("errorCode") else bool(row["expectation"])
    return CheckCase(Check(key["user"], key["relation"], key["object"]), _given(row), expected)


def _objects(row: Mapping[str, Any]) -> ObjectsCase:
    asked = row["request"]
    return ObjectsCase(asked["user"], asked["relation"], asked["type"], _given(row), _expected(row))


def _users(row: Mapping[str, Any]) -> UsersCase:
    asked = row["request"]
    (kind,) = asked["filters"]
    return UsersCase(asked["object"], asked["relation"], kind, _given(row), _expected(row))


def _expected(row: Mapping[str, Any]) -> frozenset[str] | int:
    return int(row["errorCode"]) if row.get("errorCode") else frozenset(row.get("expectation") or ())


def _given(row: Mapping[str, Any]) -> Given:
    return Given(_tuples(row.get("contextualTuples")), row.get("context") or {})


def _tuples(rows: Sequence[Mapping[str, Any]] | None) -> tuple[RelationshipTuple, ...]:
    return tuple(map(tuple_of_row, rows or ()))


def tuple_of_row(row: Mapping[str, Any]) -> RelationshipTuple:
    """A tuple as OpenFGA's files write it."""
    condition = row.get("condition")
    rule = Condition(condition["name"], condition.get("context") or {}) if condition else None
    return RelationshipTuple(row["object"], row["relation"], row["user"], rule)
