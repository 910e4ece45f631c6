from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_gateway.audit import Journal, Kind, Verified, verify
from mcp_gateway.audit.record import GENESIS, parse, seal
from tests.unit.audit.calls import call, files

Lines = list[bytes]

ELSEWHERE = "record 5 is not what was written: the next or the one before names another"


@pytest.fixture
async def audit(tmp_path: Path, anyio_backend: str) -> Path:
    """Ten records of one writer in one file."""
    async with Journal(tmp_path) as journal:
        for number in range(5):
            await call(journal, identifier=f"r-{number}")
    return tmp_path


def only_file(audit: Path) -> Path:
    (path,) = audit.iterdir()
    return path


def checked(audit: Path) -> Verified:
    (found,) = verify(audit).writers
    return found


@pytest.mark.anyio
async def test_an_untouched_chain_is_whole(audit: Path) -> None:
    found = checked(audit)
    assert (found.whole, found.records, found.first_seq, found.last_seq, found.torn) == (True, 10, 1, 10, False)


def changed(lines: Lines) -> Lines:
    return [*lines[:4], lines[4].replace(b"user:local/mira", b"user:local/noor", 1), *lines[5:]]


def without(lines: Lines) -> Lines:
    return [*lines[:4], *lines[5:]]


def swapped(lines: Lines) -> Lines:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def doubled(lines: Lines) -> Lines:
    return [*lines[:5], lines[4], *lines[5:]]


def writer_of(lines: Lines) -> str:
    return str(parse(lines[0])["writer"])


def forged(lines: Lines) -> Lines:
    """A record that is right by itself, at the right number, but does not follow."""
    return [*lines[:4], seal({"kind": "x"}, seq=5, prev=GENESIS, writer=writer_of(lines), at=1.0)[0], *lines[5:]]


def rehashed(lines: Lines) -> Lines:
    """The change of a record with its hash made anew breaks at the record after it."""
    forged_line, _ = seal({"kind": "x"}, seq=5, prev=lines[3][9:73].decode(), writer=writer_of(lines), at=1.0)
    return [*lines[:4], forged_line, *lines[5:]]


def garbled(lines: Lines) -> Lines:
    return [*lines[:4], b"not a record\n", *lines[5:]]


def last_changed(lines: Lines) -> Lines:
    return [*lines[:9], lines[9].replace(b'"outcome":"ok"', b'"outcome":"no"')]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tamper", "line", "kind", "problem"),
    [
        (changed, 5, Kind.EDITED, "record 5 was changed"),
        (without, 5, Kind.DELETED, "record 5 is missing"),
        (swapped, 6, Kind.REORDERED, "record 5 is not in order"),
        (doubled, 6, Kind.ADDED, "record 5 stands there twice"),
        (forged, 5, Kind.EDITED, ELSEWHERE),
        (rehashed, 5, Kind.EDITED, ELSEWHERE),
        (garbled, 5, Kind.EDITED, "record 5 is no longer a record"),
        (last_changed, 10, Kind.EDITED, "record 10 was changed"),
    ],
)
async def test_tampering_is_found_where_it_was_done(
    audit: Path, tamper: Callable[[Lines], Lines], line: int, kind: Kind, problem: str
) -> None:
    path = only_file(audit)
    path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))
    report = verify(audit)
    assert not report.writers[0].whole
    found = report.findings[0]
    assert (found.kind, found.where, found.problem) == (kind, f"{path.name}:{line}", problem)


@pytest.mark.anyio
async def test_a_torn_end_is_said_and_is_no_finding(audit: Path) -> None:
    with only_file(audit).open("ab") as file:
        file.write(b'{"hash":"ab')
    found = checked(audit)
    assert (found.whole, found.torn, found.records) == (True, True, 10)


@pytest.mark.anyio
async def test_the_chain_goes_on_over_files_and_every_file_is_missed(tmp_path: Path) -> None:
    async with Journal(tmp_path, max_bytes=1000) as journal:
        for _ in range(5):
            await call(journal)
    paths = files(tmp_path)
    assert (len(paths) > 3, checked(tmp_path).whole, checked(tmp_path).last_seq) == (True, True, 10)
    paths[2].unlink()
    assert [finding.kind for finding in verify(tmp_path).findings] == [Kind.DELETED]
    paths[0].unlink()
    assert [finding.kind for finding in verify(tmp_path).findings] == [Kind.DELETED] * 2


@pytest.mark.anyio
async def test_each_writer_has_a_chain_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        async with Journal(tmp_path) as journal:
            await call(journal)
    assert [(found.whole, found.records) for found in verify(tmp_path).writers] == [(True, 2)] * 3
