"""Successor logs, keys by size, time stamps, idempotency keys; rows that name an entry also name its log."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Index → table, columns: once without the log, now with it.
_INDICES = {
    "auditlog_decision_idx": ("auditlog_decision", ["idx"]),
    "auditlog_decision_system": ("auditlog_decision", ["system", "idx"]),
    "auditlog_decision_outcome": ("auditlog_decision", ["outcome", "idx"]),
    "auditlog_review_decision": ("auditlog_review", ["decision_id", "idx"]),
}


def upgrade() -> None:
    op.create_table(
        "auditlog_log",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("log", name="auditlog_log_pkey"),
        sa.UniqueConstraint("origin", name="auditlog_log_origin"),
    )
    op.create_table(
        "auditlog_key",
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("log", "vkey", name="auditlog_key_pkey"),
    )
    op.create_table(
        "auditlog_timestamp",
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("time", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log", "size", name="auditlog_timestamp_pkey"),
    )
    op.create_table(
        "auditlog_idempotency",
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tag", name="auditlog_idempotency_pkey"),
        sa.UniqueConstraint("record", name="auditlog_idempotency_record"),
    )
    for table in ("auditlog_decision", "auditlog_review"):
        # All entries there are stand in the first log; from now on each row says its own.
        op.add_column(table, sa.Column("log", sa.Integer(), nullable=False, server_default="1"))
    _make_indices(with_log=True)
    _change_registry(with_log=True)
    _note_first_log()


def downgrade() -> None:
    _change_registry(with_log=False)
    _make_indices(with_log=False)
    for table in ("auditlog_review", "auditlog_decision"):
        op.drop_column(table, "log")
    for table in ("auditlog_idempotency", "auditlog_timestamp", "auditlog_key", "auditlog_log"):
        op.drop_table(table)


def _make_indices(*, with_log: bool) -> None:
    for name, (table, columns) in _INDICES.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, [*columns[:-1], *(["log"] if with_log else []), columns[-1]], unique=False)


def _change_registry(*, with_log: bool) -> None:
    """Its primary key changes, so the table is made anew."""
    op.drop_index("ix_registry_change_slug", table_name="registry_change")
    op.rename_table("registry_change", "registry_change_old")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE registry_change_old DROP CONSTRAINT pk_registry_change")
        op.execute("ALTER TABLE registry_change_old DROP CONSTRAINT fk_registry_change_slug")
    log = [sa.Column("log", sa.Integer(), autoincrement=False, nullable=False)] if with_log else []
    names = ["log", "idx"] if with_log else ["idx"]
    op.create_table(
        "registry_change",
        *log,
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_change_slug"),
        sa.PrimaryKeyConstraint(*names, name="pk_registry_change"),
    )
    op.create_index("ix_registry_change_slug", "registry_change", ["slug", *names], unique=False)
    what = "1, idx, slug" if with_log else "idx, slug"
    op.execute(f"INSERT INTO registry_change SELECT {what} FROM registry_change_old")
    op.drop_table("registry_change_old")


def _note_first_log() -> None:
    """The origin of the log that is there, as its first entry says."""
    conn = op.get_bind()
    first = conn.execute(sa.text("SELECT data FROM auditlog_entry WHERE log = 1 AND idx = 0")).scalar_one_or_none()
    if first is not None:
        origin = json.loads(bytes(first))["origin"]
        conn.execute(sa.text("INSERT INTO auditlog_log (log, origin) VALUES (1, :origin)"), {"origin": origin})
