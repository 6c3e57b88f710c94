"""Payloads: references by kind, large values."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who was found by a tag until now was a person.
    op.add_column("auditlog_subject", sa.Column("kind", sa.Text(), nullable=False, server_default="subject"))
    op.create_table(
        "auditlog_blob",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="auditlog_blob_pkey"),
    )
    op.create_index("auditlog_blob_id", "auditlog_blob", ["id"], unique=False)
    op.create_table(
        "auditlog_blob_due",
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="auditlog_blob_due_pkey"),
    )


def downgrade() -> None:
    op.drop_table("auditlog_blob_due")
    op.drop_table("auditlog_blob")
    op.drop_column("auditlog_subject", "kind")
