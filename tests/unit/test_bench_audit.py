"""The benchmark of the audit's proof runs, and says what it says of records that verify."""

from __future__ import annotations

from pathlib import Path

from bench.audit import run


def test_records_are_written_covered_verified_and_proven(tmp_path: Path) -> None:
    found = run(tmp_path, 6_000)
    assert (found["records"], found["checkpoints"]) == (6_000, 3)
    assert found["verify_cpu_us_per_record"] > 0
    assert found["proof_bytes"] < 10_000
