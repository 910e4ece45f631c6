"""Everything that is wrong is named at once, each with its file, line and column."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mcp_gateway.authorization import load_model
from mcp_gateway.errors import OperatorError
from mcp_gateway.policy.models import load_any
from mcp_gateway.policy.problems import Invalid, of_error
from mcp_gateway.policy.validate import validate
from tests.unit.policy.files import MODEL, ROOT, SMALL, written

ENTRY = """\
name: tickets
description: Tickets
owner: platform@example.com
transport: {type: http, url: "http://127.0.0.1:8101/mcp"}
tools:
  ticket_get: {risk: read, resources: [{relation: can_read, type: ticket, pointer: /id}]}
"""


def said(folder: Path) -> list[str]:
    found = validate(folder / "policies", folder / "registry", model_path=folder / "policies")
    return [str(problem).removeprefix(f"{folder}/") for problem in found.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, ENTRY, "registry/tickets.yaml")
    (tmp_path / "policies").mkdir()
    for name in ("fga.mod", "gateway.fga", "tickets.fga"):
        shutil.copy(MODEL / name, tmp_path / "policies" / name)
    return tmp_path


def test_what_ships_is_right() -> None:
    found = validate(ROOT / "policies", ROOT / "registry", model_path=MODEL)
    assert (found.problems, found.warnings) == ((), ())
    assert found.files >= 5


def test_every_field_of_every_entry_is_named(folder: Path) -> None:
    written(folder, ENTRY.replace("risk: read", "risk: harmless") + "colour: blue\n", "registry/tickets.yaml")
    written(folder, ENTRY.replace("owner: platform@example.com", "owner: [\n"), "registry/other.yaml")
    places = [one.split(": ", 1)[0] for one in said(folder)]
    assert places == ["registry/other.yaml:6:1", "registry/tickets.yaml:6:16", "registry/tickets.yaml:7:1"]


def test_a_name_two_files_claim_is_named(folder: Path) -> None:
    written(folder, ENTRY, "registry/zweite.yaml")
    (one,) = said(folder)
    assert one.startswith("registry/zweite.yaml:1:1: the name 'tickets' is taken")


def test_a_mapped_relation_the_model_does_not_govern_is_named(folder: Path) -> None:
    written(folder, ENTRY.replace("can_read", "viewer"), "registry/tickets.yaml")
    (one,) = said(folder)
    assert one.startswith("registry/tickets.yaml:6:40: `ticket#viewer` does not intersect")


@pytest.mark.parametrize("member", ["prompts", "resources"])
def test_a_mapped_relation_of_a_prompt_or_template_is_looked_at_too(folder: Path, member: str) -> None:
    more = f"{member}:\n  'x://{{id}}': {{resources: [{{type: ticket, pointer: /id, relation: editor}}]}}\n"
    written(folder, ENTRY + more, "registry/tickets.yaml")
    (one,) = said(folder)
    assert one.startswith("registry/tickets.yaml:8:28: `ticket#editor` does not intersect")


def test_a_model_that_governs_only_tools_is_right_and_warned_about(folder: Path) -> None:
    text = (MODEL / "gateway.fga").read_text()
    for name in ("prompt", "resource"):
        text = text.replace(f"type {name}\n", f"type other_{name}\n")
    for verb in ("get", "read"):
        text = text.replace(f"user_can_{verb}", f"user_may_{verb}").replace(f"agent_can_{verb}", f"agent_may_{verb}")
    written(folder, text, "policies/gateway.fga")
    found = validate(folder / "policies", folder / "registry", model_path=folder / "policies")
    assert found.problems == ()
    assert [one.sentence.split(", ")[0] for one in found.warnings] == [
        "the model does not govern prompts",
        "the model does not govern resources",
    ]
    assert load_model(folder / "policies").legs("prompt", "can_get") is None


def test_a_model_whose_prompts_lost_a_side_is_a_problem_in_its_line(folder: Path) -> None:
    text = (MODEL / "gateway.fga").read_text()
    broken = text.replace("can_get: user_can_get and agent_can_get and", "can_get: user_can_get and")
    line = 1 + broken[: broken.index("define can_get:")].count("\n")
    written(folder, broken, "policies/gateway.fga")
    (one,) = said(folder)
    assert one.startswith(f"policies/gateway.fga:{line}:")
    assert one.endswith("`prompt#can_get` must be an intersection containing `agent_can_get`")


def test_every_problem_of_the_model_is_named(folder: Path) -> None:
    text = (MODEL / "gateway.fga").read_text().replace("[user, group#member]", "[user, nobody#member]", 2)
    written(folder, text, "policies/gateway.fga")
    problems = said(folder)
    assert len(problems) == 2
    assert all(one.startswith("policies/gateway.fga:") and "nobody" in one for one in problems)


def test_a_problem_of_the_model_is_said_once_also_when_a_test_names_the_model(folder: Path) -> None:
    text = (MODEL / "tickets.fga").read_text().replace("viewer and agent_reader", "viewr and agent_reader", 1)
    written(folder, text, "policies/tickets.fga")
    shutil.copytree(ROOT / "policies" / "tests", folder / "policies" / "tests")
    (one,) = said(folder)
    assert one.startswith("policies/tickets.fga:") and "viewr" in one


def test_rules_and_tests_are_looked_at_too(folder: Path) -> None:
    written(folder, "rules:\n  - {id: x, description: d, require: 'nosuch == 1'}\n", "policies/rules.yaml")
    written(folder, SMALL, "policies/tests/a.fga.yaml")
    written(folder, "model_file: gone.fga\ntests: [{}]\n", "policies/tests/b.fga.yaml")
    rule, empty, missing = said(folder)
    assert rule.startswith("policies/rules.yaml:2")
    assert empty.startswith("policies/tests/a.fga.yaml:1:1: there are neither tests nor cases")
    assert "policies/tests/gone.fga" in missing


def test_a_registry_that_is_not_there_is_a_problem(folder: Path) -> None:
    shutil.rmtree(folder / "registry")
    assert said(folder) == ["registry: the registry directory does not exist"]


def test_a_modular_model_is_read_for_tests(tmp_path: Path) -> None:
    written(tmp_path, "schema: '1.2'\ncontents:\n  - a.fga\n  - b.fga\n", "fga.mod")
    written(tmp_path, "module a\ntype user\n", "a.fga")
    written(tmp_path, "module b\ntype group\n  relations\n    define member: [user]\n", "b.fga")
    assert set(load_any(tmp_path / "fga.mod").relations) == {"user", "group"}
    written(tmp_path, "module b\ntype group\n  relations\n    define member: [robot]\n", "b.fga")
    with pytest.raises(Invalid, match=r"b\.fga:4:"):
        load_any(tmp_path / "fga.mod")


@pytest.mark.parametrize(
    ("where", "place"),
    [("", ("f", 0, 0)), ("x", ("x", 0, 0)), ("x:3", ("x", 3, 0)), ("x:3:7", ("x", 3, 7)), ("C:x:3", ("C:x", 3, 0))],
)
def test_an_error_is_placed_by_what_it_says_of_itself(where: str, place: tuple[str, int, int]) -> None:
    problem = of_error(OperatorError("wrong", where=where), "f")
    assert (problem.file, problem.line, problem.column) == place
