"""The store's schema: made once, brought forward by the migrations, and the same as the tables say."""

from __future__ import annotations

from pathlib import Path

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
