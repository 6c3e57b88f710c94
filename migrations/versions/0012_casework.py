"""Requests of people, their codes, and who works on what waits for a review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "casework_request",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("right_code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received", sa.Text(), nullable=False),
        sa.Column("due", sa.Text(), nullable=False),
        sa.Column("extended", sa.Boolean(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("delay", sa.Text(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("closed", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="casework_request_pkey"),
    )
    op.create_index("casework_request_due", "casework_request", ["state", "due", "id"])
    op.create_index("casework_request_received", "casework_request", ["received"])
    op.create_index("casework_request_reference", "casework_request", ["reference"])
    op.create_table(
        "casework_tracking",
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request", name="casework_tracking_pkey"),
        sa.UniqueConstraint("digest", name="casework_tracking_digest"),
    )
    op.create_table(
        "casework_code",
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record", name="casework_code_pkey"),
    )
    op.create_table(
        "casework_try",
        sa.Column("bucket", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="casework_try_pkey"),
    )
    op.create_index("casework_try_since", "casework_try", ["since"])
    op.create_table(
        "casework_assignment",
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("record", name="casework_assignment_pkey"),
    )
    op.create_table(
        "casework_judgement",
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record", name="casework_judgement_pkey"),
    )
    op.create_index("casework_judgement_day", "casework_judgement", ["day"])


def downgrade() -> None:
    op.drop_index("casework_judgement_day", "casework_judgement")
    op.drop_table("casework_judgement")
    op.drop_table("casework_assignment")
    op.drop_index("casework_try_since", "casework_try")
    op.drop_table("casework_try")
    op.drop_table("casework_code")
    op.drop_table("casework_tracking")
    op.drop_index("casework_request_reference", "casework_request")
    op.drop_index("casework_request_received", "casework_request")
    op.drop_index("casework_request_due", "casework_request")
    op.drop_table("casework_request")
