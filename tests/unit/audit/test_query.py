from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.audit import Journal, Record, Trail, Wanted
from mcp_gateway.audit.record import GENESIS, seal
from tests.unit.audit.calls import call


def at(moment: float, **fields: Any) -> dict[str, Any]:
    return {"kind": "list", "at": moment, **fields}


def moments(records: Sequence[Record]) -> list[float]:
    return [record["at"] for record in records]


class Timed:
    """Writes fields with their own time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, writer: str, *fields: dict[str, Any], number: int = 1) -> Path:
        path, prev, lines = self._directory / f"{writer}-{number:06d}.jsonl", GENESIS, list[bytes]()
        for seq, said in enumerate(fields, start=1):
            line, prev = seal(dict(said), seq=seq, prev=prev, writer=writer, at=said["at"])
            lines.append(line)
        path.write_bytes(b"".join(lines))
        return path


@pytest.fixture
def put(tmp_path: Path) -> Timed:
    return Timed(tmp_path)


def test_without_an_audit_there_is_nothing(tmp_path: Path) -> None:
    assert Trail(tmp_path / "none").tail(10) == []
    assert Trail(tmp_path / "none").show("r-1") == []


def test_the_records_of_all_writers_come_in_the_order_of_time(tmp_path: Path, put: Timed) -> None:
    put("a", at(1), at(4), at(5))
    put("b", at(2), at(3), at(6))
    assert moments(Trail(tmp_path).tail(10)) == [1, 2, 3, 4, 5, 6]
    assert moments(Trail(tmp_path).tail(2)) == [5, 6]
    assert moments(list(Trail(tmp_path).newest())) == [6, 5, 4, 3, 2, 1]


def test_a_writers_files_are_one_sequence(tmp_path: Path, put: Timed) -> None:
    put("a", at(3), number=2)
    put("a", at(1), at(2), number=1)
    assert moments(Trail(tmp_path).tail(10)) == [1, 2, 3]


def test_many_records_over_many_blocks_are_read_backwards_whole(tmp_path: Path, put: Timed) -> None:
    put("a", *(at(moment, named={"text": "x" * 400}) for moment in range(1000)))
    assert moments(Trail(tmp_path).tail(1000)) == list(range(1000))


def test_a_record_larger_than_a_block_is_read_whole(tmp_path: Path, put: Timed) -> None:
    put("a", at(1), at(2, text="x" * 200_000), at(3))
    assert moments(Trail(tmp_path).tail(3)) == [1, 2, 3]


@pytest.mark.parametrize("torn", [b'{"hash":"abc', b"\x00" * 40, b"{"])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, put: Timed, torn: bytes) -> None:
    with put("a", at(1), at(2)).open("ab") as file:
        file.write(torn)
    assert moments(Trail(tmp_path).tail(10)) == [1, 2]


def test_one_request_is_shown_in_order_and_alone(tmp_path: Path, put: Timed) -> None:
    put("a", at(1, request="r-1", kind="intent"), at(2, request="r-2"), at(3, request="r-1", kind="outcome"))
    put("b", at(4, request="r-11"), at(5, named={"text": "r-1"}))
    assert [record["kind"] for record in Trail(tmp_path).show("r-1")] == ["intent", "outcome"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(user="user:local/mira"), [1, 2]),
        (Wanted(user="user:local/admin"), [3]),
        (Wanted(agent="agent:local/docs"), [2]),
        (Wanted(tool="tool:t/x", effect="deny"), [2]),
        (Wanted(kind="grant.added"), [3]),
        (Wanted(since=2.0), [2, 3]),
        (Wanted(user="user:local/mira", since=2.0), [2]),
        (Wanted(user="user:local/nobody"), []),
    ],
)
def test_only_what_is_wanted_is_found(tmp_path: Path, put: Timed, wanted: Wanted, found: list[float]) -> None:
    put(
        "a",
        at(1, user="user:local/mira", tool="tool:t/x", effect="allow"),
        at(2, user="user:local/mira", agent="agent:local/docs", tool="tool:t/x", effect="deny"),
        at(3, kind="grant.added", actor="user:local/admin"),
    )
    assert moments(Trail(tmp_path).tail(10, wanted)) == found


def test_the_last_matching_records_are_found_however_far_back(tmp_path: Path, put: Timed) -> None:
    put("a", at(0, user="user:local/mira"), *(at(moment) for moment in range(1, 500)))
    assert moments(list(islice(Trail(tmp_path).newest(Wanted(user="user:local/mira")), 1))) == [0]


@pytest.mark.anyio
async def test_following_tells_what_any_process_writes_from_now_on(tmp_path: Path) -> None:
    seen: list[str] = []
    async with Journal(tmp_path) as old:
        await call(old, identifier="r-before")
        following = Trail(tmp_path).follow(Wanted(kind="outcome"))
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                async for record in following:
                    seen.append(record["request"])
                    if len(seen) == 2:
                        tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            with anyio.fail_after(10):
                while len(seen) < 2:
                    # Again and again, as nothing says when the watcher has begun.
                    await call(old, identifier="r-old")
                    async with Journal(tmp_path) as new:
                        await call(new, identifier="r-new")
                    await anyio.sleep(0.05)
        await following.aclose()
    assert set(seen) == {"r-old", "r-new"}
