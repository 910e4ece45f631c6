"""The store's schema: made once, brought forward by the migrations, and the same as the tables say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import mcp_gateway.storage
from mcp_gateway.storage.database import HEAD, migrate
from mcp_gateway.storage.schema import metadata


def test_the_newest_migration_is_the_one_that_is_looked_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(mcp_gateway.storage.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_migrated_store_has_exactly_the_tables_of_the_program(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    migrate(path)
    migrate(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_what_an_older_store_held_are_tools_after_the_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    config = Config()
    config.set_main_option("script_location", str(Path(mcp_gateway.storage.__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    command.upgrade(config, "0003")
    row = ("notes", "read", "approved", "read", "d", '{"name": "read"}', "d", "os:ana", 1.5, None, 1.0)
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(f"INSERT INTO tools VALUES ({', '.join('?' * len(row))})", row)
    migrate(path)
    with closing(sqlite3.connect(path)) as store, store:
        assert store.execute("SELECT * FROM tools").fetchall() == [("notes", "tool", *row[1:])]
        store.execute("INSERT INTO tools SELECT server, 'prompt', name, " + ", ".join(_REST) + " FROM tools")
        assert store.execute("SELECT count(*) FROM tools").fetchone() == (2,)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


_REST = (
    "state", "risk", "digest", "definition_json", "approved_digest", "approved_by", "approved_at", "finding",
    "first_seen_at",
)  # fmt: skip
