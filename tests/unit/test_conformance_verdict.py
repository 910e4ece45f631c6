"""How the conformance runner counts: required, expected, stale, missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.verdict import (
    REQUIRED,
    REVISIONS,
    Check,
    expected_failures,
    judge,
    read_results,
)

FOLDER = Path(__file__).parents[1] / "conformance"


def check(scenario: str, *, id: str = "a", ok: bool = True) -> Check:
    return Check(scenario, id, "SUCCESS" if ok else "FAILURE", "")


def test_a_run_without_a_single_check_is_not_good() -> None:
    assert not judge([], expected=[], required=[]).good


def test_a_failure_nobody_expected_counts_as_failed() -> None:
    verdict = judge([check("ping"), check("caching", ok=False)], expected=[], required=["ping"])
    assert not verdict.good
    assert verdict.counts() == {"passed": 1, "failed": 1, "expected": 0}


@pytest.mark.parametrize("entry", ["caching", "caching:a"])
def test_an_expected_failure_is_excused_as_a_scenario_or_as_one_check(entry: str) -> None:
    verdict = judge([check("ping"), check("caching", ok=False)], expected=[entry], required=["ping"])
    assert verdict.good
    assert verdict.counts() == {"passed": 1, "failed": 0, "expected": 1}


def test_an_entry_for_one_check_does_not_excuse_another() -> None:
    checks = [check("caching"), check("caching", id="b", ok=False), check("caching", id="c", ok=False)]
    assert [failure.id for failure in judge(checks, expected=["caching:b"], required=[]).failed] == ["c"]


def test_an_entry_that_passes_now_has_to_go() -> None:
    verdict = judge([check("caching")], expected=["caching"], required=[])
    assert verdict.stale == ("caching",)
    assert not verdict.good


def test_a_required_scenario_that_did_not_run_is_missing() -> None:
    skipped = Check("server-session-lifecycle", "skipped", "INFO", "")
    verdict = judge([check("ping"), skipped], expected=[], required=["ping", "server-session-lifecycle"])
    assert verdict.missing == ("server-session-lifecycle",)
    assert not verdict.good


def test_results_are_read_per_scenario_and_extensions_are_left_out(tmp_path: Path) -> None:
    for scenario in ("server-initialize", "tasks-lifecycle"):
        folder = tmp_path / f"server-{scenario}-2026-11-21T04-58-21-797Z"
        folder.mkdir()
        row = {"id": "x", "status": "FAILURE", "errorMessage": "no"}
        (folder / "checks.json").write_text(json.dumps([row]))
    assert read_results(tmp_path, leave_out=["tasks-lifecycle"]) == [Check("server-initialize", "x", "FAILURE", "no")]


@pytest.mark.parametrize(("entry", "allowed"), [("ping", False), ("ping:ping", False), ("caching", True)])
def test_what_is_required_cannot_be_listed_as_an_expected_failure(tmp_path: Path, entry: str, allowed: bool) -> None:
    file = tmp_path / "expected.yml"
    file.write_text(f"server: ['{entry}']")
    if allowed:
        assert expected_failures(file, required=["ping"]) == (entry,)
    else:
        with pytest.raises(ValueError, match="is required"):
            expected_failures(file, required=["ping"])


@pytest.mark.parametrize("revision", REVISIONS)
def test_our_lists_excuse_nothing_that_is_required(revision: str) -> None:
    expected_failures(FOLDER / f"expected-failures-{revision}.yml", required=REQUIRED[revision])
