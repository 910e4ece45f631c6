"""Promises and tests hold each other up, in both directions."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.behaviours import PROMISES

TESTS = Path(__file__).parent
FOLDERS = ("flow", "contract", "e2e")


def existing() -> set[str]:
    """Every test of the outer folders, as promises name them."""
    found: set[str] = set()
    for folder in FOLDERS:
        for path in (TESTS / folder).glob("test_*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {f"{folder}/{path.name}::{name}" for name in names if name.startswith("test_")}
    return found


def test_every_promise_names_a_test_that_exists() -> None:
    assert {promise.test for promise in PROMISES} - existing() == set()


def test_every_outer_test_belongs_to_a_promise() -> None:
    assert existing() - {promise.test for promise in PROMISES} == set()


def test_every_promise_has_a_sentence_and_a_source_of_its_own() -> None:
    assert all(promise.sentence and promise.source for promise in PROMISES)
    assert len({promise.sentence for promise in PROMISES}) == len(PROMISES)
