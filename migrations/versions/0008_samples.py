"""Samples, and reconciliations with case systems."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "auditlog_sample",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("not_before", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("drawn", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="auditlog_sample_pkey"),
    )
    op.create_table(
        "auditlog_reconciliation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("minute", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("cases", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("without_record", sa.BigInteger(), nullable=False),
        sa.Column("without_case", sa.BigInteger(), nullable=False),
        sa.Column("used_before_review", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="auditlog_reconciliation_pkey"),
    )


def downgrade() -> None:
    op.drop_table("auditlog_reconciliation")
    op.drop_table("auditlog_sample")
