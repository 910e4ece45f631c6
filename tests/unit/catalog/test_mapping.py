"""What a registry entry may say about the resources of a tool, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mcp_gateway.catalog.mapping import ResourceEntry, rule_of
from mcp_gateway.model.tool import Risk


def _entry(**given: Any) -> ResourceEntry:
    return ResourceEntry.model_validate({"type": "ticket", **given})


@pytest.mark.parametrize(
    ("risk", "relation"), [(Risk.READ, "can_read"), (Risk.WRITE, "can_write"), (Risk.DESTRUCTIVE, "can_write")]
)
def test_the_relation_follows_from_the_risk_unless_it_is_named(risk: Risk, relation: str) -> None:
    assert rule_of(_entry(pointer="/id"), risk).relation == relation
    assert rule_of(_entry(pointer="/id", relation="can_approve"), risk).relation == "can_approve"


def test_the_steps_keep_their_order() -> None:
    steps = ["trim", {"strip_prefix": "T:"}, "lower", {"url": "https://t.example.com/t/{id}"}, "nfc"]
    assert rule_of(_entry(pointer="/id", normalise=steps), Risk.READ).normalise == (
        ("trim", ""),
        ("strip_prefix", "T:"),
        ("lower", ""),
        ("url", "https://t.example.com/t/{id}"),
        ("nfc", ""),
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"pointer": "/id", "template": "{/id}"},
        {"pointer": "id"},
        {"pointer": ""},
        {"pointer": "/a~2b"},
        {"pointer": "/a\nb"},
        {"pointer": "/*/*/*/*"},
        {"pointer": "/" + "a" * 300},
        {"template": ""},
        {"template": "fixed"},
        {"template": "{owner}/{/repo}"},
        {"template": "{/owner}{/repo}"},
        {"template": "{/owner}/{/repo"},
        {"template": "{/a/*/x}/{/b/*/y}"},
        {"template": "{/a/*/x}/{/b}"},
        {"pointer": "/id", "normalise": ["upper"]},
        {"pointer": "/id", "normalise": ["trim"] * 6},
        {"pointer": "/id", "normalise": [{"strip_prefix": ""}]},
        {"pointer": "/id", "normalise": [{"url": "https://t.example.com/t/"}]},
        {"pointer": "/id", "normalise": [{"url": "https://t.example.com/{id}/{id}"}]},
        {"pointer": "/id", "normalise": [{"url": "https://{id}.example.com/"}]},
        {"pointer": "/id", "normalise": [{"url": "javascript:{id}"}]},
        {"pointer": "/id", "relation": "Can Read"},
        {"pointer": "/id", "relation": "c\u0430n_read"},
        {"pointer": "/id", "colour": "blue"},
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_when_it_is_read(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _entry(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"pointer": "/items/*/ticket/*"},
        {"pointer": "/a~1b/c~0d"},
        {"template": "{/owner}/{/repo}"},
        {"template": "{/repos/*/owner}/{/repos/*/name}"},
        {"template": "team-{/team}"},
    ],
)
def test_pointers_and_templates_may_reach_into_every_element(given: dict[str, Any]) -> None:
    _entry(**given)
