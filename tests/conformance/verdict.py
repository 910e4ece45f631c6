"""From the suite's result files, a control and the expected failures to a verdict. Pure but for reading files.

The control is the same run without the gateway: whatever passes there has to pass through the gateway.
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

AT_TIMES = "at times"
_FOLDER = re.compile(r"^(?:server-)?(?P<scenario>.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$")


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
    lost: tuple[Check, ...]
    """They pass in the control and do not fail here, but do not pass either."""

    @property
    def good(self) -> bool:
        return self.passed > 0 and not (self.failed or self.stale or self.lost)

    def counts(self) -> dict[str, int]:
        return {
            "passed": self.passed,
            "failed": len(self.failed) + len(self.lost) + len(self.stale),
            "expected": len(self.expected),
        }


def judge(
    checks: Sequence[Check], *, expected: Mapping[str, str] | None = None, control: Iterable[Check] = ()
) -> Verdict:
    """`expected` is entry to reason; one that begins with AT_TIMES may pass."""
    reasons = expected or {}
    listed = set(reasons)
    passing = {check.names[1] for check in checks if check.status == "SUCCESS"}
    failures = [check for check in checks if check.failed]
    seen = {check.names[1] for check in failures}
    absent = [check for check in _unique(control) if check.names[1] not in passing | seen]
    excused = [check for check in (*failures, *absent) if listed & set(check.names)]
    used = {name for check in excused for name in check.names}
    return Verdict(
        passed=sum(check.status == "SUCCESS" for check in checks),
        failed=tuple(check for check in failures if check not in excused),
        expected=tuple(excused),
        stale=tuple(sorted(entry for entry in listed - used if not reasons[entry].startswith(AT_TIMES))),
        lost=tuple(check for check in absent if check not in excused),
    )


def _unique(control: Iterable[Check]) -> Iterable[Check]:
    """One of each check that passed; some are made once per request."""
    return {check.names[1]: check for check in control if check.status == "SUCCESS"}.values()


def read_results(
    folder: Path, *, only: Iterable[str] | None = None, leave_out: Iterable[str] = ()
) -> tuple[Check, ...]:
    """Every check of a run: of the scenarios in `only`, or of all but those left out."""
    chosen, skipped = None if only is None else set(only), set(leave_out)
    checks: list[Check] = []
    for results in sorted(folder.glob("*/checks.json")):
        named = _FOLDER.match(results.parent.name)
        if named is None or (named["scenario"] in skipped if chosen is None else named["scenario"] not in chosen):
            continue
        rows: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))
        checks += [_check(named["scenario"], row) for row in rows]
    return tuple(checks)


def _check(scenario: str, row: Mapping[str, Any]) -> Check:
    return Check(scenario, str(row["id"]), str(row["status"]), str(row.get("errorMessage") or ""))


def extensions(requirements: Path) -> frozenset[str]:
    """Scenarios of optional extensions, from the suite's own requirement file."""
    unscored: list[dict[str, str]] = yaml.safe_load(requirements.read_text(encoding="utf-8"))["not_scored"]
    return frozenset(row["scenario"] for row in unscored if row["reason"] == "extension")


def expected_failures(file: Path) -> dict[str, dict[str, str]]:
    """Cell to entry to the sentence that makes it so. Raises ValueError for an entry without one."""
    written: dict[str, dict[str, str] | None] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    for cell, entries in written.items():
        for entry, reason in (entries or {}).items():
            if not str(reason or "").strip():
                raise ValueError(f"{file.name}: {cell}: {entry} says no reason")
    return {cell: dict(entries or {}) for cell, entries in written.items()}
