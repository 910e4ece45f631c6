"""What is judged: which of the suite's scenarios, spoken in which revision, to an upstream of which era. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass

from examples.conformance.eras import Era

TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-status-notifications",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the suite."""

    revision: str
    arguments: tuple[str, ...]
    scenarios: frozenset[str] | None = None
    """None means all that the arguments choose, but for optional extensions."""


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    run: Run
    upstream: Era = "both"


REQUIRED_2025 = Run("2025-11-25", ("--requirements", "2025-11-25"))
REQUIRED_2026 = Run("2026-07-28", ("--requirements", "2026-07-28"))
_ALL_2025_06 = Run("2025-06-18", ("--suite", "all", "--spec-version", "2025-06-18"))
# The requirement set runs the extension's scenarios too, and does not score them.
_TASKS = Run("2026-07-28", ("--requirements", "2026-07-28"), frozenset(TASKS))

RUNS = (REQUIRED_2025, REQUIRED_2026, _ALL_2025_06, _TASKS)
CELLS = (
    Cell("2025-11-25", REQUIRED_2025),
    Cell("2026-07-28", REQUIRED_2026),
    Cell("2025-06-18", _ALL_2025_06),
    Cell("tasks", _TASKS),
    # The fixture server speaks both eras, and the gateway chooses the modern one: these keep it to one.
    Cell("2025-11-25 to a legacy upstream", REQUIRED_2025, "legacy"),
    Cell("2025-11-25 to a modern upstream", REQUIRED_2025, "modern"),
    Cell("2026-07-28 to a legacy upstream", REQUIRED_2026, "legacy"),
)
