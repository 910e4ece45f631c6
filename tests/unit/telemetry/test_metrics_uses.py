"""First uses: remembered for ever, told once, and never at the cost of anything else."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from mcp_gateway.telemetry.metrics_uses import FirstUses
from tests.support.upstreams import until

pytestmark = pytest.mark.anyio


async def flushed(uses: FirstUses, path: Path, *, lines: int) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uses.run)
        await until(lambda: path.exists() and len(path.read_bytes().splitlines()) >= lines)
        await until(lambda: len(uses.recent()) >= lines)
        tasks.cancel_scope.cancel()


async def test_a_pair_is_first_once_and_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "uses.jsonl"
    first = FirstUses(path, clock=lambda: 1000.0)
    first.noticed("agent:a", "tool:s/t", "read")
    first.noticed("agent:a", "tool:s/t", "read")
    await flushed(first, path, lines=1)
    again = FirstUses(path, clock=lambda: 2000.0)
    again.noticed("agent:a", "tool:s/t", "read")
    again.noticed("agent:a", "tool:s/u", "write")
    await flushed(again, path, lines=2)
    assert [(use.tool, use.at) for use in again.recent()] == [("tool:s/t", 1000.0), ("tool:s/u", 2000.0)]
    assert path.stat().st_mode & 0o077 == 0


async def test_what_is_older_than_a_day_is_known_and_not_shown(tmp_path: Path) -> None:
    path, now = tmp_path / "uses.jsonl", [1000.0]
    uses = FirstUses(path, clock=lambda: now[0])
    uses.noticed("agent:a", "tool:s/t", "read")
    await flushed(uses, path, lines=1)
    now[0] += 86_401
    assert list(uses.recent()) == []


async def test_lines_that_are_torn_or_not_ours_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "uses.jsonl"
    good = '{"agent":"agent:a","tool":"tool:s/t","risk":"read","at":1}\n'
    path.write_text('[]\n{"agent":1}\nnonsense\n' + good + '{"agent":"agent:b"')
    uses = FirstUses(path, clock=lambda: 5.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uses.run)
        await until(lambda: [use.agent for use in uses.recent()] == ["agent:a"])
        tasks.cancel_scope.cancel()


async def test_a_file_that_cannot_be_had_costs_the_watch_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics").write_text("in the way")
    uses = FirstUses(tmp_path / "metrics" / "uses.jsonl")
    uses.noticed("agent:a", "tool:s/t", "read")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uses.run)
        await until(lambda: "first uses of tools cannot be kept" in caplog.text)
        tasks.cancel_scope.cancel()
