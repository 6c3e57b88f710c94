"""Records of systems as they were, answers about their class, and approvals."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BATCH = 500


def upgrade() -> None:
    _past()
    _search()
    _answers()
    _incidents()
    _fill_records()


def downgrade() -> None:
    op.drop_index("ix_registry_incident_slug", "registry_incident")
    op.drop_table("registry_incident")
    op.drop_table("registry_answer")
    op.drop_index("ix_registry_word_slug", "registry_word")
    op.drop_table("registry_word")
    op.drop_table("registry_listing")
    for table in ("registry_modification", "registry_step", "registry_record"):
        op.drop_index(f"ix_{table}_slug", table)
        op.drop_table(table)


def _past() -> None:
    """What was recorded once: a record as it was, who took a step, what a new version changes."""
    texts = {
        "registry_record": [sa.Column("record", sa.Text(), nullable=False)],
        "registry_step": [sa.Column("account", sa.String(64), nullable=True)],
        "registry_modification": [
            sa.Column("version", sa.Integer(), nullable=False),
            sa.Column("substantial", sa.String(3), nullable=False),
            sa.Column("statement", sa.Text(), nullable=False),
            sa.Column("role", sa.String(40), nullable=False),
        ],
    }
    for table, columns in texts.items():
        op.create_table(
            table,
            sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("slug", sa.String(64), nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("log", "idx", name=f"pk_{table}"),
            sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name=f"fk_{table}_slug"),
        )
        by = ["slug", "version"] if table == "registry_modification" else ["slug", "log", "idx"]
        op.create_index(f"ix_{table}_slug", table, by)


def _search() -> None:
    """What lists and searches read: it follows from the records, and the program fills it."""
    op.create_table(
        "registry_listing",
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("running_version", sa.Integer(), nullable=True),
        sa.Column("hidden", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("capture", sa.String(16), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("themes", sa.Text(), nullable=False),
        sa.Column("risks", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name="pk_registry_listing"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_listing_slug"),
    )
    word = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
    op.create_table(
        "registry_word",
        sa.Column("word", word, nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("named", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("word", "slug", name="pk_registry_word"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_word_slug"),
    )
    op.create_index("ix_registry_word_slug", "registry_word", ["slug"])


def _answers() -> None:
    """What was answered about the class of a system, by whom, when, and by which rules."""
    op.create_table(
        "registry_answer",
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("minute", sa.String(17), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("account", sa.String(64), nullable=True),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug", "number", name="pk_registry_answer"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_answer_slug"),
    )


def _incidents() -> None:
    """The steps of each incident: when the agency knew, and who was told."""
    op.create_table(
        "registry_incident",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("incident", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("duty", sa.String(16), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("aware", sa.String(17), nullable=False),
        sa.Column("recipient", sa.String(16), nullable=True),
        sa.Column("day", sa.String(10), nullable=True),
        sa.Column("reached", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("account", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("log", "idx", name="pk_registry_incident"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_incident_slug"),
        sa.CheckConstraint("step IN ('opened', 'told', 'closed')", name="ck_registry_incident_step"),
    )
    op.create_index("ix_registry_incident_slug", "registry_incident", ["slug", "incident"])


def _fill_records() -> None:
    """The record of each system as it is, at the entry that brought it; of those before nobody kept the text."""
    conn = op.get_bind()
    newest: dict[str, tuple[int, int]] = {}
    changes = conn.execute(
        sa.text(
            "SELECT c.log, c.idx, c.slug, e.data FROM registry_change c "
            "JOIN auditlog_entry e ON e.log = c.log AND e.idx = c.idx ORDER BY c.log, c.idx"
        )
    )
    for log, index, slug, data in changes:
        if json.loads(bytes(data) if not isinstance(data, str) else data).get("kind") == "system/1":
            newest[slug] = (log, index)
    records = conn.execute(sa.text("SELECT slug, record FROM registry_system")).all()
    rows = [
        {"log": newest[slug][0], "idx": newest[slug][1], "slug": slug, "record": record}
        for slug, record in records
        if slug in newest
    ]
    insert = sa.text("INSERT INTO registry_record (log, idx, slug, record) VALUES (:log, :idx, :slug, :record)")
    for start in range(0, len(rows), _BATCH):
        conn.execute(insert, rows[start : start + _BATCH])
