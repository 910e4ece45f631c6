from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_gateway.audit import Journal, Verified, verify
from mcp_gateway.audit.record import GENESIS, seal
from tests.unit.audit.calls import call, files

Lines = list[bytes]


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
    (found,) = verify(audit)
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


def forged(lines: Lines) -> Lines:
    """A record that is right by itself, at the right number, but does not follow."""
    return [*lines[:4], seal({"kind": "x"}, seq=5, prev=GENESIS, writer="w", at=1.0)[0], *lines[5:]]


def rehashed(lines: Lines) -> Lines:
    """The change of a record with its hash made anew breaks at the record after it."""
    forged_line, _ = seal({"kind": "x"}, seq=5, prev=lines[3][9:73].decode(), writer="w", at=1.0)
    return [*lines[:4], forged_line, *lines[5:]]


def garbled(lines: Lines) -> Lines:
    return [*lines[:4], b"not a record\n", *lines[5:]]


def last_changed(lines: Lines) -> Lines:
    return [*lines[:9], lines[9].replace(b'"outcome":"ok"', b'"outcome":"no"')]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tamper", "line", "problem"),
    [
        (changed, 5, "the record was changed"),
        (without, 5, "record 5 was expected, 6 stands here"),
        (swapped, 5, "record 5 was expected, 6 stands here"),
        (doubled, 6, "record 6 was expected, 5 stands here"),
        (forged, 5, "the record does not follow the one before"),
        (rehashed, 6, "the record does not follow the one before"),
        (garbled, 5, "not a record"),
        (last_changed, 10, "the record was changed"),
    ],
)
async def test_tampering_is_found_where_it_was_done(
    audit: Path, tamper: Callable[[Lines], Lines], line: int, problem: str
) -> None:
    path = only_file(audit)
    path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))
    found = checked(audit)
    assert not found.whole
    assert (found.breaks[0].file, found.breaks[0].line, found.breaks[0].problem) == (path, line, problem)


@pytest.mark.anyio
async def test_a_torn_end_is_said_and_is_no_break(audit: Path) -> None:
    with only_file(audit).open("ab") as file:
        file.write(b'{"hash":"ab')
    found = checked(audit)
    assert (found.whole, found.torn, found.records) == (True, True, 10)


@pytest.mark.anyio
async def test_the_chain_goes_on_over_files_and_may_begin_late(tmp_path: Path) -> None:
    async with Journal(tmp_path, max_bytes=1000) as journal:
        for _ in range(5):
            await call(journal)
    paths = files(tmp_path)
    assert (len(paths) > 3, checked(tmp_path).whole, checked(tmp_path).last_seq) == (True, True, 10)
    paths[0].unlink()
    assert checked(tmp_path).whole
    assert checked(tmp_path).first_seq > 1
    paths[2].unlink()
    assert not checked(tmp_path).whole


@pytest.mark.anyio
async def test_each_writer_has_a_chain_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        async with Journal(tmp_path) as journal:
            await call(journal)
    assert [(found.whole, found.records) for found in verify(tmp_path)] == [(True, 2)] * 3
