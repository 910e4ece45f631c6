"""An index over the audit's files: which words and fields stand in which line. Blocking; never the truth.

Built from the files off the call path, as far as they have grown, and thrown away whenever it does not fit
them; what it finds is read again from the file. It holds no sealed value.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, cast
from zlib import crc32

from mcp_gateway.audit.export import Progress
from mcp_gateway.audit.query import Trail, Wanted, codes_of, objects_of, request_of
from mcp_gateway.audit.record import Record, parse
from mcp_gateway.errors import OperatorError

_VERSION = 1
_BATCH = 10_000
_BUSY_SECONDS = 30
_SLOTS = 2048
"""Places for records of one microsecond."""

_LAST = 2**63 - 1
_LATEST = 4_000_000_000.0
_WORD = re.compile(r"[^\W_]+")
_SCHEMA = f"""
CREATE TABLE segment(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, inode INTEGER NOT NULL, done INTEGER NOT NULL);
CREATE TABLE place(id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE VIRTUAL TABLE word USING fts5(text, content='', columnsize=0, detail=none, tokenize='unicode61 remove_diacritics 0');
PRAGMA user_version={_VERSION};
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands."""

    path: Path
    start: int
    length: int


class Index:
    """`refresh`, then `places`. Raises OperatorError when the index cannot be written."""

    def __init__(self, directory: Path, path: Path) -> None:
        """Over the audit files in `directory`, kept in the file `path`."""
        self._directory = directory
        self._path = path

    def refresh(self, progress: Progress) -> int:
        """Take in what was written since; how many records."""
        try:
            try:
                return self._refresh(progress)
            except _Outdated:
                self.discard()
                return self._refresh(progress)
            except sqlite3.DatabaseError as exc:
                if isinstance(exc, sqlite3.OperationalError):
                    raise
                self.discard()
                return self._refresh(progress)
        except (OSError, sqlite3.Error) as exc:
            raise OperatorError(
                "the search index cannot be used", where=str(self._path), remedy="remove it, it is made again"
            ) from exc

    def discard(self) -> None:
        for path in (self._path, *(self._path.with_name(self._path.name + end) for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)

    def places(self, wanted: Wanted, words: Iterable[str]) -> Iterator[Place]:
        """Newest first, of everything that may match."""
        asked = _asked(wanted, words)
        low = 0 if wanted.since is None else _place_id(wanted.since, 0)
        high = _LAST if wanted.until is None else _place_id(wanted.until, _SLOTS)
        found, given = "SELECT id FROM place WHERE id BETWEEN ? AND ? ORDER BY id DESC", (low, high)
        with self._connected() as connection:
            names = dict(cast("list[tuple[int, str]]", connection.execute("SELECT id, name FROM segment").fetchall()))
            if asked:
                found = "SELECT rowid FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC"
                rows = connection.execute(found, (asked, *given))
            else:
                rows = connection.execute(found, given)
            for (identifier,) in rows:
                place = connection.execute("SELECT segment, start, length FROM place WHERE id = ?", (identifier,))
                segment, start, length = cast("tuple[int, int, int]", place.fetchone())
                yield Place(self._directory / names[segment], start, length)

    def _refresh(self, progress: Progress) -> int:
        with self._connected() as connection:
            segments = Trail(self._directory).segments()
            total, done, taken = sum(path.stat().st_size for path in segments), 0, 0
            for path in self._fitting(connection, segments):
                while count := _take_in(connection, path):
                    taken += count
                done += path.stat().st_size
                progress(min(done, total), total)
            return taken

    def _fitting(self, connection: sqlite3.Connection, segments: list[Path]) -> list[Path]:
        """`segments`, when the index is about them; raises _Outdated when it knows of others."""
        known = connection.execute("SELECT name, inode, done FROM segment").fetchall()
        there = {path.name: path.stat() for path in segments}
        for name, inode, done in cast("list[tuple[str, int, int]]", known):
            if name not in there or there[name].st_ino != inode or there[name].st_size < done:
                raise _Outdated
        return segments

    @contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            # What a power cut takes is built again.
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA cache_size=-65536")
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.strip().split(";\n"):
                    connection.execute(statement)
            connection.execute("COMMIT")
            if version not in (0, _VERSION):
                raise _Outdated
            yield connection


class _Outdated(Exception):
    """The index is about other files, or of another version."""


def _take_in(connection: sqlite3.Connection, path: Path) -> int:
    """The next lines of a file, in one transaction; how many."""
    connection.execute("BEGIN IMMEDIATE")
    with closing(connection.cursor()) as cursor, path.open("rb") as file:
        named = cursor.execute("SELECT id, done FROM segment WHERE name = ?", (path.name,)).fetchone()
        if named is None:
            inode = os.fstat(file.fileno()).st_ino
            cursor.execute("INSERT INTO segment(name, inode, done) VALUES(?, ?, 0)", (path.name, inode))
            named = (cursor.lastrowid, 0)
        segment, start = cast("tuple[int, int]", named)
        file.seek(start)
        count = 0
        for line in islice(file, _BATCH):
            if not line.endswith(b"\n"):
                break
            _enter(cursor, line, segment, start)
            start += len(line)
            count += 1
        cursor.execute("UPDATE segment SET done = ? WHERE id = ?", (start, segment))
    connection.execute("COMMIT")
    return count


def _enter(cursor: sqlite3.Cursor, line: bytes, segment: int, start: int) -> None:
    try:
        record = parse(line)
    except ValueError:
        return
    identifier = _place_id(float(record["at"]), crc32(str(record.get("writer")).encode()) + int(record["seq"]))
    while True:
        try:
            cursor.execute("INSERT INTO place VALUES(?, ?, ?, ?)", (identifier, segment, start, len(line)))
            break
        except sqlite3.IntegrityError:
            identifier += 1
    cursor.execute("INSERT INTO word(rowid, text) VALUES(?, ?)", (identifier, text_of(record)))


def _place_id(at: float, slot: int) -> int:
    """In the order of time, so that the newest are found first."""
    micros = int(max(0.0, min(at, _LATEST)) * 1_000_000)
    return micros * _SLOTS + (slot if slot == _SLOTS else slot % _SLOTS)


def text_of(record: Record) -> str:
    """Everything a record is found by: its words, and one made word for each field."""
    fields = {"user": {record.get("user"), record.get("actor")}, "code": codes_of(record), "object": objects_of(record)}
    single = {name: {record.get(name)} for name in ("agent", "tool", "effect", "kind")}
    terms = [
        _term(name, str(value))
        for name, values in {**fields, **single, "request": {request_of(record)}}.items()
        for value in values
        if value
    ]
    return " ".join((*terms, *_words(record)))


def _words(record: Record) -> Iterator[str]:
    for name in ("kind", "verb", "user", "actor", "agent", "tool", "endpoint", "effect", "outcome", "code"):
        value = record.get(name)
        if value:
            yield str(value)
    for reason in (*record.get("reasons", ()), *record.get("observed", ())):
        yield f"{reason.get('code')} {reason.get('evidence') or ''}"
    for question in record.get("questions", ()):
        yield str(question[2])
    yield from _leaves(record.get("named"))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        if "sealed" not in members:
            for name, member in members.items():
                yield name
                yield from _leaves(member)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


@lru_cache(maxsize=8192)
def _term(field: str, value: str) -> str:
    return "x" + blake2b(f"{field}\0{value}".encode("utf-8", "replace"), digest_size=8).hexdigest()


def _asked(wanted: Wanted, words: Iterable[str]) -> str:
    """What must all be there, in the index's own language."""
    given = {
        "user": wanted.user,
        "agent": wanted.agent,
        "tool": wanted.tool,
        "effect": wanted.effect,
        "kind": wanted.kind,
        "code": wanted.code,
        "object": wanted.resource,
        "request": wanted.request,
    }
    terms = [f'"{_term(name, value)}"' for name, value in given.items() if value is not None]
    for word in words:
        parts = _WORD.findall(word)
        if not parts:
            raise OperatorError("has no letter or digit to search for", where=word)
        terms += [f'"{part}"' for part in parts]
        terms[-1] += "*" if word.endswith("*") else ""
    return " AND ".join(terms)
