"""Running test files: OpenFGA's format on our engine, and cases by the code that judges calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import anyio
import pytest

from mcp_gateway.policy.run import run
from tests.support.openfga_evaluator import BINARY, MISSING
from tests.unit.policy.files import MODEL, NOW, ROOT, SMALL, found, run_files, written
from tests.unit.policy.past_calls import ENTRY, policy

SHIPPED = ROOT / "policies" / "tests"
CASE = """\
cases:
  - name: a case
    principal: {{user: mira, agent: docs{more}}}
    tool: time/convert_time
    expect: {{{expect}}}
"""
ALLOWED = """\
tuples:
  - {user: "user:local/mira", relation: reader, object: "server:time"}
  - {user: "user:local/mira", relation: delegator, object: "agent:local/docs"}
  - {user: "agent:local/docs#acting_for", relation: agent_reader, object: "server:time"}
"""


def asked(check: str) -> str:
    return f"{SMALL}tests:\n  - name: t\n    {check}\n"


def test_what_ships_passes_its_own_tests() -> None:
    ran = run_files(SHIPPED)
    assert ran.failed == ()
    assert {one.kind for one in ran.verdicts} >= {"check", "list_objects", "list_users", "list", "call", "reasons"}


def test_openfgas_own_command_line_agrees_with_what_ships(tmp_path: Path) -> None:
    if not BINARY.exists():
        pytest.skip(MISSING)
    for file in ("fga.mod", "gateway.fga", "tickets.fga"):
        shutil.copy(MODEL / file, tmp_path / file)
    text = (SHIPPED / "gateway.fga.yaml").read_text().replace("../fga.mod", "fga.mod")
    done = subprocess.run(
        [str(BINARY), "model", "test", "--tests", str(written(tmp_path, text))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("store", ["00-valid-model", "01-valid-model-file"])
def test_openfgas_own_stores_pass(store: str) -> None:
    folder = os.environ.get("OPENFGA_TESTS")
    if not folder:
        pytest.skip("set OPENFGA_TESTS to the folder of OpenFGA's tests (language/tests/data/stores)")
    ran = run_files(Path(folder) / "language/tests/data/stores" / store / "store.fga.yaml")
    assert len(ran.verdicts) == 3
    assert ran.failed == ()


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("check: [{user: 'user:ana', objects: ['group:a', 'group:b'], assertions: {member: true}}]", []),
        ("check: [{users: ['user:ana', 'user:bo'], object: 'group:b', assertions: {member: true}}]", ["false"]),
        ("list_objects: [{user: 'user:ana', type: group, assertions: {member: ['group:b', 'group:a']}}]", []),
        (
            "list_objects: [{user: 'user:ana', type: group, assertions: {member: []}}]",
            ['["group:a", "group:b"]'],
        ),
        (
            "list_users: [{object: 'group:b', user_filter: [{type: user}], assertions: {member: {users: ['user:bo']}}}]",
            ['["user:ana"]'],
        ),
    ],
)
def test_an_answer_that_differs_is_a_failure(tmp_path: Path, check: str, expected: list[str]) -> None:
    ran = run_files(written(tmp_path, asked(check)))
    assert found(ran) == expected
    assert not any(one.error for one in ran.verdicts)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (asked("check: [{user: 'user:ana', object: 'group:a', assertions: {owner: true}}]"), "no such relation"),
        (asked("check: [{user: 'robot:r', object: 'group:a', assertions: {member: true}}]"), "the user's type"),
        (asked("tuples: [{user: 'group:a', relation: member, object: 'group:b'}]"), "does not take"),
        (SMALL.replace("define member: [", "define member [") + "tests: [{}]\n", "a.fga.yaml:"),
        (SMALL.replace("model: |", "model_file: x.fga\nignored: |") + "tests: [{}]\n", "ignored"),
        ("model_file: x.fga\ntests: [{}]\n", "cannot be read"),
        (ALLOWED + CASE.format(more="", expect="call: allow").replace("time/", "nowhere/"), "nowhere/convert_time"),
        (ALLOWED.replace("reader", "owner", 1) + CASE.format(more="", expect="call: allow"), "no relation `owner`"),
    ],
)
def test_what_cannot_be_asked_is_an_error_among_the_others(tmp_path: Path, text: str, says: str) -> None:
    (one,) = run_files(written(tmp_path, text)).failed
    assert one.error
    assert says in one.found


def test_a_condition_without_its_parameter_is_an_error_as_it_is_for_openfga(tmp_path: Path) -> None:
    late = "{name: fresh, context: {until: '2027-01-01T00:00:00Z'}}"
    row = f"{{user: 'user:bo', relation: member, object: 'group:a', condition: {late}}}"
    check = "check: [{user: 'user:bo', object: 'group:a', assertions: {member: true}%s}]"
    now = ", context: {current_time: '2026-12-31T00:00:00Z'}"
    assert not run_files(written(tmp_path, asked(f"tuples: [{row}]\n    " + check % now))).failed
    (one,) = run_files(written(tmp_path, asked(f"tuples: [{row}]\n    " + check % ""))).failed
    assert one.error


@pytest.mark.parametrize(
    ("more", "expect", "expected"),
    [
        ("", "list: callable, call: allow, reasons: [access.allowed]", []),
        ("", "call: deny", ["allow"]),
        ("", "list: hidden, reasons: []", ["callable", "access.allowed"]),
        (", scopes: []", "list: callable, call: deny, reasons: [scope.insufficient]", []),
    ],
)
def test_a_case_asserts_the_list_the_call_and_the_reasons(
    tmp_path: Path, more: str, expect: str, expected: list[str]
) -> None:
    assert found(run_files(written(tmp_path, ALLOWED + CASE.format(more=more, expect=expect)))) == expected


@pytest.mark.parametrize(
    ("asked_for", "expect"),
    [
        ("prompt: tickets/triage", "list: callable, call: allow, reasons: [access.allowed]"),
        ("prompt: 'prompt:tickets/triage'", "list: callable, call: allow"),
        ("prompt: tickets/close", "list: hidden, call: deny, reasons: [user.not_allowed, agent.not_granted]"),
        ("resource: 'tickets/ticket://open'", "list: callable, call: allow"),
        ("resource: 'tickets/ticket://T-1'", "list: depends, call: allow"),
        (
            "resource: 'tickets/ticket://T-9'",
            "call: deny, reasons: [resource.user_not_allowed, resource.agent_not_granted]",
        ),
        ("resource: 'tickets/ticket://{id}'\n    arguments: {id: T-1}", "list: depends, call: allow"),
        ("resource: 'tickets/unheard://of'", "list: callable, call: allow"),
        ("resource: 'tickets/ticket://open'\n    unavailable: true", "list: hidden, reasons: [tool.not_available]"),
    ],
)
def test_a_case_gets_a_prompt_or_reads_a_resource(tmp_path: Path, asked_for: str, expect: str) -> None:
    entry = {
        **ENTRY,
        "prompts": {"triage": {}, "close": {"risk": "write"}},
        "resources": {"ticket://open": {}, "ticket://{id}": {"resources": [{"type": "ticket", "pointer": "/id"}]}},
    }
    tuples = ALLOWED.replace("server:time", "server:tickets") + "".join(
        f"  - {{user: '{who}', relation: {relation}, object: 'ticket:tickets/T-1'}}\n"
        for who, relation in (("user:local/mira", "viewer"), ("server:tickets", "server"))
    )
    case = CASE.format(more="", expect=expect).replace("tool: time/convert_time", asked_for)
    path = written(tmp_path, tuples + case)
    ran = anyio.run(partial(run, [path], policy(tmp_path, tickets=json.dumps(entry)), now=NOW))
    assert (len(ran.verdicts) > 1, [str(one) for one in ran.failed]) == (True, [])


@pytest.mark.parametrize("asked_for", ["tool: a/b\n    prompt: a/b", "expects: {}"])
def test_a_case_is_about_one_thing(tmp_path: Path, asked_for: str) -> None:
    text = ALLOWED + CASE.format(more="", expect="call: allow").replace("tool: time/convert_time", asked_for)
    (one,) = run_files(written(tmp_path, text)).failed
    assert one.error


def test_a_case_may_say_what_the_token_says_the_user_belongs_to(tmp_path: Path) -> None:
    by_group = ALLOWED.replace('"user:local/mira", relation: reader', '"group:okta/eng#member", relation: reader')
    without = CASE.format(more="", expect="call: deny, reasons: [user.not_allowed]")
    belongs = ", memberships: [{relation: member, object: 'group:okta/eng'}]"
    assert not run_files(written(tmp_path, by_group + without)).failed
    assert not run_files(written(tmp_path, by_group + CASE.format(more=belongs, expect="call: allow"))).failed


def test_a_case_is_called_when_it_says(tmp_path: Path) -> None:
    until = "condition: {name: grant_expiry, context: {expires_at: '2027-03-01T00:00:00Z'}}"
    ending = ALLOWED.replace('object: "server:time"}', 'object: "server:time", ' + until + "}", 1)
    for at, expect in (("2027-02-28T23:59:59Z", "call: allow"), ("2027-03-01T00:00:00Z", "call: deny")):
        case = CASE.format(more="", expect=expect) + f"    at: {at}\n"
        assert not run_files(written(tmp_path, ending + case)).failed


def test_the_summary_counts_failures_and_errors_apart(tmp_path: Path) -> None:
    check = "check: [{user: 'user:ana', object: 'group:a', assertions: {member: false, owner: true}}]"
    ran = run_files(written(tmp_path, asked(check)))
    assert ran.summary().startswith("Tests run: 2, Failures: 1, Errors: 1, Skipped: 0, Time elapsed: ")
    told = ran.as_dict()
    assert (told["run"], told["failures"], told["errors"]) == (2, 1, 1)
    assert [one["result"] for one in told["tests"]] == ["failed", "error"]


RULES = """\
rules:
  - id: office-network
    description: Only from the office.
    when: {servers: [time], tools: [convert_time]}
    require: network.address == "203.0.113.9"
  - id: no-utc
    description: Nobody converts from UTC.
    when: {servers: [time], tools: [convert_time]}
    require: arguments["source"] != "UTC"
    mode: observe
"""


@pytest.mark.parametrize(
    ("more", "expect"),
    [
        ("address: 203.0.113.9", "list: depends, call: allow, reasons: [access.allowed]"),
        ("address: 203.0.113.10", "list: hidden, call: deny, reasons: [rule.denied]"),
        ("unavailable: false", "list: hidden, call: deny, reasons: [rule.undecidable]"),
    ],
)
def test_a_case_is_judged_by_the_rules_too(tmp_path: Path, more: str, expect: str) -> None:
    written(tmp_path, RULES, "rules.yaml")
    case = CASE.format(more="", expect=expect) + f"    {more}\n    arguments: {{source: CET}}\n"
    assert not run_files(written(tmp_path, ALLOWED + case), rules=tmp_path).failed


def test_a_case_names_what_is_only_observed(tmp_path: Path) -> None:
    written(tmp_path, RULES, "rules.yaml")
    expect = "call: allow, reasons: [access.observed, rule.denied]"
    case = CASE.format(more="", expect=expect) + "    address: 203.0.113.9\n    arguments: {source: UTC}\n"
    assert not run_files(written(tmp_path, ALLOWED + case), rules=tmp_path).failed
