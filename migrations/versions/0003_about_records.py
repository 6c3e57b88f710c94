"""What was done about a record, and erasures whose tombstone is due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "auditlog_about",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("minute", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "record", name="auditlog_about_pkey"),
    )
    op.create_table(
        "auditlog_erasure_due",
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record", name="auditlog_erasure_due_pkey"),
        sa.UniqueConstraint("id", name="auditlog_erasure_due_id"),
    )
    op.create_index("auditlog_about_record", "auditlog_about", ["record", "kind", "log", "idx"], unique=False)


def downgrade() -> None:
    op.drop_table("auditlog_erasure_due")
    op.drop_table("auditlog_about")
