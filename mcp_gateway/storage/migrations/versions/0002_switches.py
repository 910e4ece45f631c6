"""Kill switches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "switches",
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("off_at", sa.Float(), nullable=False),
        sa.Column("off_by", sa.String(), nullable=False),
        sa.Column("on_at", sa.Float(), nullable=True),
        sa.Column("on_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("object"),
    )
