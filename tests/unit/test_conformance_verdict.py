"""How the conformance runner counts: what passes alone has to pass through the gateway, or a sentence says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.cells import CELLS
from tests.conformance.features import FEATURES, not_shown
from tests.conformance.run import CLIENT, EXPECTED
from tests.conformance.verdict import Check, expected_failures, judge, read_results


def check(scenario: str, *, id: str = "a", ok: bool = True, status: str | None = None) -> Check:
    return Check(scenario, id, status or ("SUCCESS" if ok else "FAILURE"), "")


def test_a_run_without_a_single_check_is_not_good() -> None:
    assert not judge([]).good


def test_a_failure_nobody_expected_counts_as_failed() -> None:
    verdict = judge([check("ping"), check("caching", ok=False)])
    assert not verdict.good
    assert verdict.counts() == {"passed": 1, "failed": 1, "expected": 0}


@pytest.mark.parametrize("entry", ["caching", "caching:a"])
def test_an_expected_failure_is_excused_as_a_scenario_or_as_one_check(entry: str) -> None:
    verdict = judge([check("ping"), check("caching", ok=False)], expected={entry: "why"})
    assert verdict.good
    assert verdict.counts() == {"passed": 1, "failed": 0, "expected": 1}


def test_an_entry_for_one_check_does_not_excuse_another() -> None:
    checks = [check("caching"), check("caching", id="b", ok=False), check("caching", id="c", ok=False)]
    assert [failure.id for failure in judge(checks, expected={"caching:b": "why"}).failed] == ["c"]


def test_an_entry_that_passes_now_has_to_go() -> None:
    verdict = judge([check("caching")], expected={"caching": "why"}, control=[check("caching")])
    assert verdict.stale == ("caching",)
    assert not verdict.good


def test_an_entry_for_what_passes_at_times_may_stay() -> None:
    assert judge([check("caching")], expected={"caching": "at times: SHOULD"}, control=[check("caching")]).good


@pytest.mark.parametrize("status", ["SKIPPED", "WARNING", "INFO", None])
def test_what_passes_alone_and_neither_fails_nor_passes_through_the_gateway_is_lost(status: str | None) -> None:
    through = [check("ping"), *([check("caching", status=status)] if status else [])]
    verdict = judge(through, control=[check("ping"), check("caching"), check("caching")])
    assert [lost.names[1] for lost in verdict.lost] == ["caching:a"]
    assert verdict.counts() == {"passed": 1, "failed": 1, "expected": 0}
    assert not verdict.good


def test_what_is_lost_can_be_excused_and_is_not_counted_twice_when_it_fails() -> None:
    control = [check("ping"), check("caching"), check("polling")]
    verdict = judge(
        [check("ping"), check("caching", ok=False)], expected={"polling": "why", "caching": "why"}, control=control
    )
    assert verdict.good
    assert verdict.counts() == {"passed": 1, "failed": 0, "expected": 2}


def test_what_does_not_pass_alone_is_not_asked_of_the_gateway() -> None:
    assert judge([check("ping")], control=[check("ping"), check("caching", status="WARNING")]).good


def test_results_are_read_per_scenario_of_servers_and_of_clients(tmp_path: Path) -> None:
    for scenario in ("server-server-initialize", "server-tasks-lifecycle", "tools_call"):
        folder = tmp_path / f"{scenario}-2026-11-21T04-58-21-797Z"
        folder.mkdir()
        row = {"id": "x", "status": "FAILURE", "errorMessage": "no"}
        (folder / "checks.json").write_text(json.dumps([row]))
    named = [found.scenario for found in read_results(tmp_path, leave_out=["tasks-lifecycle"])]
    assert named == ["server-initialize", "tools_call"]
    assert read_results(tmp_path, only=["tasks-lifecycle"]) == (Check("tasks-lifecycle", "x", "FAILURE", "no"),)


def test_an_expected_failure_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "expected.yml"
    file.write_text("tasks: {caching: ''}")
    with pytest.raises(ValueError, match="caching says no reason"):
        expected_failures(file)


def test_our_list_names_cells_that_are_judged() -> None:
    assert expected_failures(EXPECTED).keys() <= {cell.name for cell in CELLS} | {CLIENT}


def test_a_feature_whose_scenario_is_not_judged_is_found() -> None:
    legacy = [check(name) for feature in FEATURES for name in feature.legacy]
    modern = [check(name) for feature in FEATURES for name in feature.modern]
    assert not_shown(legacy, modern[1:]) == (modern[0].scenario,)
