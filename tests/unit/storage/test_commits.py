"""Whoever watches the store sees every commit, whatever connection and process it came through."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mcp_gateway.storage.commits import Commits
from mcp_gateway.storage.database import migrate

_INSERT = "INSERT INTO ended_sessions (digest, until) VALUES (?, 0)"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.db"
    migrate(path)
    return path


@pytest.fixture
def commits(store: Path) -> Iterator[Commits]:
    watching = Commits(store)
    yield watching
    watching.close()


def test_a_new_store_has_a_sign_that_needs_no_question(commits: Commits) -> None:
    assert isinstance(commits.sign(), bytes)


def test_every_commit_is_seen_through_checkpoints_and_new_connections(store: Path, commits: Commits) -> None:
    seen = commits.sign()
    for number in range(300):
        with closing(sqlite3.connect(store)) as connection:
            connection.execute(_INSERT, (f"digest-{number}",))
            connection.commit()
            if number % 7 == 0:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if number % 11 == 0:
                connection.execute("PRAGMA wal_checkpoint(RESTART)")
            before, seen = seen, commits.sign()
            assert seen != before, number


def test_a_commit_of_another_process_is_seen_when_it_has_ended(store: Path, commits: Commits) -> None:
    program = f"import sqlite3; c = sqlite3.connect({str(store)!r}); c.execute({_INSERT!r}, ('a',)); c.commit()"
    before = commits.sign()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert commits.sign() != before


def test_nothing_is_seen_when_nothing_was_committed(store: Path, commits: Commits) -> None:
    before = commits.sign()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(_INSERT, ("a",))
        connection.rollback()
        connection.execute("SELECT count(*) FROM ended_sessions").fetchone()
    assert commits.sign() == before


def test_watching_takes_no_lock_away_from_this_process(store: Path) -> None:
    """Whoever opened the wal-index and closed it again would have dropped them (fcntl(2))."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        watching = Commits(store)
        watching.close()
        assert _another_process_may_write(store) is False
        connection.execute("ROLLBACK")
        assert _another_process_may_write(store) is True


def _another_process_may_write(store: Path) -> bool:
    program = f"import sqlite3; sqlite3.connect({str(store)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0 or "locked" in done.stderr
    return done.returncode == 0


def test_a_store_in_another_journal_mode_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE ended_sessions (digest TEXT, until REAL)")
        connection.commit()
        watching = Commits(path)
        before = watching.sign()
        connection.execute(_INSERT, ("a",))
        connection.commit()
        assert isinstance(before, int)
        assert watching.sign() != before
        watching.close()


def test_a_closed_watch_says_so(store: Path) -> None:
    watching = Commits(store)
    watching.close()
    with pytest.raises(sqlite3.Error):
        watching.sign()
