from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.audit.segments import Segments
from mcp_gateway.errors import AuditUnavailable

LINE = b"x" * 99 + b"\n"


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_nothing_is_created_before_the_first_record(tmp_path: Path) -> None:
    Segments(tmp_path / "audit", "w")
    assert not (tmp_path / "audit").exists()


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "audit", "w")
    segments.append(LINE)
    segments.close()
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "audit" / "w-000001.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_full_file_is_followed_by_the_next(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w", max_bytes=250)
    for _ in range(5):
        segments.append(LINE)
    segments.close()
    assert files(tmp_path) == ["w-000001.jsonl", "w-000002.jsonl", "w-000003.jsonl"]
    assert [(tmp_path / name).stat().st_size for name in files(tmp_path)] == [200, 200, 100]


def test_a_record_larger_than_a_file_still_gets_one(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w", max_bytes=10)
    segments.append(LINE)
    segments.append(LINE)
    segments.close()
    assert len(files(tmp_path)) == 2


def test_one_sync_covers_the_current_file_and_those_rolled_since(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w", max_bytes=100)
    for _ in range(3):
        segments.append(LINE)
    unsynced = segments.unsynced()
    segments.sync(unsynced)
    segments.settle(unsynced, synced=True)
    assert (len(unsynced.files), len(unsynced.retired), unsynced.new_names) == (3, 2, True)
    assert (len(segments.unsynced().files), segments.unsynced().new_names) == (1, False)
    segments.close()


def test_no_place_to_write_is_said_and_a_place_that_appears_is_used(tmp_path: Path) -> None:
    in_the_way = tmp_path / "audit"
    in_the_way.write_text("a file where the directory should be")
    segments = Segments(in_the_way, "w")
    with pytest.raises(AuditUnavailable) as caught:
        segments.append(LINE)
    assert caught.value.code == "audit.unavailable"
    in_the_way.unlink()
    segments.append(LINE)
    segments.close()
    assert files(in_the_way) == ["w-000001.jsonl"]


def test_a_deleted_file_is_noticed_at_the_sync_and_replaced(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w")
    segments.append(LINE)
    (tmp_path / "w-000001.jsonl").unlink()
    unsynced = segments.unsynced()
    with pytest.raises(OSError, match="deleted"):
        segments.sync(unsynced)
    segments.settle(unsynced, synced=False)
    segments.append(LINE)
    segments.close()
    assert files(tmp_path) == ["w-000002.jsonl"]


def test_an_existing_file_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "w-000001.jsonl").write_bytes(b"another's\n")
    segments = Segments(tmp_path, "w")
    with pytest.raises(AuditUnavailable):
        segments.append(LINE)
    assert (tmp_path / "w-000001.jsonl").read_bytes() == b"another's\n"
