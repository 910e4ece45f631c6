"""What works between clients and upstreams of both eras, from what `make conformance` judges.

A feature works in a cell when none of its scenarios stands in the list of expected failures; the
judge fails when the list says less, or more, than is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.conformance.cells import CELLS
from tests.conformance.features import FEATURES, TASKS_FEATURE, Feature
from tests.conformance.verdict import expected_failures

PAGE = Path(__file__).resolve().parent / "eras.md"
EXPECTED = Path(__file__).resolve().parents[1] / "tests/conformance/expected-failures.yml"
_COLUMNS = (
    ("2025-11-25", "legacy", "2025-11-25 to a legacy upstream"),
    ("2025-11-25", "modern", "2025-11-25 to a modern upstream"),
    ("2026-07-28", "legacy", "2026-07-28 to a legacy upstream"),
    ("2026-07-28", "modern", "2026-07-28"),
)
_UPSTREAM = {"legacy": "2025-11-25", "modern": "2026-07-28"}


def page() -> str:
    expected = expected_failures(EXPECTED)
    notes: dict[str, int] = {}
    rows = [_row(feature, expected, notes) for feature in FEATURES]
    tasks = _told(TASKS_FEATURE.modern, expected.get("tasks", {}), notes)
    rows.append(f"| {TASKS_FEATURE.name} (`io.modelcontextprotocol/tasks`) | – | – | – | {tasks} |")
    head = "".join(f" {client} → {_UPSTREAM[upstream]} |" for client, upstream, _ in _COLUMNS)
    return "\n".join(
        [
            "# What works between eras",
            "",
            "Written by `make docs` from what `make conformance` judges; do not edit.",
            "",
            "MCP up to 2025-11-25 (a handshake, sessions) and from 2026-07-28 (each request for itself) do not talk",
            "to each other. The gateway speaks both on both sides. A column is the revision of the client and that of",
            "the upstream behind the gateway; – means that the official suite has no scenario for it there.",
            "",
            f"| |{head}",
            f"|---|{'---|' * len(_COLUMNS)}",
            *rows,
            "",
            *(f"{number}. {sentence}" for sentence, number in notes.items()),
            *([""] if notes else []),
            f"Judged besides: {', '.join(cell.name for cell in CELLS if cell.name not in _judged())}; and the suite's",
            "client scenarios, which show the gateway as a client of its upstreams.",
            "",
        ]
    )


def _judged() -> set[str]:
    return {name for _, _, name in _COLUMNS} | {"tasks"}


def _row(feature: Feature, expected: Mapping[str, Mapping[str, str]], notes: dict[str, int]) -> str:
    told = (
        _told(feature.legacy if client == "2025-11-25" else feature.modern, expected.get(cell, {}), notes)
        for client, _, cell in _COLUMNS
    )
    return f"| {feature.name} | {' | '.join(told)} |"


def _told(shown: tuple[str, ...], excused: Mapping[str, str], notes: dict[str, int]) -> str:
    if not shown:
        return "–"
    reasons = {reason for entry, reason in excused.items() if any(_same(entry, scenario) for scenario in shown)}
    if not reasons:
        return "yes"
    return "see " + ", ".join(str(notes.setdefault(reason, len(notes) + 1)) for reason in sorted(reasons))


def _same(entry: str, scenario: str) -> bool:
    """Whether one of the two is the other, or a check of it."""
    return entry == scenario or entry.startswith(f"{scenario}:") or scenario.startswith(f"{entry}:")
