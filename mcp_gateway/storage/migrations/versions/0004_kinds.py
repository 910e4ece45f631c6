"""Prompts, resources and templates beside tools; what was there before is a tool."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEPT = (
    "server, name, state, risk, digest, definition_json, approved_digest, approved_by, approved_at, finding, "
    "first_seen_at"
)


def upgrade() -> None:
    # SQLite cannot change a primary key: the table is made anew and filled from the old one.
    op.rename_table("tools", "tools_before")
    op.create_table(
        "tools",
        sa.Column("server", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("risk", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("definition_json", sa.Text(), nullable=False),
        sa.Column("approved_digest", sa.String(), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.Float(), nullable=True),
        sa.Column("finding", sa.String(), nullable=True),
        sa.Column("first_seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("server", "kind", "name"),
    )
    op.execute(f"INSERT INTO tools (kind, {_KEPT}) SELECT 'tool', {_KEPT} FROM tools_before")
    op.drop_table("tools_before")
