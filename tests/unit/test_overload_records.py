"""What was refused for overload is on record: by sender and second, whatever their number."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from mcp_gateway.audit import Journal, sentence
from mcp_gateway.compose.overload import put_on_record, run_overload
from tests.unit.audit.calls import written

pytestmark = pytest.mark.anyio


def sender(number: int) -> tuple[str, str]:
    return f"user:local/u{number}", "agent:local/docs"


@contextmanager
def gone(directory: Path) -> Generator[None]:
    """A file stands where the directory was."""
    kept = directory.with_name(directory.name + "-away")
    directory.rename(kept)
    directory.touch()
    yield
    directory.unlink()
    kept.rename(directory)


async def test_each_sender_is_one_record_with_a_number_and_many_senders_are_not_many_records(tmp_path: Path) -> None:
    turned_away: dict[Hashable, int] = {sender(number): number for number in range(1, 101)}
    turned_away[""] = 1_000
    async with Journal(tmp_path) as journal:
        put_on_record(journal, turned_away)
        put_on_record(journal, turned_away)
    records = written(tmp_path)
    assert {(one["kind"], one["effect"], one["code"]) for one in records} == {("refused", "deny", "limit.overload")}
    assert [(one["user"], one["count"]) for one in records[:-1]] == [
        (sender(number)[0], number) for number in range(100, 80, -1)
    ]
    assert "user" not in records[-1] and records[-1]["count"] == 1_000 + sum(range(1, 81))
    assert not turned_away
    assert sentence(records[0]).endswith(
        "100 requests of user:local/u100 through agent:local/docs were refused: limit.overload"
    )


async def test_what_was_refused_last_is_recorded_when_the_gateway_stops(tmp_path: Path) -> None:
    turned_away: dict[Hashable, int] = {}
    async with Journal(tmp_path) as journal, anyio.create_task_group() as tasks:
        tasks.start_soon(run_overload, journal, turned_away)
        await anyio.sleep(0.05)
        turned_away[sender(1)] = 7
        tasks.cancel_scope.cancel()
    [record] = written(tmp_path)
    assert (record["user"], record["client"], record["count"]) == (sender(1)[0], "docs", 7)


async def test_what_cannot_be_recorded_now_is_recorded_later(tmp_path: Path) -> None:
    turned_away: dict[Hashable, int] = {sender(1): 7, "": 2}
    async with Journal(tmp_path) as journal:
        with gone(tmp_path):
            put_on_record(journal, turned_away)
        assert list(turned_away.values()) == [7, 2]
        put_on_record(journal, turned_away)
    assert [one["count"] for one in written(tmp_path)] == [7, 2]
