"""A process that is killed, and a disk that is full: real processes, real files."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_gateway.audit import Trail, verify
from tests.unit.audit.calls import written

ROOT = Path(__file__).parents[3]


def child(what: str, directory: Path) -> list[str]:
    return [sys.executable, "-m", "tests.unit.audit.child", what, str(directory)]


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_process_loses_no_record_of_a_call_that_was_answered(tmp_path: Path, seed: int) -> None:
    wanted = random.Random(seed).randrange(1, 800)
    with subprocess.Popen(child("kill", tmp_path), cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline() for _ in range(wanted)]
        process.kill()
        # What it said between our last line and its end was said as well; a torn line was not.
        answered += [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    acknowledged = {line.decode().strip() for line in answered}
    records = list(Trail(tmp_path).newest())
    for kind in ("intent", "outcome"):
        recorded = {record["request"] for record in records if record["kind"] == kind}
        assert acknowledged - recorded == set()
    assert verify(tmp_path).whole


def test_a_full_disk_stops_calls_and_room_lets_them_go_on(tmp_path: Path) -> None:
    done = subprocess.run(child("full", tmp_path), cwd=ROOT, capture_output=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["forwarded"] == ["r-before", "r-after"]
    assert told["refused"] == ["r-part", "r-nothing", "r-nothing-again"]
    assert verify(tmp_path).whole
    assert {record["request"] for record in written(tmp_path)} >= {"r-before", "r-after"}
    assert all(path.stat().st_size for path in tmp_path.iterdir()), "no empty files are left behind"
