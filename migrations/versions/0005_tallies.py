"""The roll-up, tallies, publications, and entries by kind."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _key() -> list[sa.Column[Any]]:
    return [
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
    ]


_KEY = ("log", "system", "version", "mode", "day")


def upgrade() -> None:
    for name in ("auditlog_rollup", "auditlog_rollup_tallied"):
        op.create_table(
            name,
            *_key(),
            sa.Column("cell", sa.Text(), nullable=False),
            sa.Column("number", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint(*_KEY, "cell", name=f"{name}_pkey"),
        )
    op.create_index("auditlog_rollup_day", "auditlog_rollup", ["day", "system"], unique=False)
    op.create_table(
        "auditlog_rollup_due",
        *_key(),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="auditlog_rollup_due_pkey"),
    )
    op.create_table(
        "auditlog_event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minute", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("log", "idx", name="auditlog_event_pkey"),
    )
    op.create_index("auditlog_event_kind", "auditlog_event", ["kind", "minute"], unique=False)
    op.create_table(
        "auditlog_tally",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("recounted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="auditlog_tally_pkey"),
    )
    op.create_index("auditlog_tally_days", "auditlog_tally", ["level", "first", "system"], unique=False)
    columns = ["counted", "system", "version", "mode", "first"]
    op.create_index("auditlog_tally_key", "auditlog_tally", columns, unique=False)
    op.create_table(
        "auditlog_tally_round",
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", name="auditlog_tally_round_pkey"),
    )
    op.create_table(
        "auditlog_publication",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="auditlog_publication_pkey"),
    )
    op.create_index("auditlog_publication_place", "auditlog_publication", ["document", "log", "idx"], unique=False)
    op.create_table(
        "auditlog_published",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", "system", "cell", name="auditlog_published_pkey"),
    )


def downgrade() -> None:
    for name in ("auditlog_published", "auditlog_publication", "auditlog_tally_round", "auditlog_tally"):
        op.drop_table(name)
    for name in ("auditlog_event", "auditlog_rollup_due", "auditlog_rollup_tallied", "auditlog_rollup"):
        op.drop_table(name)
