"""Read the model a test file names: any valid one, not only one a gateway may decide by."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.authorization import Model
from mcp_gateway.authorization.engine.model import compile_document, validate_policies
from mcp_gateway.authorization.language.files import find_model, read_model
from mcp_gateway.authorization.language.problems import Problem as Said
from mcp_gateway.policy.problems import Invalid, Problem


def load_any(path: Path) -> Model:
    """A .fga file, an fga.mod with its modules, or a folder that holds one of them. Raises Invalid."""
    reading = read_model(path)
    if reading.document is None:
        raise Invalid(model_problems(path, gateway=False))
    return compile_document(reading.document, where=str(find_model(path)))


def model_problems(path: Path, *, gateway: bool) -> list[Problem]:
    """Everything wrong with a model; with `gateway`, also a broken rule of this program."""
    return [_placed(one) for one in validate_policies(path, gateway=gateway) if not one.is_advice]


def model_advice(path: Path) -> list[Problem]:
    """What of the gateway's model is right and yet worth knowing: whole kinds it never allows, what is never used."""
    return [_placed(one) for one in validate_policies(path) if one.is_advice]


def _placed(one: Said) -> Problem:
    return Problem(one.file, one.place.line, one.place.column, one.sentence)
