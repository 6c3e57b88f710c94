"""Accounts of staff, their sessions, and what they may see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROLES = "role IN ('officer', 'approver', 'auditor', 'operator', 'administrator')"


def upgrade() -> None:
    op.create_table(
        "access_account",
        sa.Column("id", sa.String(13), nullable=False),
        sa.Column("login", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("systems", sa.Text(), nullable=True),
        sa.Column("created", sa.String(20), nullable=False),
        sa.Column("ends", sa.String(10), nullable=True),
        sa.Column("ended", sa.String(20), nullable=True),
        sa.CheckConstraint(_ROLES, name="access_account_role"),
        sa.PrimaryKeyConstraint("id", name="pk_access_account"),
        sa.UniqueConstraint("login", name="uq_access_account_login"),
    )
    op.create_table(
        "access_event",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account", sa.String(13), nullable=False),
        sa.Column("time", sa.String(20), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(13), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_access_event"),
        sa.ForeignKeyConstraint(["account"], ["access_account.id"], name="fk_access_event_account"),
    )
    op.create_index("ix_access_event_account", "access_event", ["account", "time"])
    _create_secrets()
    op.create_table(
        "access_session",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(13), nullable=False),
        sa.Column("stage", sa.String(8), nullable=False),
        sa.Column("created", sa.String(20), nullable=False),
        sa.Column("seen", sa.String(20), nullable=False),
        sa.CheckConstraint("stage IN ('full', 'first')", name="access_session_stage"),
        sa.PrimaryKeyConstraint("digest", name="pk_access_session"),
        sa.ForeignKeyConstraint(["account"], ["access_account.id"], name="fk_access_session_account"),
    )
    op.create_index("ix_access_session_account", "access_session", ["account"])
    op.create_table(
        "access_attempt",
        sa.Column("bucket", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_access_attempt"),
    )


def _create_secrets() -> None:
    op.create_table(
        "access_secret",
        sa.Column("account", sa.String(13), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("setup", sa.LargeBinary(), nullable=True),
        sa.Column("setup_until", sa.String(20), nullable=True),
        sa.PrimaryKeyConstraint("account", name="pk_access_secret"),
        sa.ForeignKeyConstraint(["account"], ["access_account.id"], name="fk_access_secret_account"),
    )
    op.create_table(
        "access_recovery",
        sa.Column("account", sa.String(13), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account", "digest", name="pk_access_recovery"),
        sa.ForeignKeyConstraint(["account"], ["access_account.id"], name="fk_access_recovery_account"),
    )


def downgrade() -> None:
    op.drop_table("access_attempt")
    op.drop_index("ix_access_session_account", "access_session")
    op.drop_table("access_session")
    op.drop_table("access_recovery")
    op.drop_table("access_secret")
    op.drop_index("ix_access_event_account", "access_event")
    op.drop_table("access_event")
    op.drop_table("access_account")
