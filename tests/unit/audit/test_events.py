"""Every kind of event the code can write has a sentence of its own, found by reading the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from mcp_gateway.audit import sentence
from mcp_gateway.audit.events import FAILED, SENTENCES, places, sentence_of
from tests.support.processes import ROOT

_WRITERS = frozenset({"event", "open", "around", "_tell", "_record"})
_KINDS_OF_SWITCHES = ("user", "agent", "server", "tool", "prompt", "resource", "gateway")
_REQUESTS = frozenset({"intent", "outcome", "decision", "list", "refused"})


def _written() -> Iterator[tuple[str, str]]:
    """Kinds as they stand in the code, and where."""
    for path in sorted((ROOT / "mcp_gateway").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            for kind in _kinds(node):
                yield kind, where


def _kinds(call: ast.Call) -> Iterator[str]:
    """What a call hands on as the kind of an event."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in _WRITERS and call.args:
        yield from _texts(call.args[0])
    for given in call.keywords:
        if given.arg == "kind" and isinstance(given.value, ast.Constant) and "." in str(given.value.value):
            yield str(given.value.value)


def _texts(node: ast.expr) -> Iterator[str]:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (_dotted(node.value) or node.value in SENTENCES)
    ):
        yield node.value
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        if text in {"*.disabled", "*.enabled"}:
            yield from (text.replace("*", kind) for kind in _KINDS_OF_SWITCHES)
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _dotted(text: str) -> bool:
    first, dot, second = text.partition(".")
    return bool(dot) and (first + second).replace("_", "").isalpha() and text.islower() and "/" not in text


def test_every_kind_in_the_code_has_a_sentence_of_its_own() -> None:
    found = dict(_written())
    assert len(found) > 40
    missing = {kind: where for kind, where in found.items() if sentence_of(kind) is None}
    assert not missing


@pytest.mark.parametrize("kind", [*SENTENCES, *(kind + FAILED for kind in SENTENCES)])
def test_a_sentence_names_who_and_what_and_nothing_is_left_empty(kind: str) -> None:
    said = sentence_of(kind)
    assert said is not None
    named = {name: f"<{name}>" for name in places(said) - {"actor"}}
    told = sentence({"at": 0, "kind": kind, "actor": "<actor>", "named": {**named, "more": "this"}})
    assert all(f"<{name}>" in told for name in places(said))
    assert told.endswith(" more=this")
    assert "{" not in told


@pytest.mark.parametrize("kind", [*SENTENCES])
def test_an_event_of_an_older_version_is_told_too(kind: str) -> None:
    assert kind not in _REQUESTS
    assert sentence({"at": 0, "kind": kind})


def test_no_two_kinds_are_told_alike() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES)
