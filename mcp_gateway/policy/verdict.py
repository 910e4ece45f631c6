"""What a run of test files found, and how it reads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """One assertion."""

    file: Path
    line: int
    test: str
    """The test's or case's name."""
    kind: str
    """`check`, `list_objects`, `list_users`, `case`, or `file` when it cannot be run."""
    asked: str
    """In one line, such as `user:mira can_call tool:tickets/get`."""
    expected: str
    found: str
    error: bool = False
    """It could not be asked at all."""

    @property
    def passed(self) -> bool:
        return not self.error and self.expected == self.found

    def __str__(self) -> str:
        said = self.found if self.error else f"expected {self.expected}, found {self.found}"
        return f"{self.file}:{self.line}: {self.test}: {self.kind} {self.asked}: {said}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "line": self.line,
            "test": self.test,
            "kind": self.kind,
            "asked": self.asked,
            "expected": self.expected,
            "found": self.found,
            "result": "passed" if self.passed else "error" if self.error else "failed",
        }


@dataclass(frozen=True, slots=True)
class Run:
    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """In error or with another answer than expected."""
        return tuple(one for one in self.verdicts if not one.passed)

    def files(self) -> dict[Path, Sequence[Verdict]]:
        found: dict[Path, list[Verdict]] = {}
        for one in self.verdicts:
            found.setdefault(one.file, []).append(one)
        return dict(found)

    def summary(self) -> str:
        """The line build systems look for."""
        errors = sum(one.error for one in self.verdicts)
        failures = len(self.failed) - errors
        return (
            f"Tests run: {len(self.verdicts)}, Failures: {failures}, Errors: {errors}, "
            f"Skipped: 0, Time elapsed: {self.seconds:.3f} s"
        )

    def as_dict(self) -> dict[str, Any]:
        errors = sum(one.error for one in self.verdicts)
        return {
            "run": len(self.verdicts),
            "failures": len(self.failed) - errors,
            "errors": errors,
            "seconds": round(self.seconds, 3),
            "tests": [one.as_dict() for one in self.verdicts],
        }
