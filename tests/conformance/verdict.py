"""From the suite's result files and our list of expected failures to a verdict. Pure but for reading files.

The suite's own exit code is not used: it leaves scenarios unscored that we want to pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REVISIONS = ("2025-11-25", "2026-07-28")

_BOTH = frozenset(
    {
        "tools-list",
        "tools-call-simple-text",
        "tools-call-image",
        "tools-call-audio",
        "tools-call-embedded-resource",
        "tools-call-mixed-content",
        "tools-call-error",
        "tools-call-with-progress",
        "json-schema-2020-12",
        "dns-rebinding-protection",
        "server-sse-multiple-streams",
    }
)
REQUIRED: Mapping[str, frozenset[str]] = {
    "2025-11-25": _BOTH | {"server-initialize", "ping", "server-session-lifecycle"},
    "2026-07-28": _BOTH | {"server-stateless", "http-header-validation", "http-custom-header-server-validation"},
}
"""Scenarios that pass, whatever the list of expected failures says."""
_PARTIAL = frozenset({"server-stateless"})
"""Required, but single checks of methods the gateway does not have may be listed."""
_FOLDER = re.compile(r"^server-(?P<scenario>.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$")


@dataclass(frozen=True, slots=True)
class Check:
    scenario: str
    id: str
    status: str
    message: str

    @property
    def failed(self) -> bool:
        return self.status == "FAILURE"

    @property
    def names(self) -> tuple[str, str]:
        """How a list of expected failures may name it."""
        return (self.scenario, f"{self.scenario}:{self.id}")


@dataclass(frozen=True, slots=True)
class Verdict:
    passed: int
    """Checks."""
    failed: tuple[Check, ...]
    """Failures nobody expected."""
    expected: tuple[Check, ...]
    stale: tuple[str, ...]
    """Listed, but they pass now."""
    missing: tuple[str, ...]
    """Required scenarios without a single passed check."""

    @property
    def good(self) -> bool:
        return self.passed > 0 and not (self.failed or self.stale or self.missing)

    def counts(self) -> dict[str, int]:
        return {
            "passed": self.passed,
            "failed": len(self.failed) + len(self.missing) + len(self.stale),
            "expected": len(self.expected),
        }


def judge(checks: Sequence[Check], *, expected: Iterable[str], required: Iterable[str]) -> Verdict:
    listed = set(expected)
    failures = [check for check in checks if check.failed]
    excused = [check for check in failures if listed & set(check.names)]
    passing = {check.scenario for check in checks if check.status == "SUCCESS"}
    used = {name for check in excused for name in check.names}
    return Verdict(
        passed=sum(check.status == "SUCCESS" for check in checks),
        failed=tuple(check for check in failures if check not in excused),
        expected=tuple(excused),
        stale=tuple(sorted(listed - used)),
        missing=tuple(sorted(set(required) - passing)),
    )


def read_results(folder: Path, *, leave_out: Iterable[str] = ()) -> list[Check]:
    """Every check of a run, but for the scenarios left out."""
    skipped = set(leave_out)
    checks: list[Check] = []
    for results in sorted(folder.glob("server-*/checks.json")):
        named = _FOLDER.match(results.parent.name)
        if named is not None and named["scenario"] not in skipped:
            rows: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))
            checks += [_check(named["scenario"], row) for row in rows]
    return checks


def _check(scenario: str, row: Mapping[str, Any]) -> Check:
    return Check(scenario, str(row["id"]), str(row["status"]), str(row.get("errorMessage") or ""))


def extensions(requirements: Path) -> frozenset[str]:
    """Scenarios of optional extensions, from the suite's own requirement file."""
    unscored: list[dict[str, str]] = yaml.safe_load(requirements.read_text(encoding="utf-8"))["not_scored"]
    return frozenset(row["scenario"] for row in unscored if row["reason"] == "extension")


def expected_failures(file: Path, *, required: Iterable[str]) -> tuple[str, ...]:
    """Raises ValueError when the file excuses something that is required."""
    written: dict[str, list[str] | None] = yaml.safe_load(file.read_text(encoding="utf-8"))
    listed = written["server"] or []
    for entry in listed:
        scenario, _, check = entry.partition(":")
        if scenario in set(required) and not (check and scenario in _PARTIAL):
            raise ValueError(f"{file.name}: {entry} is required and cannot be an expected failure")
    return tuple(listed)
