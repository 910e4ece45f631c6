"""policies/tools.yaml and the files of rules: read whole or not at all; a mistake names its file and line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization.rules import load_rules, rule_problems
from mcp_gateway.catalog.registry import load
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import tool_id
from mcp_gateway.model.tool import Mode, Risk, ToolPolicy, Upstream
from tests.unit.authorization.rules.books import rule, written
from tests.unit.authorization.world import MODEL
from tests.unit.catalog.test_review import TICKETS

GOOD = """\
rules:
  - id: working-hours
    description: Writes happen while somebody is at work.
    when: {servers: [tickets], tools: ["get", "ticket_*"], risks: [write, destructive]}
    require: |-
      time.getHours("Europe/Berlin") >= 8 && !relations.contractor
    relations: {contractor: group:contractors}
    mode: observe
    audit: [time]
"""
NAMED = ToolPolicy(Risk.READ, ())
UPSTREAMS: tuple[Upstream, ...] = (
    replace(TICKETS, prompts={"triage": NAMED}, resources={"ticket://{id}": NAMED}),
    replace(TICKETS, name="git", tools={"push": ToolPolicy(Risk.WRITE, ())}),
)


def _problem(folder: Path, rules: str = "", *, tools: str = "") -> OperatorError:
    with pytest.raises(OperatorError) as refused:
        load_rules(written(folder, rules, tools=tools), model=MODEL, upstreams=UPSTREAMS)
    return refused.value


def test_a_rule_is_read_as_it_stands(tmp_path: Path) -> None:
    (one,) = load_rules(written(tmp_path, GOOD), model=MODEL, upstreams=UPSTREAMS).rules
    assert (one.id, one.mode, one.audit, one.where) == (
        "working-hours",
        Mode.OBSERVE,
        ("time",),
        "policies/rules.yaml:2",
    )
    assert one.require.reads == {"time", "relations.contractor"}
    assert one.relations == {"relations.contractor": ("member", "group:contractors")}
    assert one.when.risks == {Risk.WRITE, Risk.DESTRUCTIVE}


def test_rules_stand_in_one_file_or_in_many(tmp_path: Path) -> None:
    policies = written(tmp_path, rule("true", name="first"))
    (policies / "rules").mkdir()
    (policies / "rules" / "b.yaml").write_text(rule("true", name="third"))
    (policies / "rules" / "a.yaml").write_text(rule("true", name="second"))
    (policies / "rules" / ".a.yaml.swp").write_text("an editor's")
    assert [one.id for one in load_rules(policies, model=MODEL).rules] == ["first", "second", "third"]
    (policies / "rules" / "c.yaml").write_text(rule("true", name="first"))
    with pytest.raises(OperatorError, match=r"rules/c\.yaml:2: the id `first` is taken at policies/rules\.yaml:2"):
        load_rules(policies, model=MODEL)


def test_without_files_the_book_says_nothing(tmp_path: Path) -> None:
    book = load_rules(written(tmp_path), model=MODEL, upstreams=UPSTREAMS)
    assert book.says_nothing
    assert not load_rules(written(tmp_path), model=MODEL, mode=Mode.OBSERVE).says_nothing


def test_the_id_of_a_book_follows_its_text(tmp_path: Path) -> None:
    one = load_rules(written(tmp_path, GOOD), model=MODEL)
    same = load_rules(written(tmp_path, GOOD), model=MODEL)
    other = load_rules(written(tmp_path, GOOD.replace("8", "9")), model=MODEL)
    assert one.book_id == same.book_id != other.book_id


@pytest.mark.parametrize(
    "stray", ["rules/night.yml", "rules/night.yaml.bak", "rules/sub/x.yaml", "rules.yml", "tools.yml"]
)
def test_a_file_that_nobody_would_read_is_refused(tmp_path: Path, stray: str) -> None:
    path = written(tmp_path) / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rule("false"))
    problem = _problem(tmp_path)
    assert "nothing reads this" in problem.problem
    assert problem.where.startswith("policies/rule") or problem.where == "policies/tools.yml"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("working-hours", "Working Hours", 2, "id"),
        ("    description: Writes happen while somebody is at work.\n", "", 2, "description"),
        ("servers: [tickets]", "servers: [ticket]", 4, "no server `ticket`"),
        ("servers: [tickets]", "servers: ['t[i]ckets']", 4, "when.servers"),
        ('"get"', '"got"', 4, "names no tool `got`"),
        ('"get"', '"g\u0435t"', 4, "when.tools"),
        ('"get"', '"push"', 4, "names no tool `push` there"),
        ('tools: ["get"', 'prompts: ["get"', 4, "names no prompt `get` there"),
        ('tools: ["get"', 'resources: ["ticket://{key}"', 4, "names no resource `ticket://{key}` there"),
        ("risks: [write, destructive]", "risks: [dangerous]", 4, "when.risks"),
        ("risks: [write, destructive]", "classifications: [secret]", 4, "classifies nothing as `secret`"),
        ("time.getHours", "now.getHours", 5, "`now` is neither an attribute"),
        (">= 8", "", 5, "not a CEL expression"),
        ("!relations.contractor", "!relations.employee", 5, "`relations.employee` is neither"),
        ("&& !relations.contractor", "", 7, "does not read `relations.contractor`"),
        ("group:contractors", "contractors", 7, "relations.contractor"),
        ("group:contractors", "project:tickets/PAY", 7, "write RELATION project:tickets/PAY"),
        ("group:contractors", "owner group:contractors", 7, "no relation `group#owner`"),
        ("group:contractors", "in_context agent:local/docs", 7, "no relation `agent#in_context`"),
        ("mode: observe", "mode: watch", 8, "mode"),
        ("audit: [time]", "audit: [user.id]", 9, "cannot go on record"),
        ("audit: [time]", "colour: blue", 9, "colour"),
        ("rules:", "rule:", 1, "rule"),
        ("rules:\n", "rules:\n  - 7\n", 2, "rules.0"),
        ("    mode: observe\n", "    mode: observe\n    mode: enforce\n", 9, "stands twice"),
        ("- id", "- [id", 3, "YAML"),
    ],
)
def test_a_mistake_names_file_and_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    problem = _problem(tmp_path, GOOD.replace(old, new))
    assert says in problem.problem
    assert problem.where.split(":")[:2] == ["policies/rules.yaml", str(line)]


def test_arguments_never_go_on_record(tmp_path: Path) -> None:
    assert "cannot go on record" in _problem(tmp_path, rule("arguments.a == 1", audit="[arguments]")).problem


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("ticket: {classification: internal}", 1, "no server `ticket`"),
        ("tickets:\n  tools:\n    got: {scopes: [a]}", 3, "names no tool `got`"),
        ("tickets:\n  prompts:\n    get: {scopes: [a]}", 3, "names no prompt `get`"),
        ("tickets:\n  resources:\n    'ticket://{key}': {scopes: [a]}", 3, "names no resource `ticket://{key}`"),
        ("tickets:\n  prompts:\n    '': {scopes: [a]}", 3, "at least 1 character"),
        ("tickets:\n  classification: Top Secret", 2, "classification"),
        ("tickets:\n  scopes: ['two words']", 2, "scopes"),
        ("tickets:\n  scopes: ['quo\"te']", 2, "scopes"),
        ("tickets:\n  roles: [boss]", 2, "roles"),
        ("tickets:\n  roles: [ticket:tickets/T-1]", 2, "write RELATION"),
        ("tickets:\n  roles: [boss tenant:acme]", 1, "no relation `tenant#boss`"),
        ("tickets:\n  role: [role:x]", 2, "role"),
        ("- tickets", 1, "file"),
    ],
)
def test_a_tool_policy_that_names_nothing_is_refused(tmp_path: Path, text: str, line: int, says: str) -> None:
    problem = _problem(tmp_path, tools=text)
    assert says in problem.problem
    assert problem.where == f"policies/tools.yaml:{line}"


def test_every_mistake_can_be_had_at_once(tmp_path: Path) -> None:
    rules = rule("user.nam == 1", name="r1") + rule("arguments.a", name="r2").removeprefix("rules:\n")
    found = rule_problems(written(tmp_path, rules, tools="nowhere: {}"), model=MODEL, upstreams=UPSTREAMS)
    assert [one.where for one in found] == ["policies/tools.yaml:1", "policies/rules.yaml:4", "policies/rules.yaml:8"]


def test_files_that_are_too_large_or_no_text_are_refused(tmp_path: Path) -> None:
    assert "larger than" in _problem(tmp_path, "#" * 1_100_000).problem
    (written(tmp_path) / "rules.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OperatorError, match="UTF-8"):
        load_rules(tmp_path / "policies", model=MODEL)


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(), max_size=80) | st.text("rules:-id[]{}&*!|>'\" \n\t#", max_size=60))
def test_no_text_makes_the_reader_do_anything_but_refuse(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    policies = tmp_path_factory.mktemp("p") / "policies"
    policies.mkdir()
    (policies / "rules.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_rules(policies, model=MODEL)
    except OperatorError as exc:
        assert exc.where.startswith("policies/rules.yaml")


def test_the_examples_fit_the_sample_server() -> None:
    root = Path(__file__).parents[4]
    examples = load_rules(root / "examples" / "policies", model=MODEL, upstreams=load(root / "registry"))
    assert [one.id for one in examples.rules] == ["office-network", "working-hours", "few-projects"]
    assert examples.policies[tool_id("tickets", "ticket_delete")].roles == (("assignee", "role:support"),)
