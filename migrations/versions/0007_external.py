"""Records from elsewhere: which record has which number of its source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "auditlog_source",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("source", "n", name="auditlog_source_pkey"),
        sa.UniqueConstraint("id", name="auditlog_source_id"),
    )


def downgrade() -> None:
    op.drop_table("auditlog_source")
