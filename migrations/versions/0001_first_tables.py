"""All tables: the log with its vault and query rows, the register, access keys; entries that cannot be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_REFUSAL = "entries of the log are never changed or deleted"
_SQLITE_TRIGGER = (
    "CREATE TRIGGER auditlog_entry_no_{what} BEFORE {what} ON auditlog_entry "
    "BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
)
_POSTGRESQL_FUNCTION = (
    "CREATE FUNCTION auditlog_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
)
_POSTGRESQL_TRIGGER = (
    "CREATE TRIGGER auditlog_entry_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON auditlog_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION auditlog_refuse()"
)


def upgrade() -> None:
    _create_tables()
    _refuse_changes()


def _create_tables() -> None:
    op.create_table(
        "auditlog_decision",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("minute", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("queue_us", sa.BigInteger(), nullable=True),
        sa.Column("first_us", sa.BigInteger(), nullable=True),
        sa.Column("total_us", sa.BigInteger(), nullable=True),
        sa.Column("energy_uj", sa.BigInteger(), nullable=True),
        sa.Column("energy_method", sa.Text(), nullable=True),
        sa.Column("cost_millionths", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="auditlog_decision_pkey"),
    )
    op.create_index("auditlog_decision_idx", "auditlog_decision", ["idx"], unique=False)
    op.create_index("auditlog_decision_minute", "auditlog_decision", ["minute"], unique=False)
    op.create_index("auditlog_decision_outcome", "auditlog_decision", ["outcome", "idx"], unique=False)
    op.create_index("auditlog_decision_system", "auditlog_decision", ["system", "idx"], unique=False)
    op.create_table(
        "auditlog_entry",
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "idx", name="auditlog_entry_pkey"),
        sa.UniqueConstraint("id", name="auditlog_entry_id"),
    )
    op.create_table(
        "auditlog_erasure",
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record", name="auditlog_erasure_pkey"),
        sa.UniqueConstraint("id", name="auditlog_erasure_id"),
    )
    op.create_table(
        "auditlog_head",
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "name", name="auditlog_head_pkey"),
    )
    op.create_table(
        "auditlog_review",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="auditlog_review_pkey"),
    )
    op.create_index("auditlog_review_decision", "auditlog_review", ["decision_id", "idx"], unique=False)
    op.create_table(
        "auditlog_sealed",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="auditlog_sealed_pkey"),
        sa.UniqueConstraint("slot", name="auditlog_sealed_slot"),
    )
    op.create_table(
        "auditlog_subject",
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tag", "id", name="auditlog_subject_pkey"),
    )
    op.create_index("auditlog_subject_id", "auditlog_subject", ["id"], unique=False)
    op.create_table(
        "auditlog_tile",
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "level", "idx", name="auditlog_tile_pkey"),
    )
    op.create_table(
        "registry_model",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("derived_from", sa.String(length=64), nullable=True),
        sa.Column("quantization", sa.String(length=40), nullable=True),
        sa.CheckConstraint("size > 0", name="ck_registry_model_size"),
        sa.PrimaryKeyConstraint("sha256", name="pk_registry_model"),
    )
    op.create_table(
        "registry_system",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_before", sa.String(length=16), nullable=True),
        sa.Column("running_version", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(state = 'suspended') = (state_before IS NOT NULL)", name="ck_registry_system_state_before"
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'in_review', 'approved', 'pilot', 'active', 'suspended', 'retired')",
            name="ck_registry_system_state",
        ),
        sa.PrimaryKeyConstraint("slug", name="pk_registry_system"),
    )
    op.create_table(
        "registry_change",
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_change_slug"),
        sa.PrimaryKeyConstraint("idx", name="pk_registry_change"),
    )
    op.create_index("ix_registry_change_slug", "registry_change", ["slug", "idx"], unique=False)
    op.create_table(
        "registry_version",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.CheckConstraint("version > 0", name="ck_registry_version_version"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_version_slug"),
        sa.PrimaryKeyConstraint("slug", "version", name="pk_registry_version"),
    )
    op.create_table(
        "access_key",
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("systems", sa.Text(), nullable=True),
        sa.Column("created", sa.String(length=20), nullable=False),
        sa.Column("revoked", sa.String(length=20), nullable=True),
        sa.CheckConstraint("role IN ('client', 'officer', 'auditor', 'operator')", name="access_key_role"),
        sa.PrimaryKeyConstraint("prefix"),
        sa.UniqueConstraint("digest"),
    )


def _refuse_changes() -> None:
    """By accident nobody changes an entry; against intent there are signatures, guard and witnesses."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_POSTGRESQL_FUNCTION.format(refusal=_REFUSAL))
        op.execute(_POSTGRESQL_TRIGGER)
        return
    for what in ("update", "delete"):
        op.execute(_SQLITE_TRIGGER.format(what=what, refusal=_REFUSAL))


def downgrade() -> None:
    op.drop_table("access_key")
    op.drop_table("registry_version")
    op.drop_index("ix_registry_change_slug", table_name="registry_change")
    op.drop_table("registry_change")
    op.drop_table("registry_system")
    op.drop_table("registry_model")
    op.drop_table("auditlog_tile")
    op.drop_index("auditlog_subject_id", table_name="auditlog_subject")
    op.drop_table("auditlog_subject")
    op.drop_table("auditlog_sealed")
    op.drop_index("auditlog_review_decision", table_name="auditlog_review")
    op.drop_table("auditlog_review")
    op.drop_table("auditlog_head")
    op.drop_table("auditlog_erasure")
    op.drop_table("auditlog_entry")
    op.drop_index("auditlog_decision_system", table_name="auditlog_decision")
    op.drop_index("auditlog_decision_outcome", table_name="auditlog_decision")
    op.drop_index("auditlog_decision_minute", table_name="auditlog_decision")
    op.drop_index("auditlog_decision_idx", table_name="auditlog_decision")
    op.drop_table("auditlog_decision")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION auditlog_refuse()")
